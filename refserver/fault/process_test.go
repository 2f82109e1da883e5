//go:build fault

package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// build makes the reference server.
func build(t *testing.T) string {
	t.Helper()
	return goBuild(t, "refserver", "example.com/enrollkit/refserver")
}

// buildNode makes the suite's own node, with a mistake if one is named.
func buildNode(t *testing.T, mutant string) string {
	t.Helper()
	tags := "fault"
	if mutant != "" {
		tags += "," + mutant
	}
	return goBuild(t, "node", "-tags="+tags, "example.com/enrollkit/refserver/fault/node")
}

// built are the programs that were made already, by their arguments, and the
// directory where they are.
var (
	built    = map[string]string{}
	buildDir string
)

func init() {
	atEnd = append(atEnd, func() error { return os.RemoveAll(buildDir) })
}

func goBuild(t *testing.T, name string, args ...string) string {
	t.Helper()
	if buildDir == "" {
		var err error
		buildDir, err = os.MkdirTemp("", "enrollkit-build-")
		require.NoError(t, err)
	}
	key := fmt.Sprint(args)
	if built[key] == "" {
		binary := filepath.Join(buildDir, fmt.Sprintf("%s-%d", name, len(built)))
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", binary}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		built[key] = binary
	}
	return built[key]
}

// freePort is one that nobody listens on, so that the server has the same one
// after every kill.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// process is one life of a server, in a process group of its own.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed once it is reaped
	err    error         // how it ended
	killed bool
}

// launch starts a reference server on a database, with its files in a directory.
func launch(t *testing.T, binary, dir, address, database string) *process {
	t.Helper()
	env := append(os.Environ(), "ENROLLKIT_ADMIN_TOKEN="+adminToken, "ENROLLKIT_OPERATOR_TOKEN="+operatorToken)
	return spawn(t, filepath.Join(dir, "server.log"), env,
		binary, "serve", "-listen", address, "-database", database, "-keyring", filepath.Join(dir, "fault.keyring"))
}

// spawn starts a program that adds to a log. The kernel kills it if this process
// dies first, however it dies.
func spawn(t *testing.T, logFile string, env []string, binary string, args ...string) *process {
	t.Helper()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	p := &process{cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about this thread
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.ended)
	}()
	require.NoError(t, <-started)
	t.Cleanup(p.kill)
	return p
}

// pause stops a process where it stands, and returns once it does not run.
func (p *process) pause() error {
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		// One line for each thread: "pid (name) state ...".
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil {
			return err
		}
		running := false
		for _, path := range stats {
			stat, err := os.ReadFile(path)
			running = running || err == nil && !bytes.Contains(stat, []byte(") T "))
		}
		if !running {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// resume lets a process go on that was stopped.
func (p *process) resume() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGCONT) }

// kill ends the group at once and reaps it.
func (p *process) kill() {
	p.killed = true
	select {
	case <-p.ended:
		return
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// stop asks the server to stop and returns how it did.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// ready waits until the server takes requests, or has ended.
func (p *process) ready(ctx context.Context, base string) error {
	for ctx.Err() == nil {
		select {
		case <-p.ended:
			return fmt.Errorf("the server ended by itself: %w", errors.Join(p.err, errors.New("see server.log")))
		case <-time.After(5 * time.Millisecond):
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
		if err != nil {
			return err
		}
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			continue
		}
		_ = got.Body.Close()
		if got.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("the server is not ready: %w", ctx.Err())
}
