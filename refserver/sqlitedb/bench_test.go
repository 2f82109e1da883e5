package sqlitedb_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/sqlitedb"
)

// alone gives every unit a transaction of its own, and everything else as the
// store does.
type alone struct {
	db    *sqlitedb.DB
	store *sqlstore.Store
}

func (a alone) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	tx, err := a.db.BeginTx(ctx, nil) // IMMEDIATE, by the DSN
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := a.store.InTx(sqlstore.SQLTx(tx)).Update(ctx, fn); err != nil {
		return err
	}
	return tx.Commit()
}

type updater interface {
	Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error
}

// benchUnits are the smallest unit, which is one sign of life, and one of many
// rows, which is one invitation.
var benchUnits = map[string]func(n int64) func(context.Context, enrollment.Tx) error{
	"checkin": func(n int64) func(context.Context, enrollment.Tx) error {
		return func(ctx context.Context, tx enrollment.Tx) error {
			id := fmt.Sprintf("dev_%d", n%1000)
			return tx.Contacts().Put(ctx, enrollment.Contact{Site: "site", Device: id, Seq: n, At: now.Add(time.Duration(n))})
		}
	},
	"invite": func(n int64) func(context.Context, enrollment.Tx) error {
		return func(ctx context.Context, tx enrollment.Tx) error {
			id, user := fmt.Sprintf("inv_%010d", n), fmt.Sprintf("user_%010d", n)
			if _, err := tx.Users().Lock(ctx, enrollment.User{Site: "site", ID: user, Name: "Jan Novák", Email: "jan@example.com"}); err != nil {
				return err
			}
			i := invitation.Invitation{Site: "site", ID: id, User: user, State: invitation.Created, CreatedAt: now}
			if err := tx.Invitations().Create(ctx, i); err != nil {
				return err
			}
			m := credentials.MAC{KeyID: 1, Sum: sha256.Sum256([]byte(id))}
			if err := tx.Credentials().Put(ctx, enrollment.Credential{Site: "site", Owner: id, Kind: enrollment.KindInvitation, Index: m, Check: m, Sealed: m.Sum[:]}); err != nil {
				return err
			}
			if err := tx.Slots().Put(ctx, enrollment.Slot{Site: "site", ID: id, Kind: enrollment.SlotInvitation, State: "created", User: user, UserName: "Jan Novák", Email: "jan@example.com"}); err != nil {
				return err
			}
			return tx.Journal().Append(ctx, enrollment.Event{Site: "site", ID: "log_" + id, Subject: id, Seq: 1, Type: invitation.EventCreated, At: now})
		}
	},
}

// BenchmarkGroupCommit32 runs units of 32 callers, in groups and one
// transaction each, in turn on two databases, and reports how many times as
// many the groups make in the same time.
func BenchmarkGroupCommit32(b *testing.B)  { benchmarkGroupCommit(b, 32) }
func BenchmarkGroupCommit256(b *testing.B) { benchmarkGroupCommit(b, 256) }

func benchmarkGroupCommit(b *testing.B, clients int) {
	for _, name := range []string{"checkin", "invite"} {
		b.Run(name, func(b *testing.B) {
			grouped := openFile(b, filepath.Join(b.TempDir(), "grouped.db"))
			single := openFile(b, filepath.Join(b.TempDir(), "single.db"))
			single.SetMaxOpenConns(1) // waiting in Go is faster, and fairer, than in SQLite
			ways := []updater{
				newStore(b, sqlstore.SQL(grouped.DB)),
				alone{single, newStore(b, sqlstore.SQL(single.DB))},
			}
			var took [2]time.Duration
			var done int64
			for b.Loop() { // one round: the same number of units each way
				const units = 2000
				for i, way := range ways {
					took[i] += round(b, way, clients, units, done, benchUnits[name])
				}
				done += units
			}
			perSecond := func(i int) float64 { return float64(done) / took[i].Seconds() }
			b.ReportMetric(perSecond(0), "grouped/s")
			b.ReportMetric(perSecond(1), "single/s")
			b.ReportMetric(perSecond(0)/perSecond(1), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func round(b *testing.B, way updater, clients int, units, from int64, unit func(int64) func(context.Context, enrollment.Tx) error) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for n := next.Add(1); n <= units; n = next.Add(1) {
				if err := way.Update(context.Background(), unit(from+n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// BenchmarkTouch reports how many times as many signs of life 1,000 in one call
// make as one each.
func BenchmarkTouch(b *testing.B) {
	const devices = 10_000
	store := newStore(b, sqlstore.SQL(openFile(b, filepath.Join(b.TempDir(), "enroll.db")).DB))
	ctx := context.Background()
	must(b, store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		for i := range devices {
			if err := tx.Contacts().Put(ctx, enrollment.Contact{Site: "site", Device: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	}))
	touches := func(n, from int) []enrollment.Touch {
		list := make([]enrollment.Touch, n)
		for i := range list {
			list[i] = enrollment.Touch{Site: "site", Device: fmt.Sprint((from + i) % devices), At: now.Add(time.Duration(from+i) * time.Microsecond), Seq: int64(from + i)}
		}
		return list
	}
	var took [2]time.Duration
	from := 1
	for b.Loop() {
		start := time.Now()
		_, err := store.Touch(ctx, touches(1000, from))
		took[0] += time.Since(start)
		must(b, err)
		start = time.Now()
		for i := range 1000 {
			_, err := store.Touch(ctx, touches(1, from+1000+i)) // new ones: SQLite writes no page that stays the same
			must(b, err)
		}
		took[1] += time.Since(start)
		from += 2000
	}
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
	b.ReportMetric(float64(from/2)/took[0].Seconds(), "batched/s")
	b.ReportMetric(0, "ns/op")
}
