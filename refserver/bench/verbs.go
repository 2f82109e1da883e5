package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/bench/floor"
)

// verb is one duty of the Service beside the floor's.
type verb struct {
	name  string
	ours  func(w *world) way
	floor func(w *world, p floor.Program) way
}

var verbs = []verb{
	{"create invitation", oursInvite, floorInvite},
	{"enroll", oursEnroll, floorEnroll},
	{"report", oursReport, floorReport},
	{"check-in", oursCheckIn, floorCheckIn},
	{"overview page", oursPage, floorPage},
}

func oursInvite(w *world) way {
	return anyOrder("ours", func(ctx context.Context) error {
		_, err := w.svc.Invite(ctx, admin, enrollment.InviteRequest{User: fmt.Sprintf("user%08d", serial.next()), Send: true})
		return err
	})
}

func floorInvite(_ *world, p floor.Program) way {
	return anyOrder(p.String(), func(ctx context.Context) error {
		i := serial.next()
		id, user := fmt.Sprintf("%026d", i), fmt.Sprintf("user%08d", i)
		return p.Invite(ctx, floor.Invite{
			Site: site, User: user, Name: "Jan Novák", Email: user + "@example.com",
			Invitation: "inv_" + id, Event1: "evt_1" + id, Event2: "evt_2" + id, ID: "log_" + id, By: admin.ID,
			Token: sum("token", i), PIN: sum("pin", i), Sealed: make([]byte, 110), At: micros(),
		})
	})
}

func oursEnroll(w *world) way {
	return way{"ours", func(ctx context.Context, n int) (func(context.Context, int) error, error) {
		tokens, err := w.invitations(ctx, n)
		return func(ctx context.Context, i int) error {
			_, err := w.svc.Enroll(ctx, android(tokens[i], fmt.Sprintf("%026d", serial.next())))
			return err
		}, err
	}}
}

func floorEnroll(w *world, p floor.Program) way {
	return way{p.String(), func(ctx context.Context, n int) (func(context.Context, int) error, error) {
		tokens, err := w.invitations(ctx, n)
		return func(ctx context.Context, i int) error {
			s := serial.next()
			id := fmt.Sprintf("%026d", s)
			return p.Enroll(ctx, floor.Enroll{
				Site: site, Token: w.ring.MACSecret(credentials.PurposeToken, tokens[i]).Bytes(), Device: "dev_" + id,
				Platform: "android", Mode: "android_work_profile", Serial: "SN" + id, Maker: "Acme",
				Hardware: `{"serial":"SN` + id + `"}`, Identity: "serial:acme:SN" + id, Trace: sum("trace", s), EnrollmentID: id,
				Nonce: make([]byte, 16), Contact: sum("device", s), Event1: "evt_1" + id, Event2: "evt_2" + id,
				Result: []byte(`{"d":"dev_` + id + `","g":1}`), At: micros(), Expires: micros() + 86400e6,
			})
		}, err
	}}
}

func oursReport(w *world) way {
	return way{"ours", func(ctx context.Context, n int) (func(context.Context, int) error, error) {
		tokens, err := w.enrolled(ctx, n)
		return func(ctx context.Context, i int) error {
			_, err := w.svc.Report(ctx, tokens[i], complete(1))
			return err
		}, err
	}}
}

// facts is complete as the database keeps it.
const facts = `{"agent_installed":{"agent":{"Value":true,"At":"2026-03-01T12:00:00.123456Z"}},"inventory_received":` +
	`{"agent":{"Value":true,"At":"2026-03-01T12:00:00.123456Z"}},"permissions":{"agent":{"Value":true,"At":` +
	`"2026-03-01T12:00:00.123456Z"}},"work_profile":{"agent":{"Value":true,"At":"2026-03-01T12:00:00.123456Z"}}}`

func floorReport(w *world, p floor.Program) way {
	return way{p.String(), func(ctx context.Context, n int) (func(context.Context, int) error, error) {
		tokens, err := w.enrolled(ctx, n)
		return func(ctx context.Context, i int) error {
			return p.Report(ctx, floor.Report{
				Token: w.ring.MACSecret(credentials.PurposeDevice, tokens[i]).Bytes(), Seq: 1, At: micros(),
				Facts: facts, Event: fmt.Sprintf("evt_3%026d", serial.next()),
			})
		}, err
	}}
}

// fleet is how many devices check in, again and again.
const fleet = 500

func oursCheckIn(w *world) way {
	var tokens []credentials.Secret
	return way{"ours", func(ctx context.Context, _ int) (_ func(context.Context, int) error, err error) {
		if tokens == nil {
			tokens, err = w.enrolled(ctx, fleet)
		}
		return func(ctx context.Context, i int) error {
			return w.svc.CheckIn(ctx, tokens[i%fleet], serial.next())
		}, err
	}}
}

func floorCheckIn(w *world, p floor.Program) way {
	var macs [][]byte
	return way{p.String(), func(ctx context.Context, _ int) (func(context.Context, int) error, error) {
		if macs == nil {
			tokens, err := w.enrolled(ctx, fleet)
			if err != nil {
				return nil, err
			}
			for _, t := range tokens {
				macs = append(macs, w.ring.MACSecret(credentials.PurposeDevice, t).Bytes())
			}
		}
		return func(ctx context.Context, i int) error { return p.CheckIn(ctx, macs[i%fleet], micros(), serial.next()) }, nil
	}}
}

func oursPage(w *world) way {
	return anyOrder("ours", func(ctx context.Context) error {
		page, err := w.svc.Overview(ctx, admin, enrollment.OverviewQuery{})
		if err == nil && len(page.Slots) == 0 {
			err = errEmpty
		}
		return err
	})
}

func floorPage(_ *world, p floor.Program) way {
	return anyOrder(p.String(), func(ctx context.Context) error {
		n, err := p.Page(ctx, site, enrollment.DefaultPageSize+1)
		if err == nil && n == 0 {
			err = errEmpty
		}
		return err
	})
}

// errEmpty says that there was nothing to measure.
var errEmpty = fmt.Errorf("an empty page")

// sum is bytes as wide as a stored MAC, different for each i.
func sum(what string, i int64) []byte {
	b := binary.BigEndian.AppendUint64([]byte(what), uint64(i))
	s := sha256.Sum256(append(b, process[:]...))
	return append([]byte{0, 0, 0, 1}, s[:]...)
}

// process keeps what one run makes from what another made.
var process = func() (b [8]byte) {
	_, _ = rand.Read(b[:])
	return b
}()

func micros() int64 { return time.Now().UnixMicro() }
