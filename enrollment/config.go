package enrollment

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"example.com/enrollkit/credentials"
)

// Config is what a Service is made with besides its Storage. Only Keyring is
// required; the zero value of everything else works and is the strictest.
type Config struct {
	// Keyring seals and checks every secret. Required. A ring without sealing
	// keys (Keyring.Public) serves devices and pages; verbs that make or show
	// credentials then answer credentials.ErrNoSealingKey. Service.UseKeyring
	// changes it while the Service runs.
	Keyring *credentials.Keyring

	// Sites knows the tenants. Required by every verb that looks at a policy,
	// makes a link or sends mail; without it there is no site.
	Sites Sites
	// Directory knows the users. Without it, only people given with their
	// address can be invited.
	Directory Directory
	// Administrators are alerted. Without it, nobody is.
	Administrators Administrators
	// Authorize is asked before every administrator's verb, after the check
	// that Actor names a site and a person; an error is passed on. Without it,
	// every actor may do everything in its own site.
	Authorize func(ctx context.Context, by Actor, p Permission) error

	// Deliverer takes mail. Without it, mail waits in the outbox.
	Deliverer Deliverer
	// Handlers are called for events, at least once each, in one of the
	// processes that run them. A process that writes an event asks for the call
	// if it knows a handler for that type, so give every process the same types.
	Handlers Handlers
	// Platforms turn invitations into what a platform accepts. At most one
	// answers for each device platform: the first that serves it.
	Platforms []Platform

	// Logger hears what no caller is told: failed deliveries, sweeps. Defaults
	// to silence. No secret and no personal data is logged; see [WithRequestID].
	Logger *slog.Logger
	// Observer is told what the Service did, for metrics. Defaults to none, which
	// costs nothing.
	Observer Observer
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Rand makes ids and secrets; it must be safe for concurrent use. Defaults
	// to crypto/rand.Reader. Tests alone have a reason to set it.
	Rand io.Reader

	// SweepEvery is the pace of the sweeper in Run. Defaults to 15 s; a state
	// is at most that late.
	SweepEvery time.Duration
	// RelayEvery is how often Run looks for due messages when nothing wakes
	// it. Defaults to 1 s.
	RelayEvery time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = slog.New(LogRequestID(c.Logger.Handler()))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.SweepEvery <= 0 {
		c.SweepEvery = 15 * time.Second
	}
	if c.RelayEvery <= 0 {
		c.RelayEvery = time.Second
	}
	return c
}

// Handlers are functions to call for events, by the event's type.
type Handlers map[EventType]Handler

// Handler is told of one event after the unit that wrote it is committed, at
// least once, in no promised order between subjects. An error means: again
// later. What it does must bear repetition.
type Handler func(ctx context.Context, e Event) error
