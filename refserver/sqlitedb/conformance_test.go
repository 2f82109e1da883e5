package sqlitedb_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/storetest"
	"example.com/enrollkit/refserver/sqlitedb"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) enrollment.Storage {
		_, s := migrated(t)
		return s
	})
}

func TestFlows(t *testing.T) {
	storetest.RunFlows(t, func(t *testing.T) enrollment.Storage {
		_, s := migrated(t)
		return s
	})
}

// empty is a migrated file without rows. Every rule begins with a copy, which
// is faster than migrating.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sqlitedb")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "enroll.db")
	db, err := sqlitedb.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Migrate(context.Background()), db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func migrated(t *testing.T) (*sqlitedb.DB, *sqlstore.Store) {
	t.Helper()
	file, err := empty()
	must(t, err)
	path := filepath.Join(t.TempDir(), "enroll.db")
	must(t, os.WriteFile(path, file, 0o600))
	db := openFile(t, path)
	s, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{})
	must(t, err)
	return db, s
}

// One connection for everything: whatever holds one while it waits for another
// hangs.
func TestConformanceWithOneConnection(t *testing.T) {
	storetest.Run(t, func(t *testing.T) enrollment.Storage {
		db, s := migrated(t)
		db.SetMaxOpenConns(1)
		return s
	})
}

// The embedder's transaction goes on after every unit, however it ended, and
// decides alone what becomes of it all.
func TestConformanceInTheEmbeddersTransaction(t *testing.T) {
	ends := map[string]func(*sql.Tx) error{"committed": (*sql.Tx).Commit, "rolled back": (*sql.Tx).Rollback}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			storetest.RunInTransaction(t, func(t *testing.T) enrollment.Storage {
				db, store := migrated(t)
				_, err := db.Exec("CREATE TABLE orders (note TEXT)")
				must(t, err)
				before := rows(t, db.DB)
				tx, err := db.BeginTx(context.Background(), nil)
				must(t, err)
				_, err = tx.Exec("INSERT INTO orders VALUES ('before')")
				must(t, err)
				t.Cleanup(func() {
					_, err := tx.Exec("INSERT INTO orders VALUES ('after')")
					must(t, err)
					must(t, end(tx))
					var orders int
					must(t, db.QueryRow("SELECT count(*) FROM orders").Scan(&orders))
					if after := rows(t, db.DB); name == "rolled back" && (orders != 0 || after != before) {
						t.Errorf("%d orders and %d rows of ours, want 0 and %d", orders, after, before)
					}
					if name == "committed" && orders != 2 {
						t.Errorf("%d orders, want 2", orders)
					}
				})
				return store.InTx(sqlstore.SQLTx(tx))
			})
		})
	}
}

// rows counts the rows of all tables of ours.
func rows(t *testing.T, db *sql.DB) (total int) {
	t.Helper()
	tables, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'enroll\_%' ESCAPE '\'`)
	must(t, err)
	defer tables.Close()
	var names []string
	for tables.Next() {
		var name string
		must(t, tables.Scan(&name))
		names = append(names, name)
	}
	must(t, tables.Err())
	for _, name := range names {
		var n int
		must(t, db.QueryRow("SELECT count(*) FROM "+name).Scan(&n))
		total += n
	}
	return total
}
