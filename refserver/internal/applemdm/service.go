package applemdm

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service"
	"github.com/micromdm/plist"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/refserver/internal/database"
)

// observer is NanoMDM's service with the enrollment Service in front: it tells
// what devices say, in their order and before they are answered, and may turn
// them away.
type observer struct {
	service.CheckinAndCommandService // NanoMDM's
	server                           *Server
	checkins                         apple.CheckIns
}

var (
	// errOther refuses a device that shows the certificate of another.
	errOther = errors.New("applemdm: the certificate is another device's")
	// errNoDevice refuses a message that only a device has reason to send.
	errNoDevice = errors.New("applemdm: the enrollment became no device yet")
)

type (
	senderKey   struct{}
	platformKey struct{}
)

// senderOf is whose message it is, by its certificate.
func senderOf(ctx context.Context) (apple.Sender, bool) {
	from, ok := ctx.Value(senderKey{}).(apple.Sender)
	return from, ok
}

// platformIn is what the device is, as far as it is known.
func platformIn(ctx context.Context) device.Platform {
	p, _ := ctx.Value(platformKey{}).(device.Platform)
	return p
}

// identity is what a message says of itself, beyond what NanoMDM reads.
type identity struct {
	Topic                        string
	OSVersion, BuildVersion      string
	ProductName                  string
	SerialNumber, IMEI, MEID     string
	DeviceName, Model, ModelName string
	AwaitingConfiguration        bool
}

func identityOf(e mdm.Enrollment) apple.Identity {
	return apple.Identity{UDID: e.UDID, EnrollmentID: e.EnrollmentID, UserID: e.UserID, EnrollmentUserID: e.EnrollmentUserID}
}

// known returns whose message it is and its row, and refuses the name of another
// device: a certificate belongs to the one that used it first.
func (o *observer) known(r *mdm.Request, e mdm.Enrollment) (apple.Sender, enrolled, error) {
	from, ok := senderOf(r.Context())
	if !ok {
		return from, enrolled{}, errNoEnrollment
	}
	row, err := o.server.rows.get(r.Context(), from.Site, from.Enrollment)
	if err != nil {
		return from, row, err
	}
	name := e.UDID
	if name == "" {
		name = e.EnrollmentID
	}
	if row.name != "" && row.name != name {
		return from, row, errOther
	}
	from.Device = row.device
	return from, row, nil
}

// bind notes which device an enrollment became.
func (o *observer) bind(ctx context.Context, from apple.Sender, row enrolled, e mdm.Enrollment, status enrollment.Status) error {
	name := e.UDID
	if name == "" {
		name = e.EnrollmentID
	}
	if row.name == name && row.device == status.Device {
		return nil
	}
	return o.server.rows.change(ctx, from.Site, from.Enrollment, func(e *enrolled) { e.name, e.device = name, status.Device }, nil)
}

// Authenticate enrolls the device, or refuses it.
func (o *observer) Authenticate(r *mdm.Request, m *mdm.Authenticate) error {
	from, row, err := o.known(r, m.Enrollment)
	if err != nil {
		return err
	}
	var more identity
	if err := plist.Unmarshal(m.Raw, &more); err != nil {
		return malformed(err)
	}
	status, err := o.checkins.Authenticate(r.Context(), from, apple.Authenticate{
		Identity: identityOf(m.Enrollment), Topic: m.Topic, OSVersion: more.OSVersion, BuildVersion: more.BuildVersion,
		ProductName: more.ProductName, SerialNumber: m.SerialNumber, IMEI: more.IMEI, MEID: more.MEID,
		DeviceName: more.DeviceName, Model: more.Model, ModelName: more.ModelName,
	}, o.server.svc.Now())
	if err != nil {
		return err
	}
	if err := o.bind(r.Context(), from, row, m.Enrollment, status); err != nil {
		return err
	}
	return o.CheckinAndCommandService.Authenticate(r, m)
}

// TokenUpdate notes that the device can be reached.
func (o *observer) TokenUpdate(r *mdm.Request, m *mdm.TokenUpdate) error {
	from, row, err := o.known(r, m.Enrollment)
	if err != nil {
		return err
	}
	status, err := o.checkins.TokenUpdate(r.Context(), from, apple.TokenUpdate{Identity: identityOf(m.Enrollment), Topic: m.Topic}, o.server.svc.Now())
	if err != nil {
		return err
	}
	if err := o.bind(r.Context(), from, row, m.Enrollment, status); err != nil {
		return err
	}
	if status.State == device.Unenrolled {
		return nil // a late one; it brings nothing back
	}
	if err := o.CheckinAndCommandService.TokenUpdate(r.WithContext(o.withPlatform(r.Context(), from.Site, status.Device)), m); err != nil {
		return err
	}
	o.server.wake(r.Context(), from)
	return nil
}

// CheckOut notes that the device has left.
func (o *observer) CheckOut(r *mdm.Request, m *mdm.CheckOut) error {
	from, _, err := o.known(r, m.Enrollment)
	if err != nil {
		return err
	}
	var more identity
	if err := plist.Unmarshal(m.Raw, &more); err != nil {
		return malformed(err)
	}
	if _, err := o.checkins.CheckOut(r.Context(), from, apple.CheckOut{Identity: identityOf(m.Enrollment), Topic: more.Topic}, o.server.svc.Now()); err != nil {
		return err // of an enrollment that the device has replaced, too: that is answered with 200
	}
	return o.CheckinAndCommandService.CheckOut(r, m)
}

