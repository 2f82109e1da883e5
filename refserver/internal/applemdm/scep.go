package applemdm

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	scepserver "github.com/micromdm/scep/v2/server"

	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/refserver/internal/authority"
)

// maxSCEP is more than any request for a certificate has.
const maxSCEP = 64 << 10

var errSCEP = errors.New("applemdm: not a SCEP message")

// serveSCEP answers a device that wants a certificate (RFC 8894). What is refused
// is a CertRep that says FAILURE; what is no SCEP is a 400, and is noted with the
// site that the address names; and where nobody can say, it is a 503, after which
// the challenge is as good as before.
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
		body, err = s.capabilities(r.Context())
	case op == "GetCACert":
		media = "application/x-x509-ca-ra-cert"
		body, err = s.certificates(r.Context())
	case op == "PKIOperation":
		if body, err = scepMessage(w, r); err == nil {
			body, err = s.pkiOperation(context.WithValue(r.Context(), siteKey{}, siteOfSCEP(r)), body)
		}
	default:
		err = errSCEP
	}
	if err == nil {
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(body) // who went away asks again
		return
	}
	a := apple.Answer{Status: http.StatusBadRequest, Code: "malformed"}
	switch {
	case errors.Is(err, errTooLarge):
		a = answerTo(err)
	case !errors.Is(err, errSCEP):
		a = apple.Answer{Status: http.StatusServiceUnavailable, Code: "unavailable"}
	}
	if a.Status < http.StatusInternalServerError {
		s.noteContact(r.Context(), siteOfSCEP(r), apple.ChallengeUse, a.Code)
	}
	s.say(w, r, a)
}

// isSCEP reports whether a path is that of the certificate authority.
func isSCEP(path string) bool { return path == "/scep" || strings.HasPrefix(path, "/scep/") }

// siteKey is where the context of a request for a certificate has the site of its
// address.
type siteKey struct{}

// outageKey is where it has room for why nobody could say whether there is a
// certificate: of the library, every error is a refusal, and a device takes that for
// the end of it.
type outageKey struct{}

// siteOfSCEP is the site in an address of endpoints, "" if it names none.
func siteOfSCEP(r *http.Request) string {
	site, named := strings.CutPrefix(r.URL.Path, "/scep/")
	if !named {
		return ""
	}
	return site
}

// registrar speaks SCEP with one key. That is never the authority's own: who can
// have a key decrypt what he likes may have it sign in the end.
func (s *Server) registrar(d authority.Deputy) (scepserver.Service, error) {
	return scepserver.NewService(d.Certificate, d.Key, scepserver.CSRSignerContextFunc(s.sign), scepserver.WithAddlCA(d.Root))
}

func (s *Server) capabilities(ctx context.Context) ([]byte, error) {
	d, err := s.authority.Deputy(ctx, authority.Registration)
	if err != nil {
		return nil, err
	}
	to, err := s.registrar(d)
	if err != nil {
		return nil, err
	}
	return to.GetCACaps(ctx)
}

// certificates are those that a device needs to ask: of who answers, first, and of
// the authority.
func (s *Server) certificates(ctx context.Context) ([]byte, error) {
	d, err := s.authority.Deputy(ctx, authority.Registration)
	if err != nil {
		return nil, err
	}
	to, err := s.registrar(d)
	if err != nil {
		return nil, err
	}
	body, _, err := to.GetCACert(ctx, "")
	return body, err
}

// pkiOperation answers with the key that the message is for, which may be the one
// from before a rotation.
func (s *Server) pkiOperation(ctx context.Context, message []byte) ([]byte, error) {
	list, err := s.authority.Deputies(ctx, authority.Registration)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		to, err := s.registrar(d)
		if err != nil {
			return nil, err
		}
		var outage error
		answer, err := operate(context.WithValue(ctx, outageKey{}, &outage), to, message)
		if outage != nil {
			return nil, outage
		}
		if err == nil {
			return answer, nil
		}
	}
	return nil, errSCEP
}

// operate is the library's, which panics at some of what is no message.
func operate(ctx context.Context, to scepserver.Service, message []byte) (answer []byte, err error) {
	defer func() {
		if recover() != nil {
			answer, err = nil, errSCEP
		}
	}()
	return to.PKIOperation(ctx, message)
}

// scepMessage is the message of a POST, or of a GET in base64.
func scepMessage(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method == http.MethodGet {
		text, err := url.PathUnescape(r.URL.Query().Get("message"))
		if err != nil {
			return nil, errSCEP
		}
		// Some clients take the alphabet for addresses.
		message, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(text))
		if err != nil {
			return nil, errSCEP
		}
		return message, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSCEP))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errSCEP
	}
	return body, nil
}
