// Package pgtest starts throw-away PostgreSQL servers for tests, from installed
// binaries: on a socket of their own, reaped with the test. PostgreSQL refuses
// to run as root, so root's tests run it as nobody.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Env names the environment variable with the DSN of a server to use instead.
// Its user must be allowed to make databases.
const Env = "ENROLLKIT_TEST_POSTGRES"

// shared is the server of this process's tests, if one was started.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
	made    int
	mu      sync.Mutex
}

// Main runs the tests of a package that uses [DSN], stops the server, and ends
// the program.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is [Main] for a TestMain that has more to do in the end. It returns the
// program's exit code.
func Run(m *testing.M) int {
	code := m.Run()
	if c := shared.cluster; c != nil {
		if err := errors.Join(c.Stop(), os.RemoveAll(c.dir)); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	return code
}

// DSN returns an empty database for one test, dropped after it. The package's
// TestMain calls [Main]. Without binaries the test is skipped, and fails where
// CI is set.
func DSN(t testing.TB) string {
	t.Helper()
	admin := os.Getenv(Env)
	if admin == "" {
		shared.once.Do(func() {
			var dir string
			if dir, shared.err = os.MkdirTemp("", "pgtest-"); shared.err == nil {
				shared.cluster, shared.err = Start(dir)
			}
			if shared.err != nil {
				_ = os.RemoveAll(dir) // shared.err says what happened
			}
		})
		if errors.Is(shared.err, ErrNoBinaries) && os.Getenv("CI") == "" {
			t.Skipf("NOT TESTED ON POSTGRESQL: %v", shared.err)
		}
		if shared.err != nil {
			t.Fatal(shared.err)
		}
		admin = shared.cluster.DSN("postgres")
	}
	shared.mu.Lock()
	shared.made++
	name := fmt.Sprintf("pgtest_%d_%d", os.Getpid(), shared.made)
	shared.mu.Unlock()
	run(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { run(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	return inDatabase(t, admin, name)
}

// Own returns a server for one test alone, to be killed or to have settings
// ("name=value") of its own; it is stopped after the test. It takes no notice of
// [Env]. Without binaries the test is skipped, and fails where CI is set.
func Own(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgtest-own-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c, err := Start(dir, settings...)
	if errors.Is(err, ErrNoBinaries) && os.Getenv("CI") == "" {
		t.Skipf("NOT TESTED ON POSTGRESQL: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func run(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(ctx, statement)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}

// inDatabase returns a DSN with another database.
func inDatabase(t testing.TB, dsn, name string) string {
	t.Helper()
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("pgtest: " + Env + " is no DSN")
	}
	u.Path = "/" + name
	return u.String()
}
