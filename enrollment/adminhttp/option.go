package adminhttp

import (
	"log/slog"
	"net/http"
	"regexp"
)

// Option changes what [New] makes. Without any, the API answers at the root,
// takes changes from its own origin only, has no /messages, and is silent.
type Option func(*config)

type config struct {
	base     string
	origin   *http.CrossOriginProtection
	log      *slog.Logger
	messages Messages
}

// BasePath says where the handler is mounted, when the router in front leaves
// the prefix in the path. It begins with a slash and does not end with one, as
// in "/api/v1"; anything else but "" panics. Defaults to "".
func BasePath(path string) Option {
	if path != "" && !regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`).MatchString(path) {
		panic("adminhttp: base path " + path + ` is not like "/api/v1"`)
	}
	return func(c *config) { c.base = path }
}

// TrustedOrigins takes changes from pages of these origins too, each like
// "https://console.example.com"; another form panics. It does not let them read
// the answers: that takes CORS headers, which are up to the embedder. Defaults
// to none.
func TrustedOrigins(origins ...string) Option {
	return func(c *config) {
		for _, origin := range origins {
			if err := c.origin.AddTrustedOrigin(origin); err != nil {
				panic("adminhttp: " + err.Error())
			}
		}
	}
}

// Logger hears of requests and of what fails behind them: no path, no body and
// no header. Defaults to silence, which nil is too.
func Logger(log *slog.Logger) Option {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(c *config) { c.log = log }
}

// WithMessages lets administrators read and edit the mails of their site at
// /messages. Defaults to none, which nil is too: the paths are then answered as
// any other that is not there.
func WithMessages(m Messages) Option {
	return func(c *config) { c.messages = m }
}
