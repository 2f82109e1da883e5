package sqlitedb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/sqlitedb"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openFile(t testing.TB, path string) *sqlitedb.DB {
	t.Helper()
	db, err := sqlitedb.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newStore(t testing.TB, db sqlstore.Database) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	must(t, err)
	must(t, s.Migrate(context.Background()))
	return s
}

// counting counts the transactions of a database that were committed.
type counting struct {
	sqlstore.Database
	commits atomic.Int64
}

func (c *counting) Begin(ctx context.Context, opts sqlstore.BeginOptions) (sqlstore.Tx, error) {
	tx, err := c.Database.Begin(ctx, opts)
	return countingTx{tx, c}, err
}

type countingTx struct {
	sqlstore.Tx
	of *counting
}

func (t countingTx) Commit(ctx context.Context) error {
	t.of.commits.Add(1)
	return t.Tx.Commit(ctx)
}

func user(i int) enrollment.User {
	return enrollment.User{Site: "site", ID: fmt.Sprintf("user %03d", i)}
}

func put(i int) func(context.Context, enrollment.Tx) error {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Users().Put(ctx, user(i)) }
}

// stored reports which of n users are there.
func stored(t testing.TB, s enrollment.Storage, n int) map[int]bool {
	t.Helper()
	found := map[int]bool{}
	must(t, s.View(context.Background(), func(ctx context.Context, tx enrollment.Tx) error {
		for i := range n {
			_, err := tx.Users().Get(ctx, "site", user(i).ID)
			if err == nil {
				found[i] = true
			} else if !errors.Is(err, enrollment.ErrNotFound) {
				return err
			}
		}
		return nil
	}))
	return found
}

func TestUnitsShareCommits(t *testing.T) {
	const (
		refuses   = 5
		panics    = 9
		exits     = 13
		isCalled  = 17 // back, in its turn
		givesUp   = 21 // while it waits
		units     = 32
		committed = units - 5
	)
	path := filepath.Join(t.TempDir(), "enroll.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlitedb.Open(path)
		must(t, err)
		defer db.Close()
		count := &counting{Database: sqlstore.SQL(db.DB)}
		s := newStore(t, count)
		count.commits.Store(0)

		gate := make(chan struct{})
		results := make([]string, units)
		var wg sync.WaitGroup
		for i := range units {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			wg.Go(func() {
				results[i] = "exit"
				defer func() {
					if p := recover(); p != nil {
						results[i] = fmt.Sprint("panic ", p)
					}
				}()
				err := s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
					<-gate
					if err := put(i)(ctx, tx); err != nil {
						return err
					}
					switch i {
					case refuses:
						return errors.New("refused")
					case panics:
						panic("bug")
					case exits:
						runtime.Goexit()
					case isCalled:
						cancel()
					}
					return nil
				})
				results[i] = fmt.Sprint(err)
			})
			synctest.Wait()
			if i == givesUp {
				cancel()
				synctest.Wait()
			}
		}
		close(gate)
		wg.Wait()

		want := map[int]string{
			refuses: "refused", panics: "panic bug", exits: "exit",
			isCalled: context.Canceled.Error(), givesUp: context.Canceled.Error(),
		}
		found := stored(t, s, units)
		for i, got := range results {
			if w, ok := want[i]; ok {
				if got != w || found[i] {
					t.Errorf("unit %d: %s, stored: %t; want %s and nothing stored", i, got, found[i], w)
				}
			} else if got != "<nil>" || !found[i] {
				t.Errorf("unit %d: %s, stored: %t; want it stored", i, got, found[i])
			}
		}
		if len(found) != committed {
			t.Errorf("%d units stored, want %d", len(found), committed)
		}
		if n := count.commits.Load(); n != 1 {
			t.Errorf("%d commits, want 1 for all", n)
		}
	})
}

// A cancelled statement must not take the transaction with it: SQLite rolls all
// of it back when it interrupts a write.
func TestCancellingOneUnitNeverAbortsAnother(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "enroll.db"))
	s := newStore(t, sqlstore.SQL(db.DB))
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		acked    = map[int]bool{}
		gave, n  = 0, 400
		deadline = []time.Duration{50 * time.Microsecond, time.Millisecond, time.Hour}
	)
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), deadline[i%len(deadline)])
			defer cancel()
			err := s.Update(ctx, put(i))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				acked[i] = true
			case errors.Is(err, context.DeadlineExceeded) && i%len(deadline) != 2:
				gave++
			default:
				t.Errorf("unit %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	found := stored(t, s, n)
	for i := range n {
		if acked[i] != found[i] {
			t.Errorf("unit %d: acknowledged %t, stored %t", i, acked[i], found[i])
		}
	}
	t.Logf("%d acknowledged, %d gave up", len(acked), gave)
}

// The same inside the embedder's transaction, where a unit is cancelled in the
// middle of a long write.
func TestCancellingAUnitLeavesTheEmbeddersTransaction(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "enroll.db"))
	s := newStore(t, sqlstore.SQL(db.DB))
	must(t, run(db, "CREATE TABLE orders (note TEXT)"))
	many := make([]enrollment.User, 20_000)
	for i := range many {
		many[i] = enrollment.User{Site: "many", ID: fmt.Sprint(i)}
	}
	for i := range 10 {
		tx, err := db.BeginTx(context.Background(), nil)
		must(t, err)
		_, err = tx.Exec("INSERT INTO orders VALUES ('theirs')")
		must(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+1)*time.Millisecond)
		err = s.InTx(sqlstore.SQLTx(tx)).Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			return tx.Users().Put(ctx, many...)
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sqlstore.ErrBroken) {
			t.Fatalf("the cancelled unit returned %v", err)
		}
		must(t, tx.Commit())
		var orders, users int
		must(t, db.QueryRow("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM enroll_users)").Scan(&orders, &users))
		if orders != i+1 || users != 0 {
			t.Fatalf("%d orders and %d users, want %d and 0", orders, users, i+1)
		}
	}
}

