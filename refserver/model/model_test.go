package model

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgtest"
	"example.com/enrollkit/refserver/pgxq"
	"example.com/enrollkit/refserver/sqlitedb"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// inMemory keeps what it holds when the process "ends": there is nothing that
// could be lost.
type inMemory struct{ store *memstore.Store }

func (m *inMemory) open(again bool) (enrollment.Storage, error) {
	if !again {
		m.store = memstore.New()
	}
	return m.store, nil
}

func (*inMemory) close() error { return nil }

// inSQLite is a file, each story's a copy of an empty one.
type inSQLite struct {
	dir, empty string
	db         *sqlitedb.DB
}

func newSQLite(t *testing.T) *inSQLite {
	t.Helper()
	f := &inSQLite{dir: t.TempDir()}
	store, err := f.open(true)
	if err == nil {
		err = store.(*sqlstore.Store).Migrate(context.Background())
	}
	if err == nil {
		err = f.close()
	}
	if err == nil {
		f.empty = filepath.Join(f.dir, "empty.db")
		err = os.Rename(f.path(), f.empty)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.close() }) // closed already, unless a story failed
	return f
}

func (f *inSQLite) path() string { return filepath.Join(f.dir, "enroll.db") }

func (f *inSQLite) open(again bool) (enrollment.Storage, error) {
	if !again {
		_ = f.close() // of the story before
		empty, err := os.ReadFile(f.empty)
		if err != nil {
			return nil, err
		}
		for _, rest := range []string{"-wal", "-shm"} {
			_ = os.Remove(f.path() + rest)
		}
		if err := os.WriteFile(f.path(), empty, 0o600); err != nil {
			return nil, err
		}
	}
	var err error
	if f.db, err = sqlitedb.Open(f.path()); err != nil {
		return nil, err
	}
	return sqlstore.New(sqlstore.SQL(f.db.DB), sqlstore.SQLite, sqlstore.Options{})
}

func (f *inSQLite) close() error {
	if f.db == nil {
		return nil
	}
	db := f.db
	f.db = nil
	return db.Close()
}

// inPostgres is a database, emptied for each story.
type inPostgres struct {
	dsn  string
	pool *pgxpool.Pool
}

func newPostgres(t *testing.T) *inPostgres {
	t.Helper()
	p := &inPostgres{dsn: pgtest.DSN(t)}
	t.Cleanup(func() { _ = p.close() })
	store, err := p.open(true)
	if err == nil {
		err = store.(*sqlstore.Store).Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *inPostgres) open(again bool) (enrollment.Storage, error) {
	_ = p.close() // of the story before
	ctx := context.Background()
	var err error
	if p.pool, err = pgxq.Open(ctx, p.dsn); err != nil {
		return nil, err
	}
	if !again {
		_, err = p.pool.Exec(ctx, `DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'enroll_versions'
			LOOP EXECUTE 'DELETE FROM ' || quote_ident(name); END LOOP; END $$`)
		if err != nil {
			return nil, err
		}
	}
	return sqlstore.New(pgxq.New(p.pool), sqlstore.PostgreSQL, sqlstore.Options{})
}

func (p *inPostgres) close() error {
	if p.pool != nil {
		p.pool.Close()
		p.pool = nil
	}
	return nil
}

// checksGiven says whether the command line says how many stories to run.
var checksGiven = sync.OnceValue(func() bool {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	return given
})

// stories runs n stories, or as many as -rapid.checks says.
func stories(t *testing.T, n string, stores map[string]opener) {
	t.Helper()
	if !checksGiven() {
		if err := flag.Set("rapid.checks", n); err != nil {
			t.Fatal(err)
		}
	}
	told, steps := 0, 0
	met := map[string]int{} // answers, and events of the journal
	rapid.Check(t, func(rt *rapid.T) {
		w := begin(rt, stores)
		rt.Repeat(w.actions())
		told++
		steps += w.step
		for answer, n := range w.met {
			met["answer "+answer] += n
		}
		for _, events := range w.m.journal {
			for _, e := range events {
				met[e]++
			}
		}
	})
	t.Logf("%d stories of %d steps met %d kinds of answers and events: %v", told, steps, len(met), met)
}

func TestEveryStoryEndsAsInTheModel(t *testing.T) {
	stories(t, "60", map[string]opener{"memory": &inMemory{}})
}

func TestEveryStoryEndsTheSameOnEveryStore(t *testing.T) {
	stores := map[string]opener{"memory": &inMemory{}, "sqlite": newSQLite(t)}
	t.Run("memory and SQLite", func(t *testing.T) { stories(t, "4", stores) })
	t.Run("and PostgreSQL", func(t *testing.T) {
		stores["postgresql"] = newPostgres(t)
		stories(t, "4", stores)
	})
}
