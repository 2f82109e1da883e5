package windows

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

const (
	soapType   = "application/soap+xml; charset=utf-8"
	syncMLType = "application/vnd.syncml.dm+xml"
	plainType  = "text/plain; charset=utf-8"
)

// operation is one of the three things that a device asks for in SOAP.
type operation struct {
	step    string // in the journal
	action  string
	answer  string // the action of the answer
	perform func(*exchange, context.Context, *document) error
}

// exchange is one request and its answer.
type exchange struct {
	server
	operation
	r        *http.Request
	message  message
	activity string           // names this exchange in the answer and in the log
	site     string           // as far as it is known, for the journal
	grant    enrollment.Grant // likewise
	noted    bool             // the journal has the refusal, or need not have it
}

// soap performs an operation for one request.
func (s server) soap(w http.ResponseWriter, r *http.Request, o operation) {
	x := &exchange{server: s, operation: o, r: r, activity: newUUID()}
	var d document
	status := http.StatusOK
	var err error
	switch {
	case r.URL.Query().Has("appru"):
		// A browser came for the page of a federated sign-in, with an address to be
		// sent on to that could be anybody's. Whatever a page makes a browser ask for
		// is not worth a line in the journal.
		x.noted = r.Method != http.MethodPost
		status, err = http.StatusBadRequest, refuse(faultNotSupported, "federated_not_served")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		s.send(w, http.StatusMethodNotAllowed, plainType, []byte("POST only\n"))
		return
	default:
		err = x.read(w, &d)
	}
	if err != nil {
		refused := refusalOf(err)
		x.note(r.Context(), refused)
		d.Reset()
		writeFault(&d, o.answer, x.message.id, x.activity, refused.fault)
	}
	// A fault is an answer like any other: with another status than 200, Windows
	// looks no further.
	s.send(w, status, soapType, d.Bytes())
}

// read reads the message and performs what it asks for.
func (x *exchange) read(w http.ResponseWriter, d *document) error {
	raw, err := readBody(w, x.r)
	if err != nil {
		return err
	}
	if x.message, err = parseMessage(raw); err != nil {
		return err
	}
	if x.message.action != x.operation.action {
		return refuse(faultMessageFormat, "action_unknown")
	}
	return x.perform(x, x.r.Context(), d)
}

// readBody reads a message that is not too large.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := refuse(faultMessageFormat, "too_large")
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close") // what is on its way is not read
		return nil, tooLarge
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, refuse(faultMessageFormat, "body_incomplete")
	}
	return raw, nil
}

// send answers with a length: devices do not read what comes in chunks.
func (s server) send(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever went away asks again
}

// note writes a refusal to the journal, unless the Service has, and to the log.
func (x *exchange) note(ctx context.Context, refused *refusal) {
	if refused.accident() {
		// The text of the error may quote what it is about.
		x.cfg.Logger.ErrorContext(ctx, "windows: no answer", "step", x.step, "code", refused.code, "activity", x.activity)
		return
	}
	x.cfg.Logger.InfoContext(ctx, "windows: refused", "step", x.step, "code", refused.code, "activity", x.activity)
	if x.noted {
		return
	}
	var err error
	if x.grant.ID != "" {
		err = x.svc.RefuseGrant(ctx, x.grant, x.step, refused.code)
	} else {
		err = x.refuseContact(ctx, x.r.Host, x.site, x.step, refused.code)
	}
	if err != nil {
		x.cfg.Logger.ErrorContext(ctx, "windows: a refusal was not noted", "step", x.step, "code", refused.code)
	}
}

// refuseContact notes a refusal at a site, or at the one that has the host to
// itself.
func (s server) refuseContact(ctx context.Context, host, site, step, code string) error {
	if site == "" {
		own, err := s.siteOf(ctx, host)
		if err != nil || own.ID == "" {
			return err
		}
		site = own.ID
	}
	return s.svc.RefuseContact(ctx, site, step, code)
}

// login is what the message signs in with.
func (x *exchange) login() (enrollment.Login, error) {
	username, password, err := x.message.login()
	if err != nil {
		return enrollment.Login{}, err
	}
	return enrollment.Login{
		Username: username, Password: password,
		Source: httpkit.ClientIP(x.r, x.cfg.TrustedProxies), Host: x.cfg.Host,
	}, nil
}

// newUUID is a random one (version 4 of RFC 9562).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
