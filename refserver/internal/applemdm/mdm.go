package applemdm

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service"
	"github.com/smallstep/pkcs7"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

var (
	errSignature = errors.New("applemdm: no signature, or a malformed one")
	errTooLarge  = errors.New("applemdm: the message is too large")
)

// isCheckIn goes by the media type, and by the path where there is none.
func isCheckIn(r *http.Request) bool {
	switch media := r.Header.Get("Content-Type"); {
	case strings.HasPrefix(media, "application/x-apple-aspen-mdm-checkin"):
		return true
	case strings.HasPrefix(media, "application/x-apple-aspen-mdm"):
		return false
	}
	return r.URL.Path == "/checkin"
}

// serveMDM answers a message of a device.
func (s *Server) serveMDM(w http.ResponseWriter, r *http.Request) {
	grant, body, err := s.message(w, r)
	if err == nil {
		from := apple.Sender{Site: grant.Site, Enrollment: grant.ID}
		request := mdm.NewRequestWithContext(context.WithValue(r.Context(), senderKey{}, from), nil)
		var answer []byte
		if isCheckIn(r) {
			answer, err = service.CheckinRequest(s.mdm, request, body)
		} else {
			answer, err = service.CommandAndReportResultsRequest(s.mdm, request, body)
		}
		if err == nil {
			w.Header().Set("Content-Type", "application/xml; charset=utf-8")
			_, _ = w.Write(answer) // who went away asks again
			return
		}
	}
	a := answerTo(err)
	s.note(r, grant, a, err)
	s.say(w, r, a)
}

// note writes a refusal to the journal: of the grant where the certificate was
// proved, else of the site that the address names.
func (s *Server) note(r *http.Request, grant enrollment.Grant, a apple.Answer, err error) {
	step := apple.Name + r.URL.Path
	switch {
	case a.Status < http.StatusBadRequest, a.Status == http.StatusServiceUnavailable, a.Code == "not_supported":
	case grant.ID == "":
		s.noteContact(r.Context(), apple.SenderOf(r.URL.Query()).Site, step, a.Code)
	case apple.Refused(err) && !errors.Is(err, enrollment.ErrGrantRefused):
		// The Service has noted what it refused, but of a grant that it does not know
		// it cannot say whose it was.
	default:
		if noted := s.svc.RefuseGrant(r.Context(), grant, step, a.Code); noted != nil {
			s.log.ErrorContext(r.Context(), "apple: refusal not noted", "code", enrollment.Code(noted))
		}
	}
}

// noteContact writes the refusal of somebody who proved nothing to the journal of a
// site, if there is such a site. Who repeats himself fills no journal.
func (s *Server) noteContact(ctx context.Context, site, step, code string) {
	if site == "" {
		return
	}
	if err := s.svc.RefuseContact(ctx, site, step, code); err != nil {
		s.log.ErrorContext(ctx, "apple: refusal not noted", "code", enrollment.Code(err))
	}
}

// message reads a message and proves who sent it. With an error, the grant is
// that of the certificate as far as it was proved.
func (s *Server) message(w http.ResponseWriter, r *http.Request) (g enrollment.Grant, body []byte, err error) {
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return g, nil, errTooLarge
	}
	if err != nil {
		return g, nil, malformed(err)
	}
	cert, err := signerOf(r.Header.Get("Mdm-Signature"), body)
	if err != nil {
		return g, nil, err
	}
	holder, err := s.authority.Holder(r.Context(), cert)
	g = enrollment.Grant{ID: holder.Enrollment, Site: holder.Site, Invitation: holder.Invitation, User: holder.User}
	if err != nil {
		return g, nil, err
	}
	// The address is the profile's, and so is the certificate: two that do not
	// belong together were put together by somebody.
	said := apple.SenderOf(r.URL.Query())
	if said.Enrollment != "" && (said.Site != g.Site || said.Enrollment != g.ID) {
		return g, nil, errOther
	}
	return g, body, nil
}

// signerOf returns the certificate that signed a body, by the header of a device.
func signerOf(header string, body []byte) (cert *x509.Certificate, err error) {
	defer func() {
		if recover() != nil { // a parser of others; see fuzz_test.go
			cert, err = nil, errSignature
		}
	}()
	der, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(der) == 0 {
		return nil, errSignature
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, errSignature
	}
	p7.Content = body // it is detached
	if err := p7.Verify(); err != nil {
		return nil, errSignature
	}
	if cert = p7.GetOnlySigner(); cert == nil {
		return nil, errSignature
	}
	return cert, nil
}
