//go:build fault

// Command node is the server of the fault suite: the SDK's Service, relay,
// sweeper and handlers over SQLite or PostgreSQL, as the reference server wires
// them, and beside that what a fault needs: points at which it kills itself, a
// clock that can be set, a file of the tries that it evaluated. It is built with
// the tag fault alone. With one of the tags mutant_... it has a mistake in it
// that the suite has to find.
//
// Its sites, users and administrators are made up from their names, so that it
// needs no tables of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/smtp"
)

// drainFor is how long requests under way may take when the node stops.
const drainFor = 7 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	if cfg.fileSize > 0 {
		signal.Ignore(syscall.SIGXFSZ) // the write fails instead
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: cfg.fileSize, Max: cfg.fileSize}); err != nil {
			return err
		}
	}
	// Before the database is there, as the reference server does.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	points := cfg.points
	store, err := openStore(ctx, cfg.database, points)
	if err != nil {
		return err
	}
	defer store.close()
	ring, err := readKeyring(cfg.keyring)
	if err != nil {
		return err
	}
	watch := &clock{path: cfg.clock}
	go watch.follow(ctx)
	tries, err := openTrace(cfg.tries, points)
	if err != nil {
		return err
	}
	deliverer, err := makeDeliverer(cfg, points)
	if err != nil {
		return err
	}
	tenants := tenants{public: cfg.public}
	svc, err := enrollment.New(wrapStorage(store.Store, points), enrollment.Config{
		Keyring: ring, Sites: tenants, Directory: tenants, Administrators: tenants,
		Deliverer: deliverer, Logger: log, Observer: tries.observe, Now: watch.now,
		RelayEvery: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	if err := svc.Check(ctx); err != nil {
		return err
	}
	people, err := enrollhttp.New(svc, enrollhttp.Options{AnswerTime: -1, Logger: log})
	if err != nil {
		return err
	}
	n := &node{store: store, listener: listener, svc: svc}
	routes := http.NewServeMux()
	routes.HandleFunc("/readyz", n.readyz)
	routes.Handle("/api/v1/", adminhttp.New(svc, tenants.actor, adminhttp.BasePath("/api/v1"), adminhttp.Logger(log)))
	routes.Handle("/", people)
	return n.serve(ctx, wrapHandler(routes))
}

func readKeyring(path string) (*credentials.Keyring, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return credentials.ParseKeyring(text)
}

// makeDeliverer sends by SMTP, or nothing without a mail server.
func makeDeliverer(cfg config, points *failpoints) (enrollment.Deliverer, error) {
	if cfg.smtp == "" {
		return nil, nil
	}
	sender, err := smtp.New(credentials.SecretString(cfg.smtp))
	if err != nil {
		return nil, err
	}
	return mailer.New(failingSender{sender, points}, mailer.Options{From: mailer.Address{Email: "enroll@fault.example"}})
}

// node is what runs once everything is open.
type node struct {
	store    *openedStore
	listener net.Listener
	svc      *enrollment.Service
	stopped  chan struct{}
}

// serve answers and works until ctx ends, then stops in good order.
func (n *node) serve(ctx context.Context, handler http.Handler) error {
	n.stopped = make(chan struct{})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	served := make(chan error, 1)
	go func() { served <- server.Serve(n.listener) }()
	worked := make(chan error, 1)
	go func() { worked <- n.svc.Run(work) }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	close(n.stopped)
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	if slow := server.Shutdown(draining); slow != nil {
		err = errors.Join(err, slow, server.Close())
	}
	stopWork()
	return errors.Join(err, <-worked)
}

// readyz says whether requests should come here.
func (n *node) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	select {
	case <-n.stopped:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	default:
	}
	if err := n.store.Check(ctx); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}
