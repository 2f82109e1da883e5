//go:build fault

package fault

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	cyclesFlag = flag.Int("cycles", 0, "kills (default: FAULT_CYCLES, or 20)")
	seedFlag   = flag.Uint64("seed", 0, "what the clients do and when the server is killed (default: FAULT_SEED, or random)")
)

// fromEnv is a flag's value, or the environment's, or the default.
func fromEnv(t *testing.T, given uint64, name string, fallback uint64) uint64 {
	t.Helper()
	if text := os.Getenv(name); given == 0 && text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, name)
		return n
	}
	if given != 0 {
		return given
	}
	return fallback
}

// keep makes a directory that stays if the test fails.
func keep(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "enrollkit-fault-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("history, log and database are kept in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	return dir
}

// between is a random time.
func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(rng.Int64N(int64(high-low)))
}

// perCycle bounds one cycle, for a server that hangs.
const perCycle = time.Minute

// A server that is killed at any moment loses nothing that it acknowledged, does
// nothing by half, and does what is repeated once.
func TestKilledServerKeepsItsWord(t *testing.T) {
	cycles := int(fromEnv(t, uint64(max(0, *cyclesFlag)), "FAULT_CYCLES", 20))
	seed := fromEnv(t, *seedFlag, "FAULT_SEED", rand.Uint64N(1<<32))
	t.Logf("FAULT_SEED=%d FAULT_CYCLES=%d", seed, cycles)
	rng := rand.New(rand.NewPCG(seed, 1<<32))

	binary, dir, address := build(t), keep(t), freePort(t)
	base, path := "http://"+address, filepath.Join(dir, "fault.db")
	journal, err := os.Create(filepath.Join(dir, "history.jsonl"))
	require.NoError(t, err)
	defer func() { _ = journal.Close() }()

	c := hireOver(t, binary, dir, address, seed, newHistory(journal))
	type try struct {
		message string
		n       int
	}
	flying := map[try]bool{}  // deliveries that were under way at some kill
	kills := map[string]int{} // how often a message was
	var startKills int
	var down time.Duration
	look := func() *snapshot {
		t.Helper()
		db, err := openCopy(path, dir)
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		found, err := Check(t.Context(), db, readKeyring(t, filepath.Join(dir, "fault.keyring")))
		require.NoError(t, err)
		for _, v := range found {
			c.history.fault("%s", v)
		}
		s, err := readSnapshot(t.Context(), db)
		require.NoError(t, err)
		compare(c.history, c.offices, c.hands, s)
		for id, n := range s.leased {
			if !flying[try{id, n}] {
				flying[try{id, n}] = true
				kills[id]++
			}
		}
		for id, n := range s.attempts {
			if under := kills[id]; n > 1+under {
				c.history.fault("message %s was tried %d times, and was under way at %d kills", id, n, under)
			}
		}
		return s
	}

	for cycle := range cycles {
		c.history.cycle = cycle + 1
		ctx, cancel := context.WithTimeout(t.Context(), perCycle)
		if rng.IntN(4) == 0 { // also while it starts
			p := launch(t, binary, dir, address)
			time.Sleep(between(rng, 0, 120*time.Millisecond))
			p.kill()
			startKills++
		}
		from := time.Now()
		p := launch(t, binary, dir, address)
		require.NoError(t, p.ready(ctx, base))
		down += time.Since(from)
		c.newPINs(t)

		var hands sync.WaitGroup
		for _, hand := range c.hands {
			hands.Go(func() { hand.work(0) })
		}
		time.Sleep(between(rng, 50*time.Millisecond, 800*time.Millisecond))
		select {
		case <-p.ended:
			c.history.fault("the server ended by itself: %v", p.err)
		default:
		}
		p.kill()
		hands.Wait()
		for _, hand := range c.hands {
			hand.http.CloseIdleConnections()
		}
		look()
		cancel()
		if c.tell(t); t.Failed() {
			break
		}
	}

	if !t.Failed() {
		c.history.cycle = cycles + 1
		last(t, c, binary, dir, address, look)
		c.tell(t)
	}
	h := c.history
	t.Logf("%d kills under load and %d at the start, mean start %v", h.cycle-1, startKills, (down / time.Duration(max(1, h.cycle-1))).Round(time.Millisecond))
	t.Logf("%d acknowledged, %d looked, %d unknown of which %d had happened, %d found nobody, %d were to come again, %d wrong",
		h.count[acknowledged], h.count[looked], h.count[unknown], h.found, h.count[unsent], h.count[busy], len(h.wrong))
	t.Logf("%d deliveries were under way at a kill", len(flying))
	t.Log(h.opNames())
}

