package main

import (
	"errors"
	"slices"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

// observer tells enrollkit what devices say before NanoMDM answers them: in their
// order, once each, and so that a device may be refused. NanoMDM's own webhook
// and multi-service do so later, in any order, and without another try.
type observer struct {
	service.CheckinAndCommandService
	checkins apple.CheckIns
	enrolled *enrolled
	now      func() time.Time
}

// senderOf reads the certificate, which NanoMDM has verified: the subject is what
// the profile asked for and the SCEP server signed.
func (o observer) senderOf(r *mdm.Request) apple.Sender {
	if r.Certificate == nil || !slices.Equal(r.Certificate.Subject.Organization, []string{site}) {
		return apple.Sender{Site: site} // from before enrollkit: known by its Ref, if at all
	}
	return o.enrolled.as(apple.Sender{Site: site, Enrollment: r.Certificate.Subject.CommonName})
}

func identityOf(e mdm.Enrollment) apple.Identity {
	return apple.Identity{UDID: e.UDID, EnrollmentID: e.EnrollmentID, UserID: e.UserID, EnrollmentUserID: e.EnrollmentUserID}
}

// answered gives NanoMDM's handlers the status that the device should see. A device
// without an enrollment of ours, which enrollkit does not know, is NanoMDM's: it had
// it before, and goes on with it alone. With one, it is a device that is gone, or not
// there yet, and NanoMDM does not get to manage it.
func answered(from apple.Sender, err error) error {
	if err == nil || from.Enrollment == "" && errors.Is(err, enrollment.ErrNotFound) {
		return nil
	}
	return service.NewHTTPStatusError(apple.AnswerTo(err).Status, err)
}

// Authenticate refuses a device that is not admitted.
func (o observer) Authenticate(r *mdm.Request, m *mdm.Authenticate) error {
	message, err := readAuthenticate(m.Raw)
	if err != nil {
		return err
	}
	from := o.senderOf(r)
	status, err := o.checkins.Authenticate(r.Context(), from, message, o.now())
	if err = answered(from, o.enrolled.keep(from, status, err)); err != nil {
		return err
	}
	return o.CheckinAndCommandService.Authenticate(r, m)
}

// TokenUpdate means that the device is enrolled.
func (o observer) TokenUpdate(r *mdm.Request, m *mdm.TokenUpdate) error {
	message := apple.TokenUpdate{Identity: identityOf(m.Enrollment), Topic: m.Topic}
	from := o.senderOf(r)
	status, err := o.checkins.TokenUpdate(r.Context(), from, message, o.now())
	if err = answered(from, o.enrolled.keep(from, status, err)); err != nil {
		return err
	}
	return o.CheckinAndCommandService.TokenUpdate(r, m)
}

// CheckOut means that it has left.
func (o observer) CheckOut(r *mdm.Request, m *mdm.CheckOut) error {
	message := apple.CheckOut{Identity: identityOf(m.Enrollment)}
	from := o.senderOf(r)
	_, err := o.checkins.CheckOut(r.Context(), from, message, o.now())
	if err = answered(from, err); err != nil {
		return err
	}
	return o.CheckinAndCommandService.CheckOut(r, m)
}

// CommandAndReportResults is a sign of life, and an inventory if it answers one.
func (o observer) CommandAndReportResults(r *mdm.Request, m *mdm.CommandResults) (*mdm.Command, error) {
	from := o.senderOf(r)
	if err := answered(from, connected(r.Context(), o.checkins, from, m, o.now())); err != nil {
		return nil, err
	}
	return o.CheckinAndCommandService.CommandAndReportResults(r, m)
}
