package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoBinaries says that PostgreSQL is not installed.
var ErrNoBinaries = errors.New("pgtest: no PostgreSQL found: install it, or set " + Env)

const (
	startWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	nobody      = 65534
)

// settings of every server. It is as durable as in production: what the tests
// are about is what survives.
var settings = []string{
	"listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=128MB",
	"fsync=on", "synchronous_commit=on", "full_page_writes=on",
	"log_min_messages=warning", "logging_collector=off",
}

// Cluster is one PostgreSQL server and its data.
type Cluster struct {
	dir      string // of the data, the socket and the log
	bin      string
	port     int
	settings []string
	server   *exec.Cmd
	ended    chan struct{} // closed when server has been reaped
}

// Start makes a server in an empty directory and starts it, with further
// settings ("name=value") if need be. It listens on a loopback port and on a
// socket in dir. The caller ends it with Stop.
func Start(dir string, more ...string) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, settings: append(append([]string{}, settings...), more...)}
	if os.Getuid() == 0 {
		// The server has to get at it, through directories that may be root's.
		if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(dir, 0o700)); err != nil {
			return nil, fmt.Errorf("pgtest: %w", err)
		}
	}
	if c.port, err = freePort(); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	runtime.LockOSThread() // the kernel ends a program with the thread that started it
	defer runtime.UnlockOSThread()
	initdb := c.command("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgtest: initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return c, c.Restart()
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// Log is the path of the server's log.
func (c *Cluster) Log() string { return filepath.Join(c.dir, "log") }

// Addr is the loopback address that the server listens on.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// DSN returns how to reach a database of the server.
func (c *Cluster) DSN(database string) string {
	return "postgres://postgres@" + c.Addr() + "/" + database + "?sslmode=disable"
}

// Restart starts the server again after Kill or Stop, and returns once it
// answers.
func (c *Cluster) Restart() error {
	log, err := os.OpenFile(c.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer log.Close()
	args := []string{"-D", c.data(), "-k", c.dir, "-p", strconv.Itoa(c.port)}
	for _, s := range c.settings {
		args = append(args, "-c", s)
	}
	server := c.command("postgres", args...)
	server.Stdout, server.Stderr = log, log
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread() // as in Start
		err := server.Start()
		started <- err
		if err == nil {
			_ = server.Wait() // how it ended is in its log
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	c.server, c.ended = server, ended
	return c.await()
}

// await returns once the server answers.
func (c *Cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.ended:
			log, _ := os.ReadFile(c.Log())
			return fmt.Errorf("pgtest: the server ended: %s", log[max(0, len(log)-2000):])
		case <-ctx.Done():
			return fmt.Errorf("pgtest: the server does not answer: %w", errors.Join(err, c.Kill()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server and all its processes at once, as a power cut of the
// machine's processes would, and reaps it.
func (c *Cluster) Kill() error { return c.end(syscall.SIGKILL, true) }

// Stop ends the server in good order, without waiting for its clients.
func (c *Cluster) Stop() error { return c.end(syscall.SIGINT, false) }

func (c *Cluster) end(signal syscall.Signal, group bool) error {
	if c.server == nil {
		return nil
	}
	pid := c.server.Process.Pid
	var err error
	if group {
		err = killTree(pid)
	} else {
		err = syscall.Kill(pid, signal)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("pgtest: %w", err)
	}
	select {
	case <-c.ended:
	case <-time.After(stopWithin):
		if signal != syscall.SIGKILL {
			return c.end(syscall.SIGKILL, true)
		}
		return errors.New("pgtest: the server does not end")
	}
	c.server = nil
	return nil
}

// command is one of PostgreSQL's programs.
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	return program(c.dir, filepath.Join(c.bin, name), args...)
}

// program is a program in a process group of its own, as a user who is not root.
func program(dir, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// binaries returns the directory of PostgreSQL's programs, the newest that is
// installed.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, newest := "", -1
	for _, path := range found {
		dir := filepath.Dir(path)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if _, missing := os.Stat(filepath.Join(dir, "postgres")); err == nil && missing == nil && version > newest {
			best, newest = dir, version
		}
	}
	if best != "" {
		return best, nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrNoBinaries
	}
	if path, err = filepath.EvalSymlinks(path); err != nil || strings.Contains(path, "pg_wrapper") {
		return "", ErrNoBinaries
	}
	return filepath.Dir(path), nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
