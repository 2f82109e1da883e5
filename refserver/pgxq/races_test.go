package pgxq_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/pgxq"
)

// What another transaction does to a row while a statement waits for it is seen
// by that statement's conditions on the row, and by nothing else of it.

// ownStore is a store in the schema "own" of a pool.
func ownStore(t *testing.T) (*pgxpool.Pool, *sqlstore.Store) {
	t.Helper()
	pool := open(t)
	_, err := pool.Exec(context.Background(), "CREATE SCHEMA own")
	require.NoError(t, err)
	return pool, inSchema(t, pgxq.New(pool), "own")
}

// meanwhile holds a statement's locks, runs what waits for them, and commits
// once it does.
func meanwhile(t *testing.T, pool *pgxpool.Pool, waits func(), statement string, args ...any) {
	t.Helper()
	ctx := context.Background()
	tx, err := pool.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, statement, args...)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		waits()
	}()
	require.Eventually(t, func() bool {
		var waiting int
		err := pool.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").Scan(&waiting)
		return err == nil && waiting == 1
	}, time.Minute, 5*time.Millisecond, "it waits")
	require.NoError(t, tx.Commit(ctx))
	<-done
}

func TestACounterThatIsRenewedWhileItIsPrunedStays(t *testing.T) {
	ctx := context.Background()
	pool, store := ownStore(t)
	now := time.Now().UTC()
	limit := credentials.Limit{Key: "k", Max: 5, Window: time.Second}
	_, err := store.Spend(ctx, now.Add(-time.Hour), []credentials.Limit{limit})
	require.NoError(t, err)
	prune := func() {
		err = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Records().Prune(ctx, now, 100)
			return err
		})
	}
	meanwhile(t, pool, prune, "UPDATE own.enroll_counters SET start_at = $1, last_at = $1, expires_at = $2 WHERE key = 'k'",
		now.UnixMicro(), now.Add(time.Second).UnixMicro())
	require.NoError(t, err)
	var left int
	require.NoError(t, pool.QueryRow(ctx, "SELECT count(*) FROM own.enroll_counters").Scan(&left))
	require.Equal(t, 1, left, "the try that was spent meanwhile")
}

func TestATokenThatIsReplacedWhileItTouchesTouchesNothing(t *testing.T) {
	ctx := context.Background()
	macs := func(text string) (list []credentials.MAC) {
		for id := range uint32(2) {
			list = append(list, credentials.MAC{KeyID: id + 1, Sum: [32]byte([]byte(fmt.Sprintf("%-32s", text)))})
		}
		return list
	}
	for name, touches := range map[string][]enrollment.Touch{
		"one key":      {{Tokens: macs("old")[:1], At: time.Now(), Seq: 900}},
		"two keys":     {{Tokens: macs("old"), At: time.Now(), Seq: 900}},
		"many devices": {{Tokens: macs("old")[:1], At: time.Now(), Seq: 900}, {Tokens: macs("other")[:1], At: time.Now(), Seq: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			pool, store := ownStore(t)
			put := func(device string, token credentials.MAC) {
				require.NoError(t, store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
					return tx.Contacts().Put(ctx, enrollment.Contact{Site: "s", Device: device, Token: token})
				}))
			}
			put("d", macs("old")[0])
			var answer []enrollment.Contact
			var err error
			meanwhile(t, pool, func() { answer, err = store.Touch(ctx, touches) },
				"UPDATE own.enroll_contacts SET token = $1 WHERE device = 'd'", macs("new")[0].Bytes())
			require.NoError(t, err)
			require.Zero(t, answer[0], "nobody has that token any more")
			var seq int64
			require.NoError(t, pool.QueryRow(ctx, "SELECT seq FROM own.enroll_contacts").Scan(&seq))
			require.Zero(t, seq)
		})
	}
}

func TestAClaimKeepsToItsLimitWhateverThePlan(t *testing.T) {
	ctx := context.Background()
	pool, store := ownStore(t)
	now := time.Now().UTC()
	put := func(from, to int) {
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			for i := from; i < to; i++ {
				m := enrollment.Message{Site: "s", ID: fmt.Sprintf("m%03d", i), Kind: enrollment.MessageHandler,
					Status: enrollment.MessageWaiting, CreatedAt: now, DueAt: now}
				if err := tx.Outbox().Put(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	put(0, 1)
	_, err := pool.Exec(ctx, "ANALYZE own.enroll_messages") // of one row: a loop looks cheap
	require.NoError(t, err)
	put(1, 50)
	var claimed []enrollment.Message
	require.NoError(t, store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) (err error) {
		claimed, err = tx.Outbox().Claim(ctx, now, time.Minute, 3)
		return err
	}))
	require.Len(t, claimed, 3)
}
