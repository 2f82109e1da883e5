// Package server wires the reference server: it opens the database, makes the
// Service and puts the SDK's handlers, the server's own API and the console
// behind one listener. It shows how a product embeds enrollkit.
package server

import (
	"context"
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
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/demo"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/mailbox"
	"example.com/enrollkit/refserver/internal/messages"
	"example.com/enrollkit/refserver/internal/smtp"
	"example.com/enrollkit/refserver/sqlitedb"
)

// How long stopping takes at most: requests under way, then what is left.
const (
	drainFor = 7 * time.Second
	stopFor  = 2 * time.Second
)

// server is one running server.
type server struct {
	Config
	public   *url.URL
	db       *sqlitedb.DB
	store    *sqlstore.Store
	accounts *accounts.Accounts
	mailbox  *mailbox.Mailbox // nil with a mail server
	messages *messages.Store
	imports  *imports.Jobs
	svc      *enrollment.Service
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
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
	}()
	admin, err := s.open(ctx)
	if err != nil {
		return err
	}
	handler, err := s.handler()
	if err != nil {
		return err
	}
	return s.serve(ctx, listener, handler, admin)
}

// open makes everything up to the Service, and the site of the first start.
func (s *server) open(ctx context.Context) (admin signIn, err error) {
	if s.db, err = sqlitedb.Open(s.Database); err != nil {
		return signIn{}, err
	}
	if s.store, err = sqlstore.New(sqlstore.SQL(s.db.DB), sqlstore.SQLite, sqlstore.Options{}); err != nil {
		return signIn{}, err
	}
	if err := s.store.Migrate(ctx); err != nil {
		return signIn{}, err
	}
	if s.accounts, err = accounts.Open(ctx, s.db.DB, s.public); err != nil {
		return signIn{}, err
	}
	_, known := s.accounts.First()
	ring, err := openKeyring(s.Keyring, !known)
	if err != nil {
		return signIn{}, err
	}
	if err := s.makeService(ctx, ring); err != nil {
		return signIn{}, err
	}
	if s.imports, err = imports.Open(ctx, s.db.DB, s.accounts, s.Log); err != nil {
		return signIn{}, err
	}
	if admin, err = s.firstSite(ctx); err != nil {
		return signIn{}, err
	}
	if s.Demo {
		admin.Passcode, err = demo.Seed(ctx, s.svc, s.accounts, admin.Principal)
	}
	return admin, err
}

// makeService puts the Service together and checks the key ring against the
// database before anybody is served.
func (s *server) makeService(ctx context.Context, ring *credentials.Keyring) error {
	sender, err := s.sender(ctx, ring)
	if err != nil {
		return err
	}
	if s.messages, err = messages.Open(ctx, s.db.DB, s.accounts); err != nil {
		return err
	}
	deliverer, err := mailer.New(sender, mailer.Options{From: mailer.Address{Email: s.MailFrom}, Overrides: s.messages, Logger: s.Log})
	if err != nil {
		return err
	}
	s.messages.Use(deliverer)
	s.svc, err = enrollment.New(s.store, enrollment.Config{
		Keyring: ring, Sites: s.accounts, Directory: s.accounts, Administrators: s.accounts,
		Deliverer: deliverer, Logger: s.Log,
		SweepEvery: s.sweepEvery(),
	})
	if err != nil {
		return err
	}
	return s.svc.Check(ctx)
}

// sweepEvery is quicker in the demo, where one wants to see it.
func (s *server) sweepEvery() time.Duration {
	if s.Demo {
		return 2 * time.Second
	}
	return 0
}

// sender is the mail server, or the built-in mailbox without one.
func (s *server) sender(ctx context.Context, ring *credentials.Keyring) (mailer.Sender, error) {
	if !s.SMTP.IsZero() {
		return smtp.New(s.SMTP)
	}
	var err error
	s.mailbox, err = mailbox.Open(ctx, s.db.DB, ring)
	return s.mailbox, err
}

// serve answers requests and runs the workers until ctx ends.
func (s *server) serve(ctx context.Context, listener net.Listener, handler http.Handler, admin signIn) error {
	httpServer := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var workers sync.WaitGroup
	worker := func(name string, run func(context.Context) error) {
		workers.Go(func() {
			if err := run(work); err != nil && work.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	worker("http", func(context.Context) error {
		if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	worker("relay and sweeper", s.svc.Run)
	worker("imports", s.imports.Run)
	if s.Demo && s.Simulate != nil {
		base := *s.public
		base.Host = listener.Addr().String()
		worker("simulator", func(ctx context.Context) error { return s.Simulate(ctx, &base, admin.Token) })
	}

	s.ready.Store(true)
	admin.print(s.Out, s.public, s.mailbox != nil)
	s.Log.InfoContext(ctx, "serving", "address", listener.Addr().String(), "public_url", s.public.String())
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
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	if slow := httpServer.Shutdown(draining); slow != nil {
		err = errors.Join(err, httpServer.Close())
	}
	stopWork()
	return errors.Join(err, wait(&workers))
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
