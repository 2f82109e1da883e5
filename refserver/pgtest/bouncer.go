package pgtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// bouncerPool is how many server connections a Bouncer has: fewer than its
// clients, so that they have to share.
const bouncerPool = 20

// Bouncer starts PgBouncer in transaction mode in front of a database and
// returns the DSN through it, with an exec mode that fits. It ends with the
// test. Without the program the test is skipped, and fails where CI is set.
func Bouncer(t testing.TB, dsn string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
		_, err = os.Stat(path)
	}
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("NOT TESTED BEHIND PGBOUNCER: it is not installed")
	}
	if err != nil {
		t.Fatal("pgtest: no pgbouncer found: install it")
	}
	behind, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal("pgtest: no DSN")
	}
	dir, err := os.MkdirTemp("", "pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	password := ""
	if behind.Password != "" {
		password = " password=" + behind.Password
	}
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%d user=%s%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 1000
`, behind.Host, behind.Port, behind.User, password, port, bouncerPool)
	config := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(config, []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chown(config, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, program(dir, path, config))
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	deadline := time.Now().Add(startWithin)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("pgtest: pgbouncer does not answer")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable&default_query_exec_mode=exec", behind.User, addr, behind.Database)
}

// serve runs a program until the test ends.
func serve(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // as in Start
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
}
