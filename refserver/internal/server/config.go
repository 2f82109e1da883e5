package server

import (
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
)

// Config is what the server is started with. Package main reads it from flags
// and environment and has checked it.
type Config struct {
	Listen         string   // host:port
	PublicURL      *url.URL // nil: http at Listen, which is loopback then
	Database       string   // sqlite:PATH, PATH or postgres://...
	AllowUnsafe    bool     // take a PostgreSQL server that may lose what it has acknowledged
	Keyring        string   // path of the key ring
	SMTP           credentials.Secret
	MailFrom       string
	AdminEmail     string
	AdminToken     credentials.Secret // zero: minted at the first start
	OperatorToken  credentials.Secret // zero: nobody makes sites
	Demo           bool
	TrustedProxies []netip.Prefix
	Apple          Apple
	Windows        Windows
	MetricsListen  string // host:port; empty: no metrics

	// Linger is how long requests are still taken after being asked to stop, so
	// that whoever chooses between nodes finds out in time; at most 2.5 s.
	Linger time.Duration

	// AnswerTime is that of enrollhttp.Options. Zero: its default.
	AnswerTime time.Duration

	// Now is the clock, for tests. Defaults to time.Now.
	Now func() time.Time

	OpenAPI []byte    // the document served at /openapi.yaml
	Out     io.Writer // where the console's address and a minted token are printed
	Log     *slog.Logger

	// Simulate, if set, runs beside the server with -demo until ctx ends.
	Simulate Simulate
	// Ready, if set, is called once requests are taken.
	Ready func(base *url.URL)
}
