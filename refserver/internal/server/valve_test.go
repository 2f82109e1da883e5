package server

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// valve passes on what connections say, until it is closed: then it takes
// connections and passes nothing on, until it is opened again.
type valve struct {
	addr string
	mu   sync.Mutex
	free chan struct{} // closed while it is open
}

func newValve(t *testing.T, to string) *valve {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	v := &valve{addr: l.Addr().String(), free: make(chan struct{})}
	close(v.free)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = in.Close() }()
				out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
				if err != nil {
					return
				}
				defer func() { _ = out.Close() }()
				go v.pass(in, out)
				v.pass(out, in)
			}()
		}
	}()
	return v
}

func (v *valve) pass(to io.WriteCloser, from io.Reader) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		v.mu.Lock()
		free := v.free
		v.mu.Unlock()
		<-free
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (v *valve) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.free = make(chan struct{})
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.free)
}
