package httpkit_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"example.com/enrollkit/enrollment/internal/httpkit"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func from(peer string, forwarded ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	return r
}

func TestClientIPBelievesTrustedProxiesOnly(t *testing.T) {
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string // empty: the zero Addr
	}{
		{"no proxy", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"a client that writes the header itself", "192.0.2.1:5000", []string{"198.51.100.7"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1:5000", []string{"198.51.100.7"}, "198.51.100.7"},
		{"one proxy, and a client that lies to it", "10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"two headers are one list", "10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"a client that claims to be a proxy", "10.0.0.1:5000", []string{"10.0.0.9, 198.51.100.7"}, "198.51.100.7"},
		{"proxies all the way", "10.0.0.1:5000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"a proxy without the header", "10.0.0.1:5000", nil, "10.0.0.1"},
		{"an empty header", "10.0.0.1:5000", []string{""}, "10.0.0.1"},
		{"no address in the header", "10.0.0.1:5000", []string{"unknown"}, "10.0.0.1"},
		{"no address behind a proxy", "10.0.0.1:5000", []string{"198.51.100.7, _hidden, 10.0.0.2"}, "10.0.0.2"},
		{"with a port", "10.0.0.1:5000", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", "[2001:db8::1]:5000", nil, "2001:db8::1"},
		{"IPv6 proxy and client with a port", "[fd00::1]:5000", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv4 in IPv6 is IPv4", "[::ffff:10.0.0.1]:5000", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a zone is dropped", "[fe80::1%eth0]:5000", nil, "fe80::1"},
		{"a Unix socket", "@", []string{"198.51.100.7"}, ""},
		{"no peer", "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := httpkit.ClientIP(from(c.peer, c.forwarded...), proxies)
			if c.want == "" && got.IsValid() || c.want != "" && got.String() != c.want {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

func TestClientIPIsOneForOnePeerWhateverItSends(t *testing.T) {
	for range 1000 {
		var b [4]byte
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		spoofed := netip.AddrFrom4(b).String()
		r := from("192.0.2.1:5000", spoofed)
		for _, name := range []string{"X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Forwarded-For"} {
			r.Header.Add(name, spoofed)
		}
		r.Header.Set("Forwarded", "for="+spoofed)
		if got := httpkit.ClientIP(r, proxies); got.String() != "192.0.2.1" {
			t.Fatalf("got %v", got)
		}
	}
}

func FuzzClientIP(f *testing.F) {
	f.Add("10.0.0.1:1", "198.51.100.7, 10.0.0.2")
	f.Add("192.0.2.1:1", "a,b,,")
	f.Add("[::1%lo]:1", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		got := httpkit.ClientIP(from(peer, forwarded), proxies)
		if !got.IsValid() {
			return
		}
		if got.Is4In6() || got.Zone() != "" {
			t.Fatalf("%v has another spelling", got)
		}
		// What a trusted proxy appended wins over all that stands before it.
		if r := httpkit.ClientIP(from("10.0.0.1:1", forwarded+", 198.51.100.7"), proxies); r.String() != "198.51.100.7" {
			t.Fatalf("%q moved the client to %v", forwarded, r)
		}
		// A peer that is no proxy is the client.
		if r := httpkit.ClientIP(from("192.0.2.1:1", strings.Split(forwarded, ",")...), proxies); r.String() != "192.0.2.1" {
			t.Fatalf("%q moved the client to %v", forwarded, r)
		}
	})
}
