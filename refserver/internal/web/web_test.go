package web

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClientIP(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		peer, forwarded, want string
		trusted               []netip.Prefix
	}{
		{"192.0.2.1:5", "1.2.3.4", "192.0.2.1", nil},
		{"192.0.2.1:5", "1.2.3.4", "192.0.2.1", trusted},
		{"10.0.0.1:5", "1.2.3.4", "1.2.3.4", trusted},
		{"10.0.0.1:5", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4", trusted},
		{"10.0.0.1:5", "junk", "10.0.0.1", trusted},
		{"10.0.0.1:5", "", "10.0.0.1", trusted},
		{"[::ffff:192.0.2.1]:5", "", "192.0.2.1", nil},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		assert.Equal(t, c.want, ClientIP(r, c.trusted).String(), "%s via %q", c.peer, c.forwarded)
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"": false, "0.0.0.0": false, "10.0.0.1": false, "localhost.evil.test": false, "127.0.0.1.evil.test": false,
	} {
		assert.Equal(t, want, IsLoopback(host), host)
	}
}