func run(db *sqlitedb.DB, statement string) error {
	_, err := db.Exec(statement)
	return err
}

// A transaction that reads before it writes fails with SQLITE_BUSY, whatever
// the timeout, if it did not begin IMMEDIATE and another has written meanwhile.
func TestEmbeddersWritesAndOursTakeTurns(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "enroll.db"))
	s := newStore(t, sqlstore.SQL(db.DB))
	must(t, run(db, "CREATE TABLE orders (note TEXT)"))
	const each = 50
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range each {
				var err error
				if w%2 == 0 {
					err = run(db, "INSERT INTO orders VALUES ('theirs')")
				} else {
					err = s.Update(context.Background(), func(ctx context.Context, tx enrollment.Tx) error {
						if _, err := tx.Users().Get(ctx, "site", "nobody"); !errors.Is(err, enrollment.ErrNotFound) {
							return err
						}
						time.Sleep(time.Millisecond) // time for another to write
						return put(w*each+i)(ctx, tx)
					})
				}
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if found := len(stored(t, s, 4*each)); found != 2*each {
		t.Errorf("%d of %d units stored", found, 2*each)
	}
}

func TestMigrate(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "enroll.db")
	db := openFile(t, path)
	s, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{})
	must(t, err)

	var wrong *sqlstore.VersionError
	if err := s.Check(ctx); !errors.As(err, &wrong) || wrong.Have != 0 {
		t.Fatalf("Check of an empty database: %v", err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Migrate(ctx); err != nil {
				t.Errorf("four at once: %v", err)
			}
		})
	}
	wg.Wait()
	must(t, s.Migrate(ctx))
	must(t, s.Check(ctx))

	_, err = db.ExecContext(ctx, "INSERT INTO enroll_versions (version, name) VALUES (99, 'future')")
	must(t, err)
	for name, call := range map[string]func(context.Context) error{"Check": s.Check, "Migrate": s.Migrate} {
		if err := call(ctx); !errors.As(err, &wrong) || wrong.Have != 99 || !strings.Contains(err.Error(), "newer") {
			t.Errorf("%s of a newer database: %v", name, err)
		}
	}

	t.Run("two prefixes live in one database", func(t *testing.T) {
		other, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{Prefix: "other_"})
		must(t, err)
		must(t, other.Migrate(ctx))
		must(t, other.Update(ctx, put(1)))
		if len(stored(t, s, 2)) != 0 || len(stored(t, other, 2)) != 1 {
			t.Error("they share rows")
		}
	})

	t.Run("the embedder's tool may run the SQL", func(t *testing.T) {
		own := openFile(t, filepath.Join(t.TempDir(), "own.db"))
		list, err := sqlstore.Migrations(sqlstore.SQLite, sqlstore.Options{})
		must(t, err)
		for _, m := range list {
			_, err := own.ExecContext(ctx, m.SQL)
			must(t, err)
		}
		theirs, err := sqlstore.New(sqlstore.SQL(own.DB), sqlstore.SQLite, sqlstore.Options{})
		must(t, err)
		must(t, theirs.Check(ctx))
	})
}

func TestOpen(t *testing.T) {
	t.Run("one server per file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "enroll.db")
		db, err := sqlitedb.Open(path)
		must(t, err)
		_, err = sqlitedb.Open(path)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "another server has this database open; stop it") {
			t.Errorf("a second Open says %v", err)
		}
		must(t, db.Close())
		again, err := sqlitedb.Open(path)
		must(t, err)
		must(t, again.Close())
	})

	t.Run("every connection of the pool has the pragmas", func(t *testing.T) {
		db := openFile(t, filepath.Join(t.TempDir(), "with space?&.db"))
		for range 3 { // held, so that each is another connection
			conn, err := db.Conn(t.Context())
			must(t, err)
			defer conn.Close()
			for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
				var got string
				must(t, conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
				if got != want {
					t.Errorf("%s = %s, want %s", pragma, got, want)
				}
			}
		}
	})

	t.Run("the file is for the server's eyes only", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "enroll.db")
		openFile(t, path)
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %o", info.Mode().Perm())
		}
	})

	t.Run("what cannot be written is refused", func(t *testing.T) {
		if _, err := sqlitedb.Open(filepath.Join(t.TempDir(), "missing", "enroll.db")); err == nil || !strings.Contains(err.Error(), "directory must be writable") {
			t.Errorf("a missing directory: %v", err)
		}
		path := filepath.Join(t.TempDir(), "enroll.db")
		must(t, os.Mkdir(path, 0o700))
		if _, err := sqlitedb.Open(path); err == nil {
			t.Error("a directory was opened")
		}
		if os.Geteuid() == 0 {
			return // root may write everywhere
		}
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o500))
		if _, err := sqlitedb.Open(filepath.Join(dir, "enroll.db")); err == nil || !strings.Contains(err.Error(), "directory must be writable") {
			t.Errorf("a directory without write permission: %v", err)
		}
	})
}
