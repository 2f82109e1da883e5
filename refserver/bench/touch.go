package main

import (
	"context"
	"fmt"
	"time"

	"example.com/enrollkit/enrollment"
)

// runTouch notes signs of life, a thousand to a call or one.
func (b *bench) runTouch(ctx context.Context) error {
	const devices, batch = 10_000, 1000
	var rows [][]string
	for _, system := range b.systems {
		err := b.on(ctx, system, func(w *world) error {
			err := w.store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
				list := make([]enrollment.Contact, devices)
				for i := range list {
					list[i] = enrollment.Contact{Site: site, Device: fmt.Sprint(i)}
				}
				return tx.Contacts().Put(ctx, list...)
			})
			if err != nil {
				return err
			}
			touches := func(n int) []enrollment.Touch {
				list := make([]enrollment.Touch, n)
				for i := range list {
					s := serial.next() // each is news: SQLite writes no page that stays the same
					list[i] = enrollment.Touch{Site: site, Device: fmt.Sprint(s % devices), At: time.UnixMicro(s).UTC(), Seq: s}
				}
				return list
			}
			call := func(name string, n int) way {
				return anyOrder(name, func(ctx context.Context) error {
					_, err := w.store.Touch(ctx, touches(n))
					return err
				})
			}
			scores, err := duel(ctx, b.pace, w.meter(ctx), 1, call("one each", 1), call("1000 a call", batch))
			if err != nil {
				return err
			}
			ratio := scores[1].rate * batch / scores[0].rate
			rows = append(rows,
				[]string{system, "one each", fmt.Sprintf("%.0f", scores[0].rate), "1.00", fmt.Sprintf("%.1f", scores[0].allocs)},
				[]string{system, "1000 a call", fmt.Sprintf("%.0f", scores[1].rate*batch), times(ratio), fmt.Sprintf("%.1f", scores[1].allocs/batch)})
			b.judge(7, "Touch of 1000, "+system, ">= 6 x one transaction each", times(ratio), ratio >= 6)
			return nil
		})
		if err != nil {
			return err
		}
	}
	b.table("signs of life, one client", []string{"database", "calls", "signs per second", "ratio", "allocs per sign"}, rows)
	return nil
}
