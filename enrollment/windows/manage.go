package windows

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const manageStep = Name + "/manage"

// manage answers one message of a session. Nothing is kept between two messages:
// what the first one asks for comes with whichever message has it.
func (s server) manage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		s.decline(w, r, "", http.StatusMethodNotAllowed, "")
		return
	}
	from, as, code, err := s.sender(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	if code != "" {
		s.decline(w, r, from.Site, http.StatusForbidden, code)
		return
	}
	raw, err := readBody(w, r)
	if err != nil {
		s.decline(w, r, from.Site, http.StatusRequestEntityTooLarge, refusalOf(err).code)
		return
	}
	m, err := parseSession(raw)
	if err != nil {
		s.decline(w, r, from.Site, http.StatusBadRequest, "session_malformed")
		return
	}
	if computerOf(m.source) != as.computer {
		s.decline(w, r, from.Site, http.StatusForbidden, "certificate_of_another")
		return
	}
	body, err := s.answer(r.Context(), from, as, m)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	s.send(w, http.StatusOK, syncMLType, body)
}

// sender says who is there by the certificate, or by which code it is refused.
func (s server) sender(r *http.Request) (from Sender, as enrolledAs, code string, err error) {
	cert, err := s.cfg.ClientCertificate(r)
	if err != nil {
		return from, as, "certificate_malformed", nil
	}
	if cert == nil {
		return from, as, "certificate_missing", nil
	}
	from, err = s.cfg.Authority.Holder(r.Context(), cert)
	switch {
	case errors.Is(err, ErrCertificateUnknown), errors.Is(err, ErrCertificateExpired):
		return from, as, codeOf(err), nil
	case err != nil:
		return from, as, "", accident(err)
	}
	as, ok := parseEnrolledAs(from.Enrollment)
	if !ok {
		return from, as, "certificate_unknown", nil
	}
	return from, as, "", nil
}

// answer takes what a device says and writes what it is told. A device that has
// left stays so, whatever comes after its goodbye, and one with another enrollment
// by now has nothing more to say by this one.
func (s server) answer(ctx context.Context, from Sender, as enrolledAs, m session) ([]byte, error) {
	o, err := m.observation()
	if err != nil {
		return nil, err
	}
	status, err := s.contact(ctx, from, as, o)
	d := newReply(m)
	switch {
	case errors.Is(err, enrollment.ErrSuperseded):
		s.noteRefusal(ctx, "", from.Site, codeOf(err))
		return d.finish(), nil
	case errors.Is(err, enrollment.ErrDeviceGone):
		status.State = device.Leaving // it was deleted: what it is to do is the same
	case err != nil:
		return nil, err
	}
	switch {
	case !m.begins || m.left:
	case status.State == device.Leaving:
		d.unenroll(s.cfg.ProviderID)
	case status.State.Live():
		for _, n := range nodes {
			d.get(n.address)
		}
	}
	return d.finish(), nil
}

// decline refuses a message: with 403, and never 401, for which Windows would ask
// the person for a password that there is not.
func (s server) decline(w http.ResponseWriter, r *http.Request, site string, status int, code string) {
	if code != "" {
		s.noteRefusal(r.Context(), r.Host, site, code)
	}
	s.send(w, status, plainType, []byte(http.StatusText(status)+"\n"))
}

// noteRefusal says in the log and in the journal that a session was refused.
func (s server) noteRefusal(ctx context.Context, host, site, code string) {
	s.cfg.Logger.InfoContext(ctx, "windows: refused", "step", manageStep, "code", code)
	if err := s.refuseContact(ctx, host, site, manageStep, code); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "windows: a refusal was not noted", "step", manageStep, "code", code)
	}
}

// retryAfter is when a device comes back that could not be answered.
const retryAfter = 30

func (s server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Logger.ErrorContext(r.Context(), "windows: no answer", "step", manageStep, "code", codeOf(err))
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	s.send(w, http.StatusServiceUnavailable, plainType, []byte(http.StatusText(http.StatusServiceUnavailable)+"\n"))
}
