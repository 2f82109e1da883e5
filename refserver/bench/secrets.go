package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"time"

	"example.com/enrollkit/credentials"
)

// work is something without a database, done a fixed number of times a round.
type work struct {
	name string
	n    int
	do   func() error
}

// measure lets works take turns on one thread and takes the CPU time of that
// thread, so that it does not matter who else is at work.
func (b *bench) measure(list ...work) ([]score, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rounds := make([][]score, len(list))
	for range b.pace.rounds {
		for i, one := range list {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began, err := threadCPU()
			if err != nil {
				return nil, err
			}
			for range one.n {
				if err := one.do(); err != nil {
					return nil, err
				}
			}
			ended, err := threadCPU()
			if err != nil {
				return nil, err
			}
			runtime.ReadMemStats(&after)
			rounds[i] = append(rounds[i], score{
				rate: float64(one.n) / (ended - began).Seconds(), allocs: float64(after.Mallocs-before.Mallocs) / float64(one.n),
			})
		}
	}
	var scores []score
	for i, round := range rounds {
		s := medians(round)
		s.name = list[i].name
		scores = append(scores, s)
	}
	return scores, nil
}

// threadCPU is the CPU time of the calling thread.
func threadCPU() (time.Duration, error) {
	const thread = 1 // RUSAGE_THREAD
	var used syscall.Rusage
	err := syscall.Getrusage(thread, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), err
}

// each is how long one takes.
func (s score) each() time.Duration { return time.Duration(1e9 / s.rate) }

func (b *bench) runSecrets(context.Context) error {
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		return err
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		return err
	}
	place := credentials.AAD{Site: site, Owner: "inv_00000000000000000000000001", Kind: "invitation", Generation: 1}
	pin := credentials.SecretString("12345678")
	stored := ring.MACSecret(credentials.PurposePIN, pin, site, place.Owner, "1")
	token, err := credentials.NewToken(rand.Reader)
	if err != nil {
		return err
	}
	scores, err := b.measure(
		work{"credentials of one invitation", 20_000, func() error {
			set, err := credentials.NewSet(rand.Reader, credentials.DefaultPINDigits)
			if err != nil {
				return err
			}
			_ = ring.MACSecret(credentials.PurposeToken, set.Token)
			_ = ring.MACSecret(credentials.PurposePIN, set.PIN, site, place.Owner, "1")
			_, err = ring.SealSet(rand.Reader, place, set)
			return err
		}},
		work{"check of a PIN", 50_000, func() error {
			ok, err := ring.VerifySecret(stored, credentials.PurposePIN, pin, site, place.Owner, "1")
			if !ok {
				return fmt.Errorf("a PIN that is right is refused: %w", err)
			}
			return nil
		}},
		work{"lookup key of a token", 50_000, func() error { _ = ring.MACSecret(credentials.PurposeToken, token); return nil }},
	)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, s := range scores {
		rows = append(rows, []string{s.name, fmt.Sprintf("%.0f", s.rate), s.each().String(), fmt.Sprintf("%.1f", s.allocs)})
	}
	b.table("credentials, one core", []string{"what", "per second", "each", "allocs"}, rows)
	reached := func(s score) string { return fmt.Sprintf("%s, %.1f allocs", s.each(), s.allocs) }
	b.judge(1, scores[0].name, "<= 1 us, <= 2 allocs", reached(scores[0]), scores[0].each() <= time.Microsecond && scores[0].allocs < 2.5)
	for _, s := range scores[1:] {
		b.judge(2, s.name, "<= 2 us, 0 allocs", reached(s), s.each() <= 2*time.Microsecond && s.allocs < 0.5)
	}
	return b.runQR()
}

// runQR draws the code of a URL of 100 bytes, 392 pixels wide. The usual way to do
// that is measured beside ours in package credentials (BenchmarkQR), whose module
// has the library for it.
func (b *bench) runQR() error {
	payload := credentials.SecretString("https://mdm.example.com/join/i/" + strings.Repeat("a", 69))
	ready, err := credentials.EncodeQR(payload)
	if err != nil {
		return err
	}
	buf := make([]byte, 0, 16<<10)
	const scale = 8
	scores, err := b.measure(
		work{"EncodeQR + AppendPNG", 10, func() error {
			q, err := credentials.EncodeQR(payload)
			if err == nil {
				_ = q.AppendPNG(buf, scale)
			}
			return err
		}},
		work{"AppendPNG alone", 2000, func() error { _ = ready.AppendPNG(buf, scale); return nil }},
		work{"AppendSVG alone", 2000, func() error { _ = ready.AppendSVG(buf); return nil }},
	)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, s := range scores {
		rows = append(rows, []string{s.name, s.each().String(), fmt.Sprintf("%.1f", s.allocs)})
	}
	b.table("QR code", []string{"what", "each", "allocs"}, rows)
	size := len(ready.AppendPNG(nil, scale))
	b.judge(11, "QR PNG, file", "<= 800 bytes", fmt.Sprintf("%d bytes", size), size <= 800)
	for _, s := range scores[1:] {
		b.judge(11, "QR, "+s.name, "<= 15 us, 0 allocs", fmt.Sprintf("%s, %.1f allocs", s.each(), s.allocs), s.each() <= 15*time.Microsecond && s.allocs < 0.5)
	}
	return nil
}
