package applemdm

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/smallstep/scep"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/invitation"
)

// maxSCEP is more than any request for a certificate has.
const maxSCEP = 64 << 10

// serveSCEP answers a device that wants a certificate (RFC 8894). What is refused
// is a CertRep that says FAILURE; what is no SCEP is a 400.
func (s *Server) serveSCEP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	var err error
	media := "application/x-pki-message"
	switch op := r.URL.Query().Get("operation"); {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, POST")
		s.say(w, r, apple.Answer{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
		return
	case op == "GetCACaps":
		media = "text/plain"
		body, err = s.scep.GetCACaps(r.Context())
	case op == "GetCACert":
		media = "application/x-x509-ca-cert"
		body, _, err = s.scep.GetCACert(r.Context(), "")
	case op == "PKIOperation":
		if body, err = scepMessage(w, r); err == nil {
			body, err = s.pkiOperation(r.Context(), body)
		}
	default:
		err = errSCEP
	}
	switch {
	case errors.Is(err, errTooLarge):
		s.say(w, r, answerTo(err))
	case err != nil:
		s.say(w, r, apple.Answer{Status: http.StatusBadRequest, Code: "malformed"})
	default:
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(body) // who went away asks again
	}
}

var errSCEP = errors.New("applemdm: not a SCEP message")

// pkiOperation is the library's, which panics at some of what is no message.
func (s *Server) pkiOperation(ctx context.Context, message []byte) (answer []byte, err error) {
	defer func() {
		if recover() != nil {
			answer, err = nil, errSCEP
		}
	}()
	return s.scep.PKIOperation(ctx, message)
}

// scepMessage is the message of a POST, or of a GET in base64.
func scepMessage(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method == http.MethodGet {
		text, err := url.PathUnescape(r.URL.Query().Get("message"))
		if err != nil {
			return nil, errSCEP
		}
		// Some clients take the alphabet for addresses.
		return base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(text))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSCEP))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	return body, err
}

// sign gives a certificate for a challenge that is good. It is made before the
// challenge is spent, so that what cannot be signed costs none, and stored before
// anybody gets it.
func (s *Server) sign(ctx context.Context, m *scep.CSRReqMessage) (*x509.Certificate, error) {
	cert, g, err := s.certify(ctx, m)
	if err != nil {
		code := apple.CodeOf(err)
		switch {
		case errors.Is(err, errRequest):
			code = "request_malformed"
		case errors.Is(err, errAuthorityExpired):
			code = "authority_expired"
		}
		s.log.WarnContext(ctx, "apple: no certificate", "code", code, "site", g.Site, "enrollment", g.ID)
		if code == "request_malformed" || code == "authority_expired" {
			err = errors.Join(err, s.svc.RefuseGrant(ctx, g, apple.ChallengeUse, code))
		}
		return nil, err
	}
	return cert, nil
}

func (s *Server) certify(ctx context.Context, m *scep.CSRReqMessage) (*x509.Certificate, enrollment.Grant, error) {
	challenge := credentials.SecretString(m.ChallengePassword)
	g, _, err := s.svc.OpenGrant(ctx, apple.ChallengeUse, challenge)
	if err != nil {
		// It is not spent, whatever the trouble: the device comes back with it.
		if apple.Refused(err) {
			err = errors.Join(err, s.svc.RefuseGrant(ctx, g, apple.ChallengeUse, apple.CodeOf(err)))
		}
		return nil, g, err
	}
	if m.CSR == nil || m.CSR.CheckSignature() != nil {
		return nil, g, errRequest
	}
	cert, err := s.authority.issue(g.Site, g.ID, m.CSR.PublicKey, s.svc.Now())
	if err != nil {
		return nil, g, err
	}
	if _, err := s.svc.UseGrant(ctx, apple.ChallengeUse, challenge, invitation.CertificateIssued); err != nil {
		return nil, g, err
	}
	return cert, g, s.authority.keep(ctx, cert, g, s.svc.Now())
}
