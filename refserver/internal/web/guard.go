package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Headers sets what every answer of ours carries. A page replaces the
// Content-Security-Policy by its own.
func Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		next.ServeHTTP(w, r)
	})
}

// KnownHosts answers 421 to a Host that is neither the public one nor this
// machine's, so that no page of another name is let in by DNS. Probes ask by
// address and are let through.
func KnownHosts(public *url.URL) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			probe := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
			if !probe && !strings.EqualFold(withPort(r.Host, public), withPort(public.Host, public)) && !IsLoopback(hostname(r.Host)) {
				WriteProblem(w, r, Refusal(http.StatusMisdirectedRequest, "host_unknown", "This server does not answer for that host. Set -public-url."))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// withPort returns a host with its port, the scheme's own if it names none.
func withPort(host string, public *url.URL) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), map[string]string{"https": "443", "http": "80"}[public.Scheme])
}

// hostname returns a host without its port and brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// IsLoopback reports whether a host name or address is this machine's own.
func IsLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
