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
	// What the Service refused is in the journal already.
	refused := a.Status >= http.StatusBadRequest && a.Status != http.StatusServiceUnavailable
	if refused && !apple.Refused(err) && a.Code != "not_supported" {
		if noted := s.svc.RefuseGrant(r.Context(), grant, "apple"+r.URL.Path, a.Code); noted != nil {
			s.log.ErrorContext(r.Context(), "apple: refusal not noted", "code", enrollment.Code(noted))
		}
	}
	s.say(w, r, a)
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
	if g, err = s.authority.holder(r.Context(), cert, s.svc.Now()); err != nil {
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
