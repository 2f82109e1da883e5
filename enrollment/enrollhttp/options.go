package enrollhttp

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"example.com/enrollkit/enrollment"
)

// Options say how a handler is embedded. The zero value works and is the
// strictest.
type Options struct {
	// BasePath is the path under which the handler is mounted, "/join" for
	// example. Defaults to the root.
	BasePath string
	// TrustedProxies are the peers whose X-Forwarded-For is believed. Defaults
	// to none: the peer is the client.
	TrustedProxies []netip.Prefix
	// Platforms are those given to the Service. What they serve is offered on
	// the pages, and those that are a [Mounter] are mounted. Defaults to
	// offering every platform and mounting none.
	Platforms []enrollment.Platform
	// Pages replaces templates, styles and texts of [Templates], file by file,
	// and adds languages. Defaults to nothing.
	Pages fs.FS
	// Host, if set, restricts address + PIN and self-service to the sites whose
	// PublicURL has it, as "host" or "host:port". Defaults to all sites. It has to be
	// what a platform that takes logins has for the same host, such as
	// windows.Config.Host: paces are kept by it, and two spellings give a guesser two
	// paces for one address.
	Host string
	// AnswerTime is when POST /enroll answers, whatever was right or wrong, so
	// that the time tells nothing. Defaults to 1.5 s; negative: at once.
	AnswerTime time.Duration
	// Logger hears of server errors, and at debug level of every request.
	// Defaults to silence.
	Logger *slog.Logger
}

// MaxBody is the greatest body that the device API takes, in bytes. Above it
// stands 413.
const MaxBody = 64 << 10

// answerTime is longer than a request for a login takes, its patience with
// others included.
const answerTime = 1500 * time.Millisecond

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// New returns the handler. It checks the options and every page, so that a
// mistake in one is found at the start and not by a person with an invitation.
func New(svc *enrollment.Service, o Options) (http.Handler, error) {
	if svc == nil {
		return nil, errors.New("enrollhttp: no service")
	}
	if !basePath.MatchString(o.BasePath) {
		return nil, fmt.Errorf("enrollhttp: base path %q: want it empty, or like /join", o.BasePath)
	}
	for _, p := range o.TrustedProxies {
		if !p.IsValid() {
			return nil, errors.New("enrollhttp: a trusted proxy is no valid prefix")
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = slog.New(enrollment.LogRequestID(o.Logger.Handler()))
	if o.AnswerTime == 0 {
		o.AnswerTime = answerTime
	}
	pages, err := loadPages(o.Pages)
	if err != nil {
		return nil, err
	}
	h := &handler{
		svc: svc, o: o, log: o.Logger, pages: pages,
		offered: offered(o.Platforms), drawing: make(chan struct{}, maxDrawing),
	}
	return h.build(), nil
}
