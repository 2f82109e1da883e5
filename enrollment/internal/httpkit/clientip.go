package httpkit

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientIP returns the address that a request came from: the peer's, unless the
// peer is a trusted proxy. Then it is the last address of X-Forwarded-For that
// is not a trusted proxy's, read from the right, because everything to the left
// of it could have been written by the client. Reading stops at an entry that is
// no address; the trusted proxy that wrote it is then the answer. No other
// header is looked at.
//
// IPv4 in IPv6 counts as IPv4, and zones are dropped, so that one address has
// one spelling. A peer without an address, as on a Unix socket, gives the zero
// Addr.
func ClientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client, ok := address(r.RemoteAddr)
	if !ok {
		return netip.Addr{}
	}
	hops := r.Header.Values("X-Forwarded-For")
	for i := len(hops) - 1; i >= 0; i-- {
		rest := hops[i]
		for more := true; more; {
			if !isTrusted(client, trusted) {
				return client
			}
			var last string
			if cut := strings.LastIndexByte(rest, ','); cut >= 0 {
				rest, last = rest[:cut], rest[cut+1:]
			} else {
				last, more = rest, false
			}
			next, ok := address(strings.TrimSpace(last))
			if !ok {
				return client
			}
			client = next
		}
	}
	return client
}

// address reads an address with or without a port.
func address(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = withPort.Addr()
	}
	return ip.Unmap().WithZone(""), true
}

func isTrusted(ip netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
