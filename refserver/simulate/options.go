package simulate

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
)

// UntilCancelled as [Options.For] keeps the fleet alive as long as the context.
const UntilCancelled time.Duration = -1

// The greatest and the usual numbers of [Options].
const (
	MaxDevices         = 100_000
	DefaultDevices     = 30
	DefaultPace        = 3600 // an hour of the people's time in each second
	DefaultConcurrency = 16
	DefaultPatience    = 5 * time.Second
)

// Options say what to play, and against which server. URL and Token are
// required.
type Options struct {
	// BaseURL is where the server answers, as in "http://127.0.0.1:8080". The
	// administrators' API is expected below /api/v1. Links are followed by their
	// path at this address, whatever host they name.
	BaseURL string
	// AdminToken is an administrator's token of the site to play in.
	AdminToken string

	// Devices is how many devices people have, enrolled or not in the end.
	// Defaults to DefaultDevices; a multiple of that plays every story.
	Devices int
	// Seed decides everything that happens.
	Seed uint64
	// Label tells people and hardware of one run from those of another run with
	// the same seed. Defaults to the present second.
	Label string
	// Existing begins with the people who have an active invitation without a
	// device, and creates only those who are missing. Defaults to creating all.
	Existing bool

	// For is how long devices go on living at least: checking in, losing and
	// regaining permissions, going silent. Defaults to the length of the stories.
	For time.Duration
	// Pace is how many seconds of the people's time pass in one second. Defaults
	// to DefaultPace.
	Pace float64
	// Concurrency bounds the requests under way. Defaults to DefaultConcurrency.
	Concurrency int
	// Patience is how long one wait for a Retry-After may be, by the clock.
	// Defaults to DefaultPatience.
	Patience time.Duration

	// Client sends the requests. Its redirects are not followed. Defaults to one
	// of its own with a timeout of half a minute.
	Client *http.Client
	// Logger hears of every act at debug level, and at warning level of what was
	// not foreseen. Defaults to silence.
	Logger *slog.Logger
	// Progress gets a line every few seconds. Defaults to none.
	Progress io.Writer
}

// withDefaults checks o and fills it in.
func (o Options) withDefaults() (Options, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return o, errors.New("simulate: the server's address is not like http://127.0.0.1:8080")
	}
	// The administrator's token goes with every other request.
	if err := credentials.CheckBase(base); err != nil {
		return o, fmt.Errorf("simulate: the server's address: %w", err)
	}
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	if o.AdminToken == "" {
		return o, errors.New("simulate: no administrator's token")
	}
	if o.Devices == 0 {
		o.Devices = DefaultDevices
	}
	if o.Devices < 1 || o.Devices > MaxDevices {
		return o, fmt.Errorf("simulate: %d devices, want 1 to %d", o.Devices, MaxDevices)
	}
	if o.Pace == 0 {
		o.Pace = DefaultPace
	}
	if !(o.Pace > 0) { // NaN too
		return o, errors.New("simulate: the pace has to be above 0")
	}
	if o.Label == "" {
		o.Label = strconv.FormatInt(time.Now().Unix(), 36)
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	client := http.Client{Timeout: 30 * time.Second}
	if o.Client != nil {
		client = *o.Client
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = o.Concurrency
		client.Transport = transport
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.Client = &client
	return o, nil
}

// real is how long d of the people's time takes by the clock.
func (o Options) real(d time.Duration) time.Duration { return time.Duration(float64(d) / o.Pace) }
