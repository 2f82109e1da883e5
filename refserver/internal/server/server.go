// Package server wires the reference server: it opens the database, makes the
// Service and puts the SDK's handlers, the server's own API and the console
// behind one listener. It shows how a product embeds enrollkit.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/demo"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/live"
	"example.com/enrollkit/refserver/internal/mailbox"
	"example.com/enrollkit/refserver/internal/messages"
	"example.com/enrollkit/refserver/internal/metrics"
	"example.com/enrollkit/refserver/internal/nodes"
	"example.com/enrollkit/refserver/internal/smtp"
	"example.com/enrollkit/refserver/internal/windowsmdm"
)

// How long stopping takes at most: requests under way, then what is left. With
// the time before, in which requests still come, that is less than 10 s.
const (
	drainFor = 5 * time.Second
	stopFor  = 2 * time.Second
	// MaxLinger is the longest Config.Linger.
	MaxLinger = 2500 * time.Millisecond
)

// server is one running server.
type server struct {
	Config
	public   *url.URL
	node     string
	db       *database.DB
	health   *database.Health
	accounts *accounts.Accounts
	mailbox  *mailbox.Mailbox // nil with a mail server
	messages *messages.Store
	imports  *imports.Jobs
	live     *live.Hub
	metrics  *metrics.Metrics
	ring     atomic.Pointer[credentials.Keyring]
	svc      *enrollment.Service
	android  *android.Platform
	apple    *applemdm.Server // nil: not offered
	sessions net.Listener     // of Windows devices; nil: not offered
	windows  *windowsmdm.Server
	ready    atomic.Bool
}

// Run serves until ctx ends, and then stops in good order: not ready, requests
// under way answered, workers stopped, database closed.
func Run(ctx context.Context, cfg Config) (err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return err
	}
	s := &server{Config: cfg, public: cfg.PublicURL}
	if s.public == nil {
		s.public = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	}
	defer func() {
		_ = listener.Close() // closed already unless the start failed
		if s.sessions != nil {
			_ = s.sessions.Close() // likewise
		}
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
	}()
	if s.sessions, err = s.Windows.listen(ctx, s.public, listener.Addr()); err != nil {
		return err
	}
	admin, err := s.open(ctx)
	if err != nil {
		return err
	}
	handler, err := s.handler()
	if err != nil {
		return err
	}
	var counts net.Listener
	if cfg.MetricsListen != "" {
		if counts, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.MetricsListen); err != nil {
			return err
		}
		defer func() { _ = counts.Close() }() // closed already unless something failed
	}
	return s.serve(ctx, listener, counts, handler, admin)
}

// open makes everything up to the Service, and the site of the first start.
func (s *server) open(ctx context.Context) (admin signIn, err error) {
	s.node, s.metrics = nodes.NewID(), metrics.New()
	if s.db, err = database.Open(ctx, s.Database, database.Options{AllowUnsafe: s.AllowUnsafe}); err != nil {
		return signIn{}, err
	}
	if err := s.db.Migrate(ctx); err != nil {
		return signIn{}, err
	}
	s.health, s.live = s.db.Health(s.Now), live.New(s.db)
	if s.accounts, err = accounts.Open(ctx, s.db, s.public); err != nil {
		return signIn{}, err
	}
	_, known := s.accounts.First()
	ring, err := openKeyring(s.Keyring, !known)
	if err != nil {
		return signIn{}, err
	}
	s.ring.Store(ring)
	if err := s.makeService(ctx); err != nil {
		return signIn{}, err
	}
	s.imports = imports.New(s.db, s.accounts, s.Log)
	if admin, err = s.firstSite(ctx); err != nil {
		return signIn{}, err
	}
	if s.Demo {
		admin.Passcode, err = demo.Seed(ctx, s.svc, s.accounts, admin.Principal, s.db.Shared() && !admin.First)
	}
	s.metrics.Watch(metrics.Node{
		Ready:   func() bool { return s.ready.Load() && s.health.Ready() == nil },
		Up:      func() bool { return s.health.Lost() == nil },
		Skew:    s.health.Skew,
		Streams: s.live.Streams,
		Pool:    s.db.Pool(),
	})
	return admin, err
}

// makeService puts the Service together and checks the key ring against the
// database before anybody is served.
func (s *server) makeService(ctx context.Context) error {
	sender, err := s.sender()
	if err != nil {
		return err
	}
	if s.messages, err = messages.New(s.db, s.accounts); err != nil {
		return err
	}
	deliverer, err := mailer.New(sender, mailer.Options{From: mailer.Address{Email: s.MailFrom}, Overrides: s.messages, Logger: s.Log})
	if err != nil {
		return err
	}
	s.messages.Use(deliverer)
	cfg := enrollment.Config{
		Keyring: s.keys(), Sites: s.accounts, Directory: s.accounts, Administrators: s.accounts,
		Deliverer: deliverer, Logger: s.Log, Observer: s.observe, Now: s.Now,
		SweepEvery: s.sweepEvery(),
	}
	if s.svc, err = enrollment.New(s.db.Store, cfg); err != nil {
		return err
	}
	if err := s.checkKeyring(ctx); err != nil {
		return err
	}
	// What the Apple side has in the database is sealed, so it comes second.
	if err := s.openApple(ctx); err != nil {
		return err
	}
	if err := s.openWindows(ctx); err != nil {
		return err
	}
	if s.android, err = android.New(android.Config{Logger: s.Log}); err != nil {
		return err
	}
	cfg.Platforms, cfg.Handlers = s.platforms(), s.handlers()
	if s.svc, err = enrollment.New(s.db.Store, cfg); err != nil {
		return err
	}
	if s.apple != nil {
		s.apple.Use(s.svc)
	}
	return nil
}