// maxBootstrap is more than any token has with which a computer's volumes are
// opened.
const maxBootstrap = 16 << 10

// SetBootstrapToken keeps what a device gives, while it is one.
func (o *observer) SetBootstrapToken(r *mdm.Request, m *mdm.SetBootstrapToken) error {
	if err := o.enrolled(r, m.Enrollment); err != nil {
		return err
	}
	if len(m.BootstrapToken.BootstrapToken) > maxBootstrap {
		return errTooLarge
	}
	return o.CheckinAndCommandService.SetBootstrapToken(r, m)
}

// GetBootstrapToken gives it back to the same device.
func (o *observer) GetBootstrapToken(r *mdm.Request, m *mdm.GetBootstrapToken) (*mdm.BootstrapToken, error) {
	if err := o.enrolled(r, m.Enrollment); err != nil {
		return nil, err
	}
	return o.CheckinAndCommandService.GetBootstrapToken(r, m)
}

// enrolled refuses, besides what known refuses, an enrollment that became no device
// yet and one whose device was deleted: what the Service is not told of, it cannot
// refuse.
func (o *observer) enrolled(r *mdm.Request, e mdm.Enrollment) error {
	_, row, err := o.known(r, e)
	switch {
	case err != nil:
		return err
	case row.forgotten():
		return enrollment.ErrDeviceGone
	case row.name == "":
		return malformed(errNoDevice)
	}
	return nil
}

// UserAuthenticate lets no user of a computer be managed.
func (o *observer) UserAuthenticate(*mdm.Request, *mdm.UserAuthenticate) ([]byte, error) {
	return nil, service.NewHTTPStatusError(http.StatusGone, errors.New("applemdm: users are not managed"))
}

// DeclarativeManagement and GetToken are not offered in ServerCapabilities.
func (o *observer) DeclarativeManagement(*mdm.Request, *mdm.DeclarativeManagement) ([]byte, error) {
	return nil, service.NewHTTPStatusError(http.StatusNotFound, errors.New("applemdm: no declarations"))
}

func (o *observer) GetToken(*mdm.Request, *mdm.GetToken) (*mdm.GetTokenResponse, error) {
	return nil, service.NewHTTPStatusError(http.StatusBadRequest, errors.New("applemdm: no tokens"))
}

// CommandAndReportResults notes the sign of life, and what the answer says.
func (o *observer) CommandAndReportResults(r *mdm.Request, m *mdm.CommandResults) (*mdm.Command, error) {
	from, _, err := o.known(r, m.Enrollment)
	if err != nil {
		return nil, err
	}
	who := identityOf(m.Enrollment)
	status, err := o.checkins.Connect(r.Context(), from, apple.Connect{Identity: who, Status: m.Status}, o.server.svc.Now())
	if err != nil {
		return nil, err
	}
	if status.State == device.Unenrolled {
		return nil, nil // it has left; nothing that it says brings it back
	}
	if m.Status == "Acknowledged" && who.UserID == "" && who.EnrollmentUserID == "" {
		kind, err := kindOf(r.Context(), o.server.db, from.Site, from.Enrollment, m.CommandUUID)
		if err != nil {
			return nil, err
		}
		if status, err = o.answer(r.Context(), from, who, kind, m.Raw, status); err != nil {
			return nil, err
		}
	}
	if err := o.ask(r.Context(), from, m.Status, status); err != nil {
		return nil, err
	}
	return o.CheckinAndCommandService.CommandAndReportResults(r, m)
}

// ask queues what the server wants to know of a device that has nothing to do,
// and what a device that is to leave has to do.
func (o *observer) ask(ctx context.Context, from apple.Sender, said string, status enrollment.Status) error {
	if said != "Idle" {
		return nil
	}
	var list []command
	var err error
	now := o.server.svc.Now()
	switch {
	case status.State == device.Leaving:
		var remove command
		remove, err = newCommand(from.Enrollment, kindRemove, now, map[string]any{"Identifier": o.server.identifier})
		list = []command{remove}
	case slices.Contains(status.Missing, device.InventoryReceived), slices.Contains(status.Missing, device.UserApproved):
		list, err = questions(from.Enrollment, platformIn(o.withPlatform(ctx, from.Site, status.Device)), now)
	}
	if err != nil || len(list) == 0 {
		return err
	}
	return o.server.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		return queue(ctx, c, from.Site, from.Enrollment, now, list...)
	})
}

// withPlatform looks up what the device is.
func (o *observer) withPlatform(ctx context.Context, site, id string) context.Context {
	var p device.Platform
	_ = o.server.db.Store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		d, err := tx.Devices().Get(ctx, site, id)
		p = d.Platform
		return err
	})
	return context.WithValue(ctx, platformKey{}, p)
}

// malformed is the error of a message that cannot be read.
func malformed(err error) error { return service.NewHTTPStatusError(http.StatusBadRequest, err) }