// newPINs gives the shared PINs that are burnt a new budget.
func (c *crew) newPINs(t *testing.T) {
	t.Helper()
	for _, o := range c.offices {
		if o.base < pinBudget {
			continue
		}
		boss := &hand{base: c.hands[0].base, http: client(), office: o}
		a, err := boss.send(boss.admin("POST", "/invitations/"+o.target+"/new-pin", nil))
		require.NoError(t, err)
		require.Equal(t, 200, a.status, "%s", a.body)
		o.generation, o.base = o.generation+1, 0
	}
}

// hireOver makes the sites over a server that runs for that only.
func hireOver(t *testing.T, binary, dir, address string, seed uint64, h *history) *crew {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), perCycle)
	defer cancel()
	p := launch(t, binary, dir, address)
	require.NoError(t, p.ready(ctx, "http://"+address))
	c := hire(t, "http://"+address, seed, h)
	require.NoError(t, p.stop())
	return c
}

// last repeats what has no answer yet, lets the leases of the dead run out,
// waits until every mail is delivered, and stops the server in good order.
func last(t *testing.T, c *crew, binary, dir, address string, look func() *snapshot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*perCycle)
	defer cancel()
	db, err := sql.Open("sqlite", filepath.Join(dir, "fault.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	// As if the time of a lease had passed.
	_, err = db.Exec(`UPDATE enroll_messages SET lease_until = 1 WHERE lease_until <> 0`)
	require.NoError(t, err)

	p := launch(t, binary, dir, address)
	require.NoError(t, p.ready(ctx, "http://"+address))
	c.newPINs(t)
	for _, hand := range c.hands {
		if hand.pending != nil {
			hand.work(1)
		}
	}
	for left := 1; left > 0 && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		require.NoError(t, db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM enroll_messages WHERE status = 'waiting')
			+ (SELECT count(*) FROM enroll_events WHERE site_seq = 0)`).Scan(&left))
	}
	require.NoError(t, ctx.Err(), "the outbox is not drained")
	for _, o := range c.offices {
		require.NoError(t, follow(ctx, "http://"+address, o, db))
	}
	for _, hand := range c.hands {
		hand.http.CloseIdleConnections()
	}
	require.NoError(t, p.stop(), "a server that is asked to stop stops without an error")
	s := look()
	require.Zero(t, s.waiting)
}

// follow reads a site's events as an embedder does, page by page, and finds
// every one of them once, each subject's in its order.
func follow(ctx context.Context, base string, o *office, db *sql.DB) error {
	boss := &hand{base: base, http: client(), office: o}
	seen := map[string]int64{}
	total := 0
	for after := int64(0); ; {
		a, err := boss.send(boss.admin(http.MethodGet, fmt.Sprintf("/events?page_size=500&after=%d", after), nil))
		if err != nil {
			return err
		}
		var page struct {
			Events []struct {
				Seq        int64
				Subject    string
				SubjectSeq int64 `json:"subject_seq"`
			}
			After int64
		}
		if err := a.decode(&page); err != nil {
			return err
		}
		for _, e := range page.Events {
			if after++; e.Seq != after || e.SubjectSeq != seen[e.Subject]+1 {
				return fmt.Errorf("event %d of %s where %d and %d were due", e.Seq, e.Subject, after, seen[e.Subject]+1)
			}
			seen[e.Subject] = e.SubjectSeq
			total++
		}
		if len(page.Events) == 0 {
			break
		}
		after = page.After
	}
	var stored int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM enroll_events WHERE site = ?`, o.id).Scan(&stored)
	if err == nil && stored != total {
		err = fmt.Errorf("the API tells %d events of %d", total, stored)
	}
	return err
}

// A server that is killed during its very first start starts the next time.
func TestKilledFirstStartLeavesNothingHalf(t *testing.T) {
	seed := fromEnv(t, *seedFlag, "FAULT_SEED", rand.Uint64N(1<<32))
	t.Logf("FAULT_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 1<<33))
	binary, address := build(t), freePort(t)
	for range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), perCycle)
		dir := keep(t)
		p := launch(t, binary, dir, address)
		time.Sleep(between(rng, 5*time.Millisecond, 120*time.Millisecond))
		p.kill()
		p = launch(t, binary, dir, address)
		require.NoError(t, p.ready(ctx, "http://"+address))
		boss := &hand{base: "http://" + address, http: client(), office: &office{token: adminToken}}
		a, err := boss.send(boss.admin(http.MethodGet, "/site", nil))
		require.NoError(t, err)
		require.Equal(t, 200, a.status, "%s", a.body)
		boss.http.CloseIdleConnections()
		require.NoError(t, p.stop())
		cancel()
	}
}
