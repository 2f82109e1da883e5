package session

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestASourceWaitsAfterTenFailures(t *testing.T) {
	var l Limiter
	now := time.Unix(1000, 0)
	one := netip.MustParseAddr("192.0.2.1")
	for range maxFailures {
		assert.Zero(t, l.Wait(one, now))
		l.Failed(one, now)
	}
	assert.Equal(t, failureWindow, l.Wait(one, now))
	assert.Zero(t, l.Wait(netip.MustParseAddr("192.0.2.2"), now), "others go on")
	assert.Zero(t, l.Wait(one, now.Add(failureWindow)))
}

func TestANetworkIsOneSource(t *testing.T) {
	var l Limiter
	now := time.Unix(1000, 0)
	for i := range maxFailures {
		l.Failed(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), now)
	}
	assert.NotZero(t, l.Wait(netip.MustParseAddr("2001::ffff"), now))
	assert.Zero(t, l.Wait(netip.MustParseAddr("2001:0:0:1::1"), now))
}

func TestMoreSourcesThanThereIsRoomForForgetNobody(t *testing.T) {
	var l Limiter
	now := time.Unix(1000, 0)
	first := netip.AddrFrom4([4]byte{10, 0, 0, 1})
	for range maxFailures {
		l.Failed(first, now)
	}
	for i := range 2 * maxSources {
		l.Failed(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	assert.NotZero(t, l.Wait(first, now))
	assert.LessOrEqual(t, len(l.sources), maxSources+1)
}
