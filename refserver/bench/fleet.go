package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
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
			{"contacts and slots with indexes, MB before", fmt.Sprintf("%.1f", float64(before.size)/1e6)},
			{"contacts and slots with indexes, MB after", fmt.Sprintf("%.1f", float64(after.size)/1e6)},
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

// manyContacts makes the fleet. Each device was last seen a quarter of an hour
// ago, so that its check-in brings the list along as well, as it does in life.
func (w *world) manyContacts(ctx context.Context) error {
	const chunk = 5000
	seen := time.Now().UTC().Add(-15 * time.Minute)
	for at := 0; at < devices; at += chunk {
		err := w.store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			list, slots := make([]enrollment.Contact, chunk), make([]enrollment.Slot, chunk)
			for i := range list {
				id := fmt.Sprintf("dev_%026d", at+i)
				list[i] = enrollment.Contact{
					Site: site, Device: id, At: seen,
					Token: w.ring.MACSecret(credentials.PurposeDevice, w.fleetToken(at+i)),
				}
				slots[i] = enrollment.Slot{
					Site: site, ID: id, Kind: enrollment.SlotDevice, State: string(device.Active), Platform: device.Android,
					User: "u_" + id, UserName: "Anna Novak", Email: "anna" + strconv.Itoa(at+i) + "@example.com",
					LastConnection: seen, CreatedAt: seen,
				}
			}
			return errors.Join(tx.Contacts().Put(ctx, list...), tx.Slots().Put(ctx, slots...))
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(w.exec(ctx, "VACUUM ANALYZE enroll_contacts"), w.exec(ctx, "VACUUM ANALYZE enroll_slots"))
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
	err = w.pool.QueryRow(ctx, `SELECT (pg_current_wal_lsn() - '0/0')::bigint, sum(pg_total_relation_size(relid))::bigint,
		sum(n_dead_tup)::bigint, sum(n_tup_hot_upd)::bigint, sum(n_tup_upd)::bigint
		FROM pg_stat_user_tables WHERE relname IN ('enroll_contacts', 'enroll_slots')`).
		Scan(&r.wal, &r.size, &r.dead, &r.hot, &r.updates)
	if err != nil {
		return r, err
	}
	r.cpu = w.meter(ctx).readServer()
	return r, nil
}
