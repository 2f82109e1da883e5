package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

const (
	checkIns = 444     // a second: 400,000 devices every 15 minutes
	devices  = 400_000 // in the table
)

// runFleet lets devices check in at a steady pace and reads what it cost from
// PostgreSQL's own views and from /proc. The devices take turns, so in a short
// run each checks in at most once.
func (b *bench) runFleet(ctx context.Context) error {
	if !slices.Contains(b.systems, "postgresql") || os.Getenv(envServer) != "" {
		fmt.Fprintln(b.out, "\nleft out: it needs a PostgreSQL of its own")
		return nil
	}
	return b.on(ctx, "postgresql", func(w *world) error {
		if err := w.manyContacts(ctx); err != nil {
			return err
		}
		before, err := w.readings(ctx)
		if err != nil {
			return err
		}
		took, err := w.steady(ctx, b.fleet)
		if err != nil {
			return err
		}
		after, err := w.readings(ctx)
		if err != nil {
			return err
		}
		n := float64(len(took))
		slices.Sort(took)
		seconds := after.at.Sub(before.at).Seconds()
		cpu := (after.cpu - before.cpu).Seconds() / seconds
		bloat := float64(after.size-before.size) / float64(before.size)
		p99 := took[len(took)*99/100]
		b.table("check-ins at "+strconv.Itoa(checkIns)+" a second, "+strconv.Itoa(devices)+" devices", []string{"what", "value"}, [][]string{
			{"seconds", fmt.Sprintf("%.0f", seconds)}, {"check-ins", fmt.Sprintf("%.0f", n)},
			{"a second", fmt.Sprintf("%.0f", n/seconds)},
			{"median ms", ms(took[len(took)/2])}, {"p99 ms", ms(p99)},
			{"CPU of PostgreSQL, % of one core", fmt.Sprintf("%.1f", cpu*100)},
			{"WAL bytes per check-in", fmt.Sprintf("%.0f", float64(after.wal-before.wal)/n)},
			{"table and indexes, MB before", fmt.Sprintf("%.1f", float64(before.size)/1e6)},
			{"table and indexes, MB after", fmt.Sprintf("%.1f", float64(after.size)/1e6)},
			{"dead rows", fmt.Sprint(after.dead)}, {"updates in place (HOT), %", fmt.Sprintf("%.1f", 100*float64(after.hot-before.hot)/max(1, float64(after.updates-before.updates)))},
		})
		b.judge(12, fmt.Sprintf("444 check-ins a second for %s", b.fleet), "<= 20 % of a core, bloat <= 30 %",
			fmt.Sprintf("%.1f %%, bloat %.1f %%, %.0f WAL bytes each, p99 %s ms", cpu*100, bloat*100, float64(after.wal-before.wal)/n, ms(p99)), cpu <= 0.2 && bloat <= 0.3)
		return nil
	})
}

// fleetToken is the token of the i-th device, known without keeping it.
func (w *world) fleetToken(i int) credentials.Secret {
	return credentials.SecretString(fmt.Sprintf("%043d", i))
}

func (w *world) manyContacts(ctx context.Context) error {
	const chunk = 5000
	now := time.Now().UTC()
	for at := 0; at < devices; at += chunk {
		err := w.store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			list := make([]enrollment.Contact, chunk)
			for i := range list {
				list[i] = enrollment.Contact{
					Site: site, Device: fmt.Sprintf("dev_%026d", at+i), At: now,
					Token: w.ring.MACSecret(credentials.PurposeDevice, w.fleetToken(at+i)),
				}
			}
			return tx.Contacts().Put(ctx, list...)
		})
		if err != nil {
			return err
		}
	}
	return w.exec(ctx, "VACUUM ANALYZE enroll_contacts")
}

// steady lets devices check in at the pace, whoever is late.
func (w *world) steady(ctx context.Context, length time.Duration) ([]time.Duration, error) {
	var (
		mu     sync.Mutex
		took   []time.Duration
		failed error
		wg     sync.WaitGroup
	)
	ticker := time.NewTicker(time.Second / checkIns)
	defer ticker.Stop()
	began := time.Now()
	for sent := 0; time.Since(began) < length && ctx.Err() == nil; {
		for due := int(time.Since(began).Seconds() * checkIns); sent < due; sent++ {
			i := sent * 7919 % devices
			wg.Go(func() {
				start := time.Now()
				err := w.svc.CheckIn(ctx, w.fleetToken(i), 0)
				d := time.Since(start)
				mu.Lock()
				defer mu.Unlock()
				took = append(took, d)
				if err != nil {
					failed = err
				}
			})
		}
		<-ticker.C
	}
	wg.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return took, failed
}

// readings are what the server says of itself.
type readings struct {
	at                            time.Time
	wal, size, dead, hot, updates int64
	cpu                           time.Duration
}

func (w *world) readings(ctx context.Context) (r readings, err error) {
	r.at = time.Now()
	if err := w.exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil { // PostgreSQL 15 and later
		return r, err
	}
	err = w.pool.QueryRow(ctx, `SELECT (pg_current_wal_lsn() - '0/0')::bigint, pg_total_relation_size('enroll_contacts'),
		n_dead_tup, n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'enroll_contacts'`).
		Scan(&r.wal, &r.size, &r.dead, &r.hot, &r.updates)
	if err != nil {
		return r, err
	}
	r.cpu = w.meter(ctx).readServer()
	return r, nil
}
