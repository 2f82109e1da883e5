package simulate

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/memstore"
)

const adminToken = "the-administrators-token"

// world is a server of the SDK alone, in memory, without a directory.
type world struct {
	url   string
	inner atomic.Pointer[http.Handler]
	// before sees every request first, and answers it if it returns true.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newWorld(t *testing.T, policy enrollment.Policy) *world {
	w := &world{before: func(http.ResponseWriter, *http.Request) bool { return false }}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.before(rw, r) {
			(*w.inner.Load()).ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(server.Close)
	public, err := url.Parse(server.URL + "/join")
	require.NoError(t, err)
	w.url = server.URL

	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	svc, err := enrollment.New(memstore.New(), enrollment.Config{
		Keyring: ring, Sites: enrollment.OneSite{ID: "acme", Name: "Acme", PublicURL: public, Policy: policy},
		SweepEvery: 50 * time.Millisecond,
	})
	require.NoError(t, err)
	pages, err := enrollhttp.New(svc, enrollhttp.Options{
		BasePath: "/join", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	})
	require.NoError(t, err)
	api := adminhttp.New(svc, func(r *http.Request) (enrollment.Actor, error) {
		if r.Header.Get("Authorization") != "Bearer "+adminToken {
			return enrollment.Actor{}, adminhttp.ErrUnauthenticated
		}
		return enrollment.Actor{Site: "acme", ID: "ann"}, nil
	}, adminhttp.BasePath(apiPath))
	mux := http.NewServeMux()
	mux.Handle(apiPath+"/", api)
	mux.Handle("/join/", pages)
	var handler http.Handler = mux
	w.inner.Store(&handler)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = svc.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *world) options(seed uint64) Options {
	return Options{BaseURL: w.url, AdminToken: adminToken, Seed: seed, Label: "t", Pace: 1_000_000}
}
