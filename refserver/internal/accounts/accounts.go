// Package accounts is what an embedder already has and the reference server
// has to bring along: sites with their settings, users, administrators, their
// tokens and sessions, in tables of their own beside enrollkit's. It tells the
// Service of them as enrollment.Sites, enrollment.Directory and
// enrollment.Administrators, and decides nothing about enrollment.
package accounts

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// Accounts are the tables. Make them with [Open]. They are safe for concurrent
// use. Sites are answered for from memory; Run brings what other nodes changed.
type Accounts struct {
	db     *database.DB
	public *url.URL

	loading  sync.Mutex // held by whoever reads sites
	mu       sync.RWMutex
	sites    map[string]Site
	order    []string // of the sites, oldest first
	revision int64    // of the sites in memory
}

var (
	_ enrollment.Sites          = (*Accounts)(nil)
	_ enrollment.Directory      = (*Accounts)(nil)
	_ enrollment.Administrators = (*Accounts)(nil)
)

// Open reads the sites. The tables are there. public is where all sites answer.
func Open(ctx context.Context, db *database.DB, public *url.URL) (*Accounts, error) {
	a := &Accounts{db: db, public: public, sites: map[string]Site{}}
	if err := a.Reload(ctx); err != nil {
		return nil, fmt.Errorf("accounts: read sites: %w", err)
	}
	return a, nil
}

// reloadEvery is how old a site in memory may be at most, beside what it takes
// to read it.
const reloadEvery = time.Second

// Run reads what other nodes changed of sites until ctx ends: at once when told,
// and every second in any case.
func (a *Accounts) Run(ctx context.Context, log *slog.Logger) error {
	if !a.db.Shared() {
		<-ctx.Done()
		return nil
	}
	changed, stop := a.db.Signals.Watch(database.Sites)
	defer stop()
	again := time.NewTicker(reloadEvery)
	defer again.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-again.C:
		}
		err := a.Reload(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			log.WarnContext(ctx, "accounts: sites cannot be read; those in memory apply", "error", err)
		}
		failed = err != nil
	}
}

// newID mints an id that is never guessed or used again.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
