//go:build fault

package fault

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// inject makes PostgreSQL give up on a unit by chance, as it does where units
// get in each other's way.
const inject = `
	CREATE FUNCTION fault_inject() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF random() < 0.04 THEN
			RAISE EXCEPTION 'injected' USING ERRCODE = CASE WHEN random() < 0.5 THEN '40001' ELSE '40P01' END;
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER fault_inject BEFORE INSERT ON enroll_events FOR EACH ROW EXECUTE FUNCTION fault_inject();`

// F7: units that PostgreSQL gives up on, by itself, by an injected error or with
// their connection, are done once.
func TestUnitsThatPostgreSQLGivesUpOnAreDoneOnce(t *testing.T) {
	w := newWorld(t, options{fault: "F7 deadlocks, 40001, terminated", kind: onPostgreSQL, nodes: 2, cluster: []string{"deadlock_timeout=20ms"}, moody: true})
	w.place.run(t, inject)
	ended := 0
	for cycle := range count(t, "FAULT_F7", 6) {
		w.round(cycle+1, func() {
			ctx, cancel := context.WithTimeout(t.Context(), between(w.rng, 600*time.Millisecond, 1200*time.Millisecond))
			defer cancel()
			var opponents sync.WaitGroup
			for n := range 2 {
				opponents.Go(func() { w.oppose(ctx, n) })
			}
			if cycle%2 == 1 {
				for ctx.Err() == nil {
					time.Sleep(150 * time.Millisecond)
					ended += w.terminate(ctx)
				}
			}
			opponents.Wait()
		})
	}
	var deadlocks, rollbacks int
	conn, err := pgx.Connect(t.Context(), w.place.dsn.String())
	require.NoError(t, err)
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT deadlocks, xact_rollback FROM pg_stat_database WHERE datname = current_database()`).Scan(&deadlocks, &rollbacks))
	require.NoError(t, conn.Close(t.Context()))
	w.row.note("%d deadlocks, %d rollbacks, %d sessions terminated", deadlocks, rollbacks, ended)
	w.place.run(t, `DROP TRIGGER fault_inject ON enroll_events`)
	w.drain()
}

// oppose takes the locks of users in the order contrary to the nodes' own.
func (w *world) oppose(ctx context.Context, n int) {
	conn, err := pgx.Connect(ctx, w.place.dsn.String())
	if err != nil {
		return // the time is over
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		// It loses most of the deadlocks that it makes, which is no fault.
		_, _ = conn.Exec(ctx, `DO $$ DECLARE u record; BEGIN
			FOR u IN SELECT site, id FROM enroll_users WHERE site IN ('office-0', 'office-1') ORDER BY site DESC, id DESC LOOP
				PERFORM 1 FROM enroll_users WHERE site = u.site AND id = u.id FOR UPDATE;
				PERFORM pg_sleep(0.002);
			END LOOP;
		END $$`)
		time.Sleep(time.Duration(5+n) * time.Millisecond)
	}
}

// terminate ends one session of a node, whatever it does.
func (w *world) terminate(ctx context.Context) (ended int) {
	conn, err := pgx.Connect(ctx, w.place.dsn.String())
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (
		SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'fault-node%' AND state <> 'idle' ORDER BY random() LIMIT 1) one`).Scan(&ended)
	if err != nil {
		return 0
	}
	return ended
}
