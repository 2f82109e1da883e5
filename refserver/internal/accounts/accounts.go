// Package accounts is what an embedder already has and the reference server
// has to bring along: sites with their settings, users, administrators, their
// tokens and sessions, in tables of their own beside enrollkit's. It tells the
// Service of them as enrollment.Sites, enrollment.Directory and
// enrollment.Administrators, and decides nothing about enrollment.
package accounts

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/enrollkit/enrollment"
)

// Accounts are the tables. Make them with [Open]. They are safe for concurrent
// use by one process, which answers for sites from memory.
type Accounts struct {
	db     *sql.DB
	public *url.URL

	mu    sync.RWMutex
	sites map[string]Site
	order []string // of the sites, oldest first
}

var (
	_ enrollment.Sites          = (*Accounts)(nil)
	_ enrollment.Directory      = (*Accounts)(nil)
	_ enrollment.Administrators = (*Accounts)(nil)
)

// Open migrates the tables and reads the sites. public is where all sites
// answer.
func Open(ctx context.Context, db *sql.DB, public *url.URL) (*Accounts, error) {
	a := &Accounts{db: db, public: public, sites: map[string]Site{}}
	if err := a.migrate(ctx); err != nil {
		return nil, fmt.Errorf("accounts: migrate: %w", err)
	}
	if err := a.loadSites(ctx); err != nil {
		return nil, fmt.Errorf("accounts: read sites: %w", err)
	}
	return a, nil
}

// migrations are run once each, in order.
var migrations = []string{`
CREATE TABLE ref_sites (
	id TEXT PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE ref_admins (
	site TEXT NOT NULL REFERENCES ref_sites (id), id TEXT NOT NULL,
	name TEXT NOT NULL, email TEXT NOT NULL, email_key TEXT NOT NULL, created_at INTEGER NOT NULL,
	PRIMARY KEY (site, id), UNIQUE (site, email_key)
);
CREATE TABLE ref_tokens (
	hash BLOB PRIMARY KEY, site TEXT NOT NULL, admin TEXT NOT NULL, source TEXT NOT NULL, created_at INTEGER NOT NULL,
	FOREIGN KEY (site, admin) REFERENCES ref_admins (site, id)
);
CREATE TABLE ref_sessions (
	hash BLOB PRIMARY KEY, token BLOB NOT NULL REFERENCES ref_tokens (hash) ON DELETE CASCADE,
	created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
CREATE INDEX ref_sessions_expires ON ref_sessions (expires_at);
CREATE INDEX ref_sessions_token ON ref_sessions (token);
CREATE TABLE ref_users (
	site TEXT NOT NULL REFERENCES ref_sites (id), id TEXT NOT NULL,
	name TEXT NOT NULL, sort_name TEXT NOT NULL, email TEXT NOT NULL, email_key TEXT NOT NULL,
	language TEXT NOT NULL, external_id TEXT NOT NULL, created_at INTEGER NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE INDEX ref_users_name ON ref_users (site, sort_name, id);
CREATE INDEX ref_users_email ON ref_users (email_key) WHERE email_key <> '';
CREATE UNIQUE INDEX ref_users_external ON ref_users (site, external_id) WHERE external_id <> '';
`, `
CREATE TABLE ref_keys (
	site TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (site, key)
);
CREATE INDEX ref_keys_at ON ref_keys (at);
`, `
CREATE INDEX ref_users_site_email ON ref_users (site, email_key) WHERE email_key <> ''
`}

func (a *Accounts) migrate(ctx context.Context) error {
	return a.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS ref_version (version INTEGER NOT NULL)`); err != nil {
			return err
		}
		var have int
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM ref_version`).Scan(&have); err != nil {
			return err
		}
		if have > len(migrations) {
			return fmt.Errorf("the database is at version %d, newer than this program, which knows %d", have, len(migrations))
		}
		for i := have; i < len(migrations); i++ {
			for statement := range strings.SplitSeq(migrations[i], ";\n") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO ref_version VALUES (?)`, i+1); err != nil {
				return err
			}
		}
		return nil
	})
}

// Ping reports whether the tables answer.
func (a *Accounts) Ping(ctx context.Context) error {
	var version int
	return a.db.QueryRowContext(ctx, `SELECT max(version) FROM ref_version`).Scan(&version)
}

// update runs fn in one transaction.
func (a *Accounts) update(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// newID mints an id that is never guessed or used again.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }

// notFound turns the driver's word for "no row" into the Service's.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return enrollment.ErrNotFound
	}
	return err
}
