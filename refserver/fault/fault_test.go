//go:build fault

package fault

import (
	"context"
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

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/internal/database"
	ownverify "example.com/enrollkit/refserver/internal/verify"
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

// count is how often a fault is done: what the environment says, or the quick
// profile's number.
func count(t *testing.T, name string, quick int) int {
	t.Helper()
	return int(fromEnv(t, 0, name, uint64(quick)))
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

// F1: the reference server that is killed at any moment loses nothing that it
// acknowledged, does nothing by half, and does what is repeated once.
func TestKilledServerKeepsItsWord(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { killServer(t, kind) })
	}
}

func killServer(t *testing.T, kind string) {
	cycles := int(fromEnv(t, uint64(max(0, *cyclesFlag)), "FAULT_CYCLES", 10))
	seed := fromEnv(t, *seedFlag, "FAULT_SEED", rand.Uint64N(1<<32))
	t.Logf("FAULT_SEED=%d FAULT_CYCLES=%d", seed, cycles)
	rng := rand.New(rand.NewPCG(seed, 1<<32))

	binary, dir, address := build(t), keep(t), freePort(t)
	place := newPlace(t, options{kind: kind}, dir, seed)
	dsn := place.forNode(0)
	base := "http://" + address
	journal, err := os.Create(filepath.Join(dir, "history.jsonl"))
	require.NoError(t, err)
	defer func() { _ = journal.Close() }()

	c := hireOver(t, binary, dir, address, dsn, seed, newHistory(journal))
	row := rowOf("F1 SIGKILL of refserver, " + kind)
	flying := map[flight]bool{} // deliveries that were under way at some kill
	kills := map[string]int{}   // how often a message was
	look := func() *snapshot {
		t.Helper()
		place.settled(t, 0)
		store, done := place.open(t, false)
		defer done()
		ring := readKeyring(t, filepath.Join(dir, "fault.keyring"))
		report, err := verify.Check(t.Context(), store, verify.Options{Keyring: ring, Now: time.Now()})
		require.NoError(t, err)
		found := report.Violations
		if kind == onSQLite {
			db, err := openCopy(place.path, dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			found, err = Check(t.Context(), db, ring) // and the server's own tables
			require.NoError(t, err)
		} else {
			db, err := database.Open(t.Context(), place.dsn.String(), database.Options{AllowUnsafe: true})
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			own, err := ownverify.Check(t.Context(), db, time.Now())
			require.NoError(t, err)
			found = append(found, own...)
		}
		for _, v := range found {
			c.history.fault("%s", v)
		}
		s, err := readSnapshot(t.Context(), store, true)
		require.NoError(t, err)
		compare(c.history, c.offices, c.hands, s)
		for id, n := range s.leased {
			if !flying[flight{id, n}] {
				flying[flight{id, n}] = true
				kills[id]++
			}
		}
		for id, n := range s.attempts {
			if under := kills[id]; n > 1+under {
				c.history.fault("message %s was tried %d times, and was under way at %d kills", id, n, under)
			}
		}
		row.cycles++
		return s
	}

	killed := time.Time{}
	for cycle := range cycles {
		c.history.cycle = cycle + 1
		ctx, cancel := context.WithTimeout(t.Context(), perCycle)
		if rng.IntN(4) == 0 { // also while it starts
			p := launch(t, binary, dir, address, dsn)
			time.Sleep(between(rng, 0, 120*time.Millisecond))
			p.kill()
		}
		p := launch(t, binary, dir, address, dsn)
		require.NoError(t, p.ready(ctx, base))
		if !killed.IsZero() {
			row.recovered(time.Since(killed))
		}
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
			row.wrong += len(c.history.wrong)
			return
		}
		killed = time.Now() // the look is no part of coming back
	}

	c.history.cycle = cycles + 1
	s := last(t, c, binary, dir, address, dsn, place, look)
	c.tell(t)
	h := c.history
	row.acked, row.unknown, row.happened, row.events = h.count[acknowledged], h.count[unknown], h.found, s.journal
	t.Log(row)
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
func hireOver(t *testing.T, binary, dir, address, database string, seed uint64, h *history) *crew {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), perCycle)
	defer cancel()
	p := launch(t, binary, dir, address, database)
	require.NoError(t, p.ready(ctx, "http://"+address))
	c := hire(t, "http://"+address, seed, h)
	require.NoError(t, p.stop())
	return c
}

// last repeats what has no answer yet, lets the leases of the dead run out,
// waits until every mail is delivered, and stops the server in good order.
func last(t *testing.T, c *crew, binary, dir, address, database string, place *place, look func() *snapshot) *snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*perCycle)
	defer cancel()
	store, done := place.openToWrite(t)
	// As if the time of a lease had passed.
	err := store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		q, _ := sqlstore.Conn(tx)
		_, err := q.Exec(ctx, store.Render(`UPDATE @messages SET lease_until = 1 WHERE lease_until <> 0`))
		return err
	})
	require.NoError(t, err)
	done()

	p := launch(t, binary, dir, address, database)
	require.NoError(t, p.ready(ctx, "http://"+address))
	c.newPINs(t)
	for _, hand := range c.hands {
		if hand.pending != nil {
			hand.work(1)
		}
	}
	var s *snapshot
	for {
		store, done := place.open(t, true)
		s, err = readSnapshot(ctx, store, true)
		done()
		require.NoError(t, err, "the outbox is not drained")
		if s.waiting == 0 && s.unnumbered == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, o := range c.offices {
		require.NoError(t, follow("http://"+address, o, s.siteEvents[o.id]))
	}
	for _, hand := range c.hands {
		hand.http.CloseIdleConnections()
	}
	require.NoError(t, p.stop(), "a server that is asked to stop stops without an error")
	s = look()
	require.Zero(t, s.waiting)
	return s
}

// follow reads a site's events as an embedder does, page by page, and finds
// every one of them once, each subject's in its order.
func follow(base string, o *office, stored int) error {
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
	if stored != total {
		return fmt.Errorf("the API tells %d events of %d", total, stored)
	}
	return nil
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
		database := "sqlite:" + filepath.Join(dir, "fault.db")
		p := launch(t, binary, dir, address, database)
		time.Sleep(between(rng, 5*time.Millisecond, 120*time.Millisecond))
		p.kill()
		p = launch(t, binary, dir, address, database)
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
