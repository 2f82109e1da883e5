package canary

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mayChange are tables that a look may leave a trace in: an observation, beside
// the state; and the one in which a server says from time to time that it lives.
var mayChange = map[string]bool{"enroll_sightings": true, "ref_nodes": true}

// sums are a checksum of every table. The sweeper folds deltas into counts
// whenever it likes, so these two are one.
func sums(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	list := map[string]string{}
	add := func(name, query string) {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		defer func() { _ = rows.Close() }()
		columns, err := rows.Columns()
		require.NoError(t, err)
		hash := sha256.New()
		for rows.Next() {
			values, targets := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				targets[i] = &values[i]
			}
			require.NoError(t, rows.Scan(targets...))
			_, _ = fmt.Fprintf(hash, "%#v\n", values) // to memory
		}
		require.NoError(t, rows.Err())
		list[name] = fmt.Sprintf("%x", hash.Sum(nil))
	}
	for _, table := range tableNames(t, db) {
		if mayChange[table] || table == "enroll_counters" || table == "enroll_slot_counts" || table == "enroll_slot_deltas" || table == "sqlite_sequence" {
			continue
		}
		add(table, `SELECT * FROM "`+table+`" ORDER BY 1`)
	}
	add("counts", `SELECT site, state, sum(n) FROM (SELECT site, state, n FROM enroll_slot_counts
		UNION ALL SELECT site, state, n FROM enroll_slot_deltas) GROUP BY site, state HAVING sum(n) <> 0 ORDER BY 1, 2`)
	return list
}

// counters are those that stand, by key. The sweeper forgets what is over whenever
// it likes, so one that is missing later is none that a look has changed.
func counters(t *testing.T, db *sql.DB) map[string][3]int64 {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT key, n, start_at, last_at FROM enroll_counters`)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	list := map[string][3]int64{}
	for rows.Next() {
		var key string
		var c [3]int64
		require.NoError(t, rows.Scan(&key, &c[0], &c[1], &c[2]))
		list[key] = c
	}
	require.NoError(t, rows.Err())
	return list
}

// Mail scanners, prefetching browsers and curious people may fetch whatever they
// like.
func TestGETAndHEADChangeNothing(t *testing.T) {
	w := start(t)
	w.live(true)
	db, err := sql.Open("sqlite", "file:"+w.database()+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.Eventually(t, func() bool { // nothing goes on by itself any more
		var left int
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM enroll_messages WHERE status = 'waiting')
			+ (SELECT count(*) FROM enroll_events WHERE site_seq = 0)`).Scan(&left))
		return left == 0
	}, 20*time.Second, 20*time.Millisecond)
	before, counted := sums(t, db), counters(t, db)
	require.Greater(t, len(before), 20)
	require.NotEmpty(t, counted)

	agents := map[string]http.Header{
		"a person":     {"User-Agent": {"Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"}, "Accept": {"text/html"}},
		"a desktop":    {"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"}, "Accept": {"text/html"}},
		"a scanner":    {"User-Agent": {"Mozilla/5.0 (compatible; Safelinks; +https://example.com/bot)"}},
		"a prefetcher": {"Sec-Purpose": {"prefetch;prerender"}, "Purpose": {"prefetch"}, "Accept": {"*/*"}},
		"a program":    {"Accept": {"application/json"}},
		// Some frameworks let a GET be something else.
		"a trick": {"X-Http-Method-Override": {"POST"}, "X-Method-Override": {"DELETE"}, "X-Http-Method": {"DELETE"}},
	}
	asked, good := 0, 0
	for _, r := range routes(t) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			for name, agent := range agents {
				if r.method != http.MethodGet && name != "a trick" && name != "a scanner" {
					continue // what is no GET is refused, whoever asks
				}
				q := w.valid(r)
				q.method, q.header = method, q.header.Clone()
				if q.body = ""; name == "a trick" {
					q.path += "?_method=POST&form_token=" + w.formToken + "&ownership=personal&platform=android"
					q.body = w.valid(r).body
				}
				for k, v := range agent {
					q.header[k] = v
				}
				got := w.send(q)
				asked++
				// Nobody has a grant here: where it leads is its platform's to test.
				if r.method == http.MethodGet && method == http.MethodGet && !strings.Contains(r.path, "{grant}") {
					// That documents and routers agree is tested where they are.
					if got.status == http.StatusNotFound && bytes.Contains(got.body, []byte("There is nothing here.")) {
						t.Logf("%s is documented and not there", r)
						continue
					}
					assert.Less(t, got.status, 400, "%s for %s: %s", r, name, got.body)
					good++
				}
				if method == http.MethodHead {
					assert.Empty(t, got.body, "%s", r)
				}
			}
		}
	}
	require.Greater(t, good, 100)
	after := sums(t, db)
	for table, sum := range before {
		assert.Equal(t, sum, after[table], "table %s changed", table)
	}
	assert.Len(t, after, len(before))
	for key, was := range counters(t, db) {
		assert.Equal(t, counted[key], was, "counter %s changed", key)
	}
	// The fetches were seen all the same.
	got := w.api(adminToken, "GET", "/api/v1/invitations/{id}", "/api/v1/invitations/"+w.ids.invitation, "", 200)
	assert.True(t, bytes.Contains(got.body, []byte(`"fetched"`)), "%s", got.body)
	assert.NotContains(t, strings.Split(string(got.body), `"sightings"`)[0], `"accepted_at":"`)
	t.Logf("%d requests, %d of them GETs that answer", asked, good)
}
