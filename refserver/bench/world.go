package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/bench/floor"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

// world is an empty database with a Service over it and the floor's program on
// the same tables. It is its own site and directory: both answer from memory.
type world struct {
	system string // "sqlite" or "postgresql"
	ring   *credentials.Keyring
	store  *sqlstore.Store
	svc    *enrollment.Service
	floors []floor.Program // the first is what the targets are about

	pool *pgxpool.Pool // on PostgreSQL
	db   *sqlitedb.DB  // on SQLite

	clean []func() error
}

const site = "acme"

// admin is who invites.
var admin = enrollment.Actor{Site: site, ID: "admin"}

// systems are the databases that everything runs on.
var systems = []string{"sqlite", "postgresql"}

// open makes a world. wrap, if not nil, stands between the store and the
// database.
func open(ctx context.Context, system string, wrap func(sqlstore.Database) sqlstore.Database) (w *world, err error) {
	w = &world{system: system}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
			w = nil
		}
	}()
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return w, err
	}
	w.later(func() error { return os.RemoveAll(dir) })
	var db sqlstore.Database
	dialect := sqlstore.SQLite
	if system == "sqlite" {
		db, err = w.openSQLite(dir)
	} else {
		dialect = sqlstore.PostgreSQL
		db, err = w.openPostgres(ctx, dir)
	}
	if err != nil {
		return w, err
	}
	if wrap != nil {
		db = wrap(db)
	}
	if w.store, err = sqlstore.New(db, dialect, sqlstore.Options{}); err != nil {
		return w, err
	}
	if err := w.store.Migrate(ctx); err != nil {
		return w, err
	}
	if err := w.prepare(ctx); err != nil {
		return w, err
	}
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		return w, err
	}
	if w.ring, err = credentials.NewKeyring(key); err != nil {
		return w, err
	}
	w.svc, err = enrollment.New(w.store, enrollment.Config{Keyring: w.ring, Sites: w, Directory: w})
	return w, err
}

func (w *world) openSQLite(dir string) (sqlstore.Database, error) {
	var err error
	if w.db, err = sqlitedb.Open(filepath.Join(dir, "bench.db")); err != nil {
		return nil, err
	}
	w.later(w.db.Close)
	return sqlstore.SQL(w.db.DB), nil
}

func (w *world) openPostgres(ctx context.Context, dir string) (sqlstore.Database, error) {
	dsn := os.Getenv(envServer)
	if dsn == "" {
		cluster, err := pgtest.Start(dir)
		if err != nil {
			return nil, err
		}
		w.later(cluster.Stop)
		dsn = cluster.DSN("postgres")
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = poolSize
	if w.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	w.later(func() error { w.pool.Close(); return nil })
	return pgxq.New(w.pool), pgxq.Durable(ctx, w.pool)
}

// envServer names a server to use instead of a throw-away one.
const envServer = pgtest.Env

// poolSize is how many connections the floor and the store share in turn: as
// many as there are clients.
const poolSize = 32

// prepare gets the floor ready, on tables that are there by now.
func (w *world) prepare(ctx context.Context) error {
	if w.pool != nil {
		w.floors = []floor.Program{floor.Postgres(w.pool), floor.PostgresBatched(w.pool)}
		return nil
	}
	one, err := floor.SQLite(ctx, w.db.DB)
	if err != nil {
		return err
	}
	w.floors = []floor.Program{one}
	w.later(one.Close)
	return nil
}

func (w *world) later(f func() error) { w.clean = append(w.clean, f) }

// close takes everything down, the last first.
func (w *world) close() error {
	var errs []error
	for i := len(w.clean) - 1; i >= 0; i-- {
		errs = append(errs, w.clean[i]())
	}
	w.clean = nil
	return errors.Join(errs...)
}

var publicURL = &url.URL{Scheme: "https", Host: "mdm.example.com"}

// Site, Host and All make the world its own enrollment.Sites.
func (w *world) Site(_ context.Context, id string) (enrollment.Site, error) {
	s := enrollment.Site{ID: id, Name: "Acme", PublicURL: publicURL}
	s.Policy.Credentials.PINPace, s.Policy.Credentials.SourcePace = credentials.Off, credentials.Off
	return s, nil
}

func (w *world) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return w.Site(ctx, site)
}

func (w *world) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield(site, nil) }
}

// Lookup and ByEmail make it its own enrollment.Directory, in which everybody is.
func (w *world) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Jan Novák", Email: id + "@example.com", Language: "cs"}, nil
}

func (w *world) ByEmail(context.Context, string) ([]enrollment.User, error) { return nil, nil }

// android is a device that nobody has seen before.
func android(token credentials.Secret, id string) enrollment.EnrollRequest {
	return enrollment.EnrollRequest{
		EnrollmentID: id, Credential: enrollment.Presented{Token: token}, Ownership: device.Company,
		Device: enrollment.Claim{
			Platform: device.Android, Manufacturer: "Acme", Model: "Phone 7", OSVersion: "16",
			Hardware: device.Hardware{Serial: fmt.Sprintf("SN%s", id)},
		},
	}
}
