package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/invitation"
)

// alone gives every unit a transaction of its own, and everything else as the
// store does.
type alone struct{ w *world }

func (a alone) update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	tx, err := a.w.db.BeginTx(ctx, nil) // IMMEDIATE, by the DSN
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := a.w.store.InTx(sqlstore.SQLTx(tx)).Update(ctx, fn); err != nil {
		return err
	}
	return tx.Commit()
}

// units are the smallest unit, which is one sign of life, and one of many rows,
// which is one invitation.
var units = []struct {
	name string
	run  func(ctx context.Context, tx enrollment.Tx, n int64) error
}{
	{"sign of life", func(ctx context.Context, tx enrollment.Tx, n int64) error {
		return tx.Contacts().Put(ctx, enrollment.Contact{Site: site, Device: fmt.Sprintf("dev_%d", n%1000), Seq: n, At: time.UnixMicro(n).UTC()})
	}},
	{"invitation", func(ctx context.Context, tx enrollment.Tx, n int64) error {
		id, user := fmt.Sprintf("inv_%010d", n), fmt.Sprintf("user_%010d", n)
		now := time.UnixMicro(micros()).UTC()
		if _, err := tx.Users().Lock(ctx, enrollment.User{Site: site, ID: user, Name: "Jan Novák", Email: "jan@example.com"}); err != nil {
			return err
		}
		if err := tx.Invitations().Create(ctx, invitation.Invitation{Site: site, ID: id, User: user, State: invitation.Created, CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.Slots().Put(ctx, enrollment.Slot{Site: site, ID: id, Kind: enrollment.SlotInvitation, State: "created", User: user, UserName: "Jan Novák", Email: "jan@example.com"}); err != nil {
			return err
		}
		return tx.Journal().Append(ctx, enrollment.Event{Site: site, ID: "log_" + id, Subject: id, Seq: 1, Type: invitation.EventCreated, At: now})
	}},
}

// runGroup lets units share commits, or have one each, on two files.
func (b *bench) runGroup(ctx context.Context) error {
	var rows [][]string
	for _, clients := range []int{32, 256} {
		for _, u := range units {
			err := b.on(ctx, "sqlite", func(grouped *world) error {
				return b.on(ctx, "sqlite", func(single *world) error {
					single.db.SetMaxOpenConns(1)                                                  // waiting in Go is faster, and fairer, than in SQLite
					if err := single.floors[0].(interface{ Close() error }).Close(); err != nil { // it holds a connection
						return err
					}
					scores, err := duel(ctx, b.pace, meter{}, clients, unitWay("one each", alone{single}.update, u.run), unitWay("grouped", grouped.store.Update, u.run))
					if err != nil {
						return err
					}
					ratio := scores[1].rate / scores[0].rate
					for _, s := range scores {
						rows = append(rows, []string{u.name, fmt.Sprint(clients), s.name, fmt.Sprintf("%.0f", s.rate), times(s.rate / scores[0].rate), ms(s.median), ms(s.p99)})
					}
					least := map[int]float64{32: 3.5, 256: 5}[clients]
					b.judge(6, strings.Join([]string{"group commit", u.name, fmt.Sprint(clients)}, ", "), fmt.Sprintf(">= %.1f x one each, p99 no worse", least),
						fmt.Sprintf("%s, p99 %s : %s ms", times(ratio), ms(scores[1].p99), ms(scores[0].p99)), ratio >= least && scores[1].p99 <= scores[0].p99)
					return nil
				})
			})
			if err != nil {
				return err
			}
		}
	}
	b.table("sqlite, synchronous FULL", []string{"unit", "clients", "commits", "per second", "ratio", "median ms", "p99 ms"}, rows)
	return nil
}

type update func(context.Context, func(context.Context, enrollment.Tx) error) error

func unitWay(name string, do update, unit func(context.Context, enrollment.Tx, int64) error) way {
	return anyOrder(name, func(ctx context.Context) error {
		n := serial.next()
		return do(ctx, func(ctx context.Context, tx enrollment.Tx) error { return unit(ctx, tx, n) })
	})
}
