//go:build fault

package fault

import (
	"database/sql"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// F8: while another process holds SQLite's write lock, writes wait and then
// succeed; if it holds it for too long, they are answered 503 and are not done.
func TestABusySQLiteIsWaitedForAndThenRefusedWithoutLoss(t *testing.T) {
	w := newWorld(t, options{fault: "F8 SQLite busy", kind: onSQLite})
	w.history.lossy = true
	for cycle := range count(t, "FAULT_F8", 1) {
		before := w.history.count[unknown]
		w.round(2*cycle+1, func() {
			time.Sleep(100 * time.Millisecond)
			w.lock(func() { time.Sleep(3 * time.Second) })
			time.Sleep(300 * time.Millisecond)
		})
		require.Equal(t, before, w.history.count[unknown], "a lock of 3 s is waited for")
		w.round(2*cycle+2, func() {
			time.Sleep(100 * time.Millisecond)
			w.lock(func() { eventually(t, "a lock that stays is not waited for", w.allStopped) })
			released := time.Now()
			w.ready()
			w.row.recovered(time.Since(released))
		})
		require.NotZero(t, w.history.unavailable, "what is not waited for is answered 503")
	}
	w.drain()
}

// lock holds the write lock while something happens. This is another process than
// the node.
func (w *world) lock(while func()) {
	w.t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: w.place.path, RawQuery: "_pragma=busy_timeout(5000)&_txlock=immediate"}).String())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, db.Close()) }()
	tx, err := db.Begin()
	require.NoError(w.t, err)
	while()
	require.NoError(w.t, tx.Rollback())
}
