package session

import (
	"context"
	"encoding/base64"
	"net/netip"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// The pace of failed sign-ins of one source network. Tokens are beyond guessing;
// this keeps noise down.
const (
	maxFailures   = 10
	failureWindow = 15 * time.Minute
)

// Pace counts failed sign-ins per source network, beside the Service's own
// counters, so that all nodes count as one. What is stored of a network is a MAC.
type Pace struct {
	store enrollment.Storage
	ring  func() *credentials.Keyring
}

// NewPace returns the pace that is counted in store. ring returns the key ring of
// the moment.
func NewPace(store enrollment.Storage, ring func() *credentials.Keyring) *Pace {
	return &Pace{store: store, ring: ring}
}

// purpose separates the names of these counters from every other use of the ring.
const purpose = credentials.Purpose("refserver-sign-in")

// limit is that of one source's network.
func (p *Pace) limit(ip netip.Addr) credentials.Limit {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.Prefix(bits) // of an address that is none: one source for all of them
	name := p.ring().Name(purpose, []byte(network.String()))
	return credentials.Limit{
		Key: "refserver-sign-in:" + base64.RawURLEncoding.EncodeToString(name[:16]), Max: maxFailures, Window: failureWindow,
	}
}

// Wait returns how long a source has to wait, 0 if it may try.
func (p *Pace) Wait(ctx context.Context, ip netip.Addr, now time.Time) (wait time.Duration, err error) {
	limit := p.limit(ip)
	err = p.store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		counters, err := tx.Counters().Get(ctx, limit.Key)
		if err != nil {
			return err
		}
		wait = 0
		if _, ok, retryAt := counters[0].Spend(limit, now); !ok {
			wait = retryAt.Sub(now)
		}
		return nil
	})
	return wait, err
}

// Failed counts a failure of a source.
func (p *Pace) Failed(ctx context.Context, ip netip.Addr, now time.Time) error {
	_, err := p.store.Spend(ctx, now, []credentials.Limit{p.limit(ip)})
	return err
}
