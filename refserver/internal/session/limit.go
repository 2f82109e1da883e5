package session

import (
	"net/netip"
	"sync"
	"time"
)

// The pace of failed sign-ins of one source network. Tokens are beyond guessing;
// this keeps noise down.
const (
	maxFailures   = 10
	failureWindow = 15 * time.Minute
	maxSources    = 4096
)

// Limiter counts failed sign-ins per source. The zero value is ready.
type Limiter struct {
	mu      sync.Mutex
	sources map[netip.Prefix]failures
}

type failures struct {
	n     int
	until time.Time
}

// Wait returns how long a source has to wait, 0 if it may try.
func (l *Limiter) Wait(ip netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.sources[l.network(ip)]
	if f.n < maxFailures || !now.Before(f.until) {
		return 0
	}
	return f.until.Sub(now)
}

// Failed counts a failure of a source.
func (l *Limiter) Failed(ip netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sources == nil {
		l.sources = map[netip.Prefix]failures{}
	}
	key := l.network(ip)
	f := l.sources[key]
	if !now.Before(f.until) {
		f = failures{until: now.Add(failureWindow)}
	}
	f.n++
	l.sources[key] = f
	if len(l.sources) >= maxSources {
		for k, f := range l.sources {
			if !now.Before(f.until) {
				delete(l.sources, k)
			}
		}
	}
}

// network is what counts as one source. Once the table is full, newcomers share
// one row; nobody's count is pushed out.
func (l *Limiter) network(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	key, _ := ip.Prefix(bits)
	if _, known := l.sources[key]; !known && len(l.sources) >= maxSources {
		return netip.Prefix{}
	}
	return key
}
