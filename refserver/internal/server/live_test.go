package server

import (
	"bufio"
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stream is an open page.
type stream struct {
	open    atomic.Bool
	changes atomic.Int64
}

// stream opens the page of a browser.
func (b *browser) stream() *stream {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+"/devices/live", nil)
	require.NoError(b.t, err)
	r.Header.Set("Accept", "text/event-stream")
	response, err := b.client.Do(r)
	require.NoError(b.t, err)
	require.Equal(b.t, "text/event-stream", response.Header.Get("Content-Type"))
	s := &stream{}
	go func() {
		defer s.open.Store(false)
		defer func() { _ = response.Body.Close() }()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			s.open.Store(true)
			if lines.Text() == "event: changed" {
				s.changes.Add(1)
			}
		}
	}()
	b.eventually("the page listens", s.open.Load)
	return s
}

func TestAnOpenPageHearsOfAChangeAtAnotherNode(t *testing.T) {
	nodes := startFleet(t, 2)
	a, b := nodes[0], nodes[1]
	token := another(t, a, b)
	ours, theirs := b.signIn(adminEmail, adminToken).stream(), b.signIn("root@other.example", token).stream()
	a.invite(adminToken, a.user(adminToken, "Ann Lee", "ann@example.com"))
	b.eventually("the page heard of it", func() bool { return ours.changes.Load() > 0 })
	assert.Zero(t, theirs.changes.Load(), "a page of another site")

	// A node that stops ends its pages at once, and is not held up by them.
	b.stop()
	b.eventually("the stream is over", func() bool { return !ours.open.Load() })
}

func TestOnlyWhoIsSignedInHearsOfChanges(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		got := w.send(plain, http.MethodGet, "/devices/live", http.Header{"Accept": {"text/event-stream"}}, "")
		assert.Equal(t, http.StatusSeeOther, got.status)
		b := w.signIn(adminEmail, adminToken)
		assert.JSONEq(t, `{"version":0}`, b.get("/devices/live"))
		assert.Contains(t, b.get("/devices"), `data-events="/devices/live"`)
		page := b.stream()
		w.invite(adminToken, w.user(adminToken, "Ann Lee", "ann@example.com"))
		w.eventually("the page heard of it", func() bool { return page.changes.Load() > 0 })
		assert.NotContains(t, b.get("/devices/live"), `"version":0`)
	})
}
