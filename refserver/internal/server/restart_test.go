package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// balancer sends requests to nodes that were ready when it last asked, as
// balancers do: from time to time.
type balancer struct {
	nodes [2]atomic.Pointer[string] // addresses
	ready [2]atomic.Bool
}

func (b *balancer) watch(ctx context.Context, client *http.Client) {
	for ctx.Err() == nil {
		for i := range b.nodes {
			b.ready[i].Store(isReady(client, *b.nodes[i].Load()))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Behind a balancer nobody meets a failure while the nodes are stopped and
// started again, one after the other.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	linger := func(c *Config) { c.Linger = 2 * time.Second }
	nodes := startFleet(t, 2, linger)
	user := nodes[0].user(adminToken, "Ann Lee", "ann@example.com")
	var front balancer
	for i := range nodes {
		base := nodes[i].base
		front.nodes[i].Store(&base)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var answered, avoided atomic.Int64
	var failures sync.Map
	clients.Go(func() {
		front.watch(ctx, &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}})
	})
	for c := range 4 {
		clients.Go(func() {
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := c; ctx.Err() == nil; n++ {
				if !front.ready[n%2].Load() {
					avoided.Add(1)
					time.Sleep(time.Millisecond)
					continue
				}
				if err := rename(client, *front.nodes[n%2].Load(), user, n); err != nil {
					failures.Store(err.Error(), true)
				}
				answered.Add(1)
			}
		})
	}
	for range 2 {
		for i, n := range nodes {
			n.eventually("both nodes are ready", func() bool { return front.ready[0].Load() && front.ready[1].Load() })
			database := n.database
			n.stop()
			n.run(linger, func(c *Config) { c.Database = database })
			base := n.base
			front.nodes[i].Store(&base)
		}
	}
	stop()
	clients.Wait()
	failures.Range(func(what, _ any) bool { t.Error(what); return true })
	assert.Positive(t, avoided.Load(), "a node was seen to be away")
	t.Logf("%d requests answered during 4 restarts, %d times a node was avoided", answered.Load(), avoided.Load())
}

// A request that is on its way on a connection that was idle when the server was
// asked to stop is answered, and the connection ends with the answer.
func TestAnIdleConnectionIsAnsweredOnOnceMoreBeforeTheEnd(t *testing.T) {
	w := start(t, func(c *Config) { c.Linger = MaxLinger })
	user := w.user(adminToken, "Ann Lee", "ann@example.com")
	dials := 0
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
	defer client.CloseIdleConnections()
	assert.NoError(t, rename(client, w.base, user, 1))
	var stopped sync.WaitGroup
	stopped.Go(w.stop)
	w.eventually("the server says that it stops", func() bool { return !isReady(plain, w.base) })
	got := w.send(client, http.MethodGet, "/healthz", nil, "")
	assert.Equal(t, http.StatusOK, got.status)
	assert.True(t, got.closes, "the connection ends with the answer")
	assert.Equal(t, 1, dials, "it is the connection of before")
	stopped.Wait()
}

func isReady(client *http.Client, base string) bool {
	response, err := client.Get(base + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// rename is a request that changes something.
func rename(client *http.Client, base, user string, n int) error {
	name := fmt.Sprintf("Ann %d", n)
	r, err := http.NewRequest(http.MethodPatch, base+"/api/v1/users/"+user, strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var said struct{ Name, Code string }
	err = json.NewDecoder(response.Body).Decode(&said)
	if err != nil || response.StatusCode != http.StatusOK || said.Name != name {
		return fmt.Errorf("status %d, code %q, name %q: %v", response.StatusCode, said.Code, said.Name, err)
	}
	return nil
}