// sweepEvery is quicker in the demo, where one wants to see it.
func (s *server) sweepEvery() time.Duration {
	if s.Demo {
		return 2 * time.Second
	}
	return 0
}

// sender is the mail server, or the built-in mailbox without one.
func (s *server) sender() (mailer.Sender, error) {
	if !s.SMTP.IsZero() {
		return smtp.New(s.SMTP)
	}
	s.mailbox = mailbox.New(s.db, s.keys)
	return s.mailbox, nil
}

// serve answers requests and runs the workers until ctx ends.
func (s *server) serve(ctx context.Context, listener, counts net.Listener, handler http.Handler, admin signIn) error {
	httpServer, sessions := s.newHTTPServer(handler), s.sessionsServer()
	s.health.Look(ctx) // so that a clock that is off is known before anybody comes
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var workers sync.WaitGroup
	workerIn := func(work context.Context, name string, run func(context.Context) error) {
		workers.Go(func() {
			if err := run(work); err != nil && work.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	worker := func(name string, run func(context.Context) error) { workerIn(work, name, run) }
	answer := func(server *http.Server, listener net.Listener) func(context.Context) error {
		return func(context.Context) error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}
	}
	worker("http", answer(httpServer, listener))
	if s.sessions != nil {
		worker("sessions of Windows devices", answer(sessions, tls.NewListener(s.sessions, sessions.TLSConfig)))
	}
	metricsServer := s.metricsServer()
	if counts != nil {
		worker("metrics", answer(metricsServer, counts))
	}
	worker("health", s.health.Run)
	worker("signals", s.db.Signals.Run)
	worker("sites", func(ctx context.Context) error { return s.accounts.Run(ctx, s.Log) })
	worker("key ring", s.watchKeyring)
	worker("node", func(ctx context.Context) error {
		return nodes.Run(ctx, s.db, s.node, func() []uint32 { return s.keys().IDs() })
	})
	worker("relay and sweeper", s.svc.Run)
	if s.apple != nil {
		worker("certificates of Apple devices", s.apple.Run)
	}
	worker("imports", s.imports.Run)
	streams, endStreams := context.WithCancel(work)
	defer endStreams()
	workerIn(streams, "live updates", s.live.Run)
	if s.Demo && s.Simulate != nil {
		base := *s.public
		base.Host = listener.Addr().String()
		worker("simulator", func(ctx context.Context) error { return s.Simulate(ctx, &base, admin.Token) })
	}

	s.ready.Store(true)
	admin.print(s.Out, s.public, s.mailbox != nil)
	s.Log.InfoContext(ctx, "serving", "address", listener.Addr().String(), "public_url", s.public.String(),
		"database", database.Redacted(s.Database), "node", s.node)
	if s.windows != nil {
		s.Log.InfoContext(ctx, "sessions of Windows devices", "address", s.sessions.Addr().String(), "windows_url", s.windows.Sessions().String())
	}
	if s.Ready != nil {
		s.Ready(s.public)
	}

	<-ctx.Done()
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil // asked to stop
	}
	s.ready.Store(false)
	s.Log.InfoContext(ctx, "stopping")
	endStreams()
	// Whoever chooses between nodes finds out that this one is to be left alone,
	// while it goes on answering.
	time.Sleep(min(s.Linger, MaxLinger))
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	var drained sync.WaitGroup
	late := make([]error, 2)
	for i, server := range []*http.Server{httpServer, sessions} { // both have the whole time
		drained.Go(func() {
			if slow := server.Shutdown(draining); slow != nil {
				late[i] = server.Close()
			}
		})
	}
	drained.Wait()
	err = errors.Join(append(late, err)...)
	stopWork()
	_ = metricsServer.Close() // nobody waits for figures at the end
	return errors.Join(err, wait(&workers))
}

// newHTTPServer is a server with bounds for whatever devices and browsers do.
func (s *server) newHTTPServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.parting(handler),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
}

// parting ends each connection with its next answer once the server is to stop. One
// that is idle is left open meanwhile: closed by us, it would take along the request
// that is on its way.
func (s *server) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// metricsServer answers whoever collects metrics, on a listener of its own.
func (s *server) metricsServer() *http.Server {
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", s.metrics.Handler())
	return &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
}

// wait waits for the workers, but not for ever.
func wait(workers *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(stopFor):
		return errors.New("a worker did not stop in time")
	}
}
