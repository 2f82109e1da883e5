package database_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

// PgBouncer in transaction mode gives a connection to the next client with what
// the last one listened to.
func TestBehindAPoolerNoConnectionListens(t *testing.T) {
	dsn := pgtest.DSN(t)
	db := databasetest.Open(t, dsn+"&default_query_exec_mode=exec")
	go func() { _ = db.Signals.Run(t.Context()) }()
	changed, leave := db.Signals.Watch(database.Sites)
	defer leave()
	db.Signals.Changed(database.Sites)
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatal("this node was not told")
	}
	var listening int
	require.NoError(t, db.Row(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE query LIKE ? AND datname = current_database()`, []any{"LISTEN%"}, &listening))
	require.Zero(t, listening)
}
