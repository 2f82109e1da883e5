package applemdm

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/micromdm/nanomdm/service"
	"github.com/micromdm/nanomdm/service/nanomdm"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
)

// Options say how the server is embedded.
type Options struct {
	Database *database.DB                // required
	Keyring  func() *credentials.Keyring // required: of the moment; it seals
	Now      func() time.Time            // defaults to time.Now
	Logger   *slog.Logger                // required

	// Push is the push certificate. Without one, devices cannot be woken.
	Push *tls.Certificate
	// Topic is that of the push certificate. Defaults to Push's, or to a made-up
	// one, with which no real device can enroll.
	Topic string
	// Signing signs profiles. Defaults to a key of the server's own authority, whose
	// profiles devices call unverified.
	Signing *tls.Certificate
	// Identifier of the profile. Defaults to "enrollkit.mdm".
	Identifier string
}

// Server is the MDM server and the certificate authority. Make it with [Open],
// give its Platform to the Service, and the Service to Use.
type Server struct {
	db         *database.DB
	log        *slog.Logger
	rows       rows
	authority  *authority.Authority
	platform   *apple.Platform
	topic      string
	identifier string
	pusher     *pusher // nil: there is no push certificate

	svc *enrollment.Service
	mdm service.CheckinAndCommandService
}

// Open reads the certificate authority, or makes it at the first start.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Identifier == "" {
		o.Identifier = "enrollkit.mdm"
	}
	a, err := authority.Open(ctx, o.Database, authority.Apple, o.Keyring, o.Now, authority.Registration, authority.Signing)
	if err != nil {
		return nil, err
	}
	s := &Server{
		db: o.Database, log: o.Logger, authority: a, identifier: o.Identifier, topic: o.Topic,
		rows: rows{enrollments{db: o.Database, ring: o.Keyring, now: o.Now}},
	}
	if o.Push != nil {
		if s.pusher, err = newPusher(o.Push, o.Topic); err != nil {
			return nil, err
		}
		s.topic = s.pusher.topic
	}
	if s.topic == "" {
		s.topic = madeUpTopic(a.First())
	}
	signer, err := newSigner(o.Signing, a)
	if err != nil {
		return nil, err
	}
	if s.platform, err = apple.New(apple.Config{
		Topic: s.topic, Identifier: o.Identifier, Endpoints: endpoints, Signer: signer, MDM: s, Logger: o.Logger,
	}); err != nil {
		return nil, err
	}
	return s, nil
}

// endpoints are apple.DefaultEndpoints, with the site in the address of the
// certificate authority: what is no message there names none.
func endpoints(site enrollment.Site) apple.Endpoints {
	at := apple.DefaultEndpoints(site)
	if at.SCEP != "" {
		at.SCEP += "/" + url.PathEscape(site.ID)
	}
	return at
}

// madeUpTopic is that of a server without a push certificate. It is in the profiles
// of devices, so it stays the same.
func madeUpTopic(first *x509.Certificate) string {
	sum := sha256.Sum256(first.Raw)
	return fmt.Sprintf("com.apple.mgmt.External.%x", sum[:16])
}

// Platform is the one to give to the Service and to enrollhttp.
func (s *Server) Platform() *apple.Platform { return s.platform }

// CanPush reports whether devices can be woken.
func (s *Server) CanPush() bool { return s.pusher != nil }

// Use gives the server the Service that it tells. Requests come after it.
func (s *Server) Use(svc *enrollment.Service) {
	s.svc = svc
	s.mdm = &observer{
		CheckinAndCommandService: nanomdm.New(s.rows), server: s,
		checkins: apple.CheckIns{Service: svc, Topic: s.topic},
	}
}

// Handlers keep the server's rows in step with the devices: what is personal or
// secret goes with the device.
func (s *Server) Handlers() enrollment.Handlers {
	return enrollment.Handlers{
		device.EventDeleted: func(ctx context.Context, e enrollment.Event) error { return s.rows.forget(ctx, e.Site, e.Device) },
		device.EventLeaving: func(ctx context.Context, e enrollment.Event) error { return s.wakeDevice(ctx, e.Site, e.Device) },
	}
}

// maxBody is more than any message has: an inventory of all apps is not asked for.
const maxBody = 1 << 20

// ServeHTTP answers PUT /checkin, PUT /mdm, and GET and POST /scep/{site}, all below
// where the platform is mounted.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			// Three parsers of others are behind this. What they choke on is malformed.
			s.log.ErrorContext(r.Context(), "apple: panic", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			s.say(w, r, apple.Answer{Status: http.StatusBadRequest, Code: "malformed"})
		}
	}()
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case s.svc == nil:
		s.say(w, r, apple.Answer{Status: http.StatusServiceUnavailable, Code: "unavailable"})
	case isSCEP(r.URL.Path):
		s.serveSCEP(w, r)
	case r.URL.Path != "/checkin" && r.URL.Path != "/mdm":
		s.say(w, r, apple.Answer{Status: http.StatusNotFound, Code: "not_found"})
	case r.Method != http.MethodPut:
		w.Header().Set("Allow", http.MethodPut)
		s.say(w, r, apple.Answer{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
	default:
		s.serveMDM(w, r)
	}
}

// say answers, and logs a refusal by its code.
func (s *Server) say(w http.ResponseWriter, r *http.Request, a apple.Answer) {
	if a.Status >= http.StatusBadRequest {
		what := r.URL.Path
		if isSCEP(what) {
			what = "/scep" // anything may stand in an address
		}
		if what != "/scep" && what != "/checkin" && what != "/mdm" {
			what = "..."
		}
		s.log.WarnContext(r.Context(), "apple: refused", "what", what, "status", a.Status, "code", a.Code)
	}
	if a.ContentType != "" {
		w.Header().Set("Content-Type", a.ContentType)
	}
	if a.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // who went away asks again
}

// answerTo is apple.AnswerTo that knows this package's errors too.
func answerTo(err error) apple.Answer {
	var status *service.HTTPStatusError
	bad := func(code string) apple.Answer { return apple.Answer{Status: http.StatusBadRequest, Code: code} }
	switch {
	case errors.Is(err, errOther):
		return bad("certificate_of_another")
	case errors.Is(err, authority.ErrExpired):
		return bad("certificate_expired")
	case errors.Is(err, authority.ErrUnknown):
		return bad("certificate_unknown")
	case errors.Is(err, errSignature):
		return bad("signature_malformed")
	case errors.Is(err, errTooLarge):
		return apple.Answer{Status: http.StatusRequestEntityTooLarge, Code: "too_large"}
	case errors.As(err, &status) && status.Status != http.StatusUnauthorized:
		a := apple.Answer{Status: status.Status, Code: "malformed"}
		if status.Status == http.StatusGone || status.Status == http.StatusNotFound {
			a.Code = "not_supported"
		}
		return a
	}
	return apple.AnswerTo(err)
}
