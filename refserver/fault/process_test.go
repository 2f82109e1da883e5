//go:build fault

package fault

import (
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

// build makes the server once.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "refserver")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "example.com/enrollkit/refserver").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
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

// launch starts a server on a directory. The kernel kills it if this process
// dies first, however it dies.
func launch(t *testing.T, binary, dir, address string) *process {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	p := &process{cmd: exec.Command(binary, "serve", "-listen", address, "-database", "sqlite:"+filepath.Join(dir, "fault.db")), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "ENROLLKIT_ADMIN_TOKEN="+adminToken, "ENROLLKIT_OPERATOR_TOKEN="+operatorToken)
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
