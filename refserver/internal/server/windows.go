package server

import (
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment/windows"
	"example.com/enrollkit/refserver/internal/web"
	"example.com/enrollkit/refserver/internal/windowsmdm"
)

// Windows says how Windows devices are managed. Its zero value offers them the
// agent from the store, unless the server is on loopback: there everything can be
// tried out.
type Windows struct {
	Off bool
	// Listen is where devices keep their sessions: over TLS with certificates of
	// their own, which no proxy can end. Empty: nowhere, or, on loopback,
	// sessionsAbove the server's own port, or at a free one.
	Listen string
	// URL is how devices reach Listen; nil: the public host with Listen's port.
	URL *url.URL
	// Certificate is the listener's; nil: one of the server's own authority, which
	// devices trust from their enrollment on.
	Certificate *windowsmdm.CertificateFile
}

// sessionsAbove is by how much the port of sessions is above the server's own on
// loopback: 8443 beside 8080.
const sessionsAbove = 363

// listen opens the listener of sessions, if Windows is offered, and returns nil
// otherwise. Main is the server's own.
func (c Windows) listen(ctx context.Context, public *url.URL, main net.Addr) (net.Listener, error) {
	config := new(net.ListenConfig)
	switch {
	case c.Off, c.Listen == "" && !web.IsLoopback(public.Hostname()):
		return nil, nil
	case c.Listen != "":
		return config.Listen(ctx, "tcp", c.Listen)
	}
	host, port, err := net.SplitHostPort(main.String())
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	// The same port after every start, so that devices find back.
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(n+sessionsAbove)))
	if err != nil {
		return config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	}
	return listener, nil
}

// reached is how devices reach the listener of sessions.
func (c Windows) reached(public *url.URL, sessions net.Addr) (*url.URL, error) {
	if c.URL != nil {
		return c.URL, nil
	}
	_, port, err := net.SplitHostPort(sessions.String())
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(public.Hostname(), port)}, err
}

// openWindows makes the Windows side, if there is a listener for it.
func (s *server) openWindows(ctx context.Context) error {
	if s.sessions == nil {
		return nil
	}
	at, err := s.Windows.reached(s.public, s.sessions.Addr())
	if err != nil {
		return err
	}
	s.windows, err = windowsmdm.Open(ctx, windowsmdm.Options{
		Database: s.db, Keyring: s.keys, Sites: s.accounts, Sessions: at, Certificate: s.Windows.Certificate,
		TrustedProxies: s.TrustedProxies, Now: s.Now, Logger: s.Log,
	})
	return err
}

// isDiscovery reports whether a device looks for a server.
func isDiscovery(r *http.Request, _ *mux.RouteMatch) bool {
	return strings.EqualFold(r.URL.Path, windows.DiscoveryPath)
}

// discovered takes a device that looks for a server as one that has found us,
// whatever name led it here: mail domains point to us by enterpriseenrollment.
func (s *server) discovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.windows != nil && isDiscovery(r, nil) {
			r.Host = s.public.Host
		}
		next.ServeHTTP(w, r)
	})
}

// sessionsServer answers the sessions of Windows devices, and nothing else. Without
// a listener, it is one that nobody calls.
func (s *server) sessionsServer() *http.Server {
	if s.windows == nil {
		return new(http.Server)
	}
	routes := http.NewServeMux()
	routes.Handle(s.windows.SessionPath(), s.windows.Management(s.svc))
	routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, web.Refusal(http.StatusNotFound, "not_found", "There is nothing here."))
	})
	nothing := func(next http.Handler) http.Handler { return next }
	server := s.newHTTPServer(s.guarded(routes, nothing, s.windows.Sessions()))
	server.TLSConfig = s.windows.TLS()
	server.ErrorLog = log.New(handshakes{s.Log}, "", 0)
	return server
}

// handshakes logs what a TLS server complains of, without the address of the peer.
// A panic is logged by the guards.
type handshakes struct{ log *slog.Logger }

func (h handshakes) Write(text []byte) (int, error) {
	// http: TLS handshake error from 192.0.2.1:50000: remote error: tls: ...
	if _, rest, ok := strings.Cut(string(text), " error from "); ok {
		if _, why, ok := strings.Cut(rest, ": "); ok {
			h.log.Debug("windows: no session", "error", strings.TrimSpace(why))
		}
	} else if !strings.Contains(string(text), "panic serving") {
		// http: Accept error: accept tcp: too many open files; retrying in 5ms
		h.log.Warn("windows: sessions", "error", withoutAddresses(string(text)))
	}
	return len(text), nil
}

// withoutAddresses is one line of words, of which none is an address of a peer.
func withoutAddresses(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		word = strings.Trim(word, ":,;()[]")
		_, err := netip.ParseAddrPort(word)
		if _, err2 := netip.ParseAddr(word); err == nil || err2 == nil || strings.Contains(word, "]:") {
			words[i] = "peer"
		}
	}
	return strings.Join(words, " ")
}
