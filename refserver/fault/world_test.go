//go:build fault

package fault

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/fault/sink"
)

// options say what a world is made of.
type options struct {
	fault   string   // the name of its row of figures
	kind    string   // sqlite or postgresql
	nodes   int      // 0: one
	cluster []string // a PostgreSQL server of its own, with these settings
	own     bool     // a PostgreSQL server of its own
	proxied bool     // the nodes reach PostgreSQL through a proxy
	noMail  bool     // no mail server
	moody   bool     // mails take more tries than crashes explain: the mail server or the database refuses some
	jumpy   bool     // clocks jump
	disk    string   // where the database is; empty: where there is room
}

// world is one database with its nodes, and everybody who works on them.
type world struct {
	options
	t       *testing.T
	dir     string
	seed    uint64
	rng     *mathrand.Rand
	ring    *credentials.Keyring
	place   *place
	sink    *sink.Sink // nil with noMail
	nodes   []*node
	history *history
	crew    *crew
	row     *figures
	flying  map[flight]bool // deliveries that were under way at some look
	kills   map[string]int  // at how many looks a message was
	stop    atomic.Bool     // whether the hands have to

	working   atomic.Int64  // hands that have not stopped
	fragile   bool          // the shared PINs get no new budgets now
	strangers bool          // what the hands know is worth nothing
	ahead     time.Duration // the farthest that a clock has been set
}

type flight struct {
	message string
	attempt int
}

// node is one server process, which may be dead.
type node struct {
	n       int
	binary  string
	address string // the same in every life
	env     []string
	clock   string // the file of its clock
	*process
}

// bases are the addresses of all nodes.
func (w *world) bases() (list []string) {
	for _, n := range w.nodes {
		list = append(list, n.base())
	}
	return list
}

func (n *node) base() string { return "http://" + n.address }

func (n *node) alive() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// newWorld makes the database, starts the nodes and makes what everybody shares.
func newWorld(t *testing.T, o options) *world {
	t.Helper()
	seed := fromEnv(t, *seedFlag, "FAULT_SEED", mathrand.Uint64N(1<<32))
	w := &world{
		options: o, t: t, seed: seed, dir: keep(t), rng: mathrand.New(mathrand.NewPCG(seed, 1<<32)), row: rowOf(o.fault),
		flying: map[flight]bool{}, kills: map[string]int{},
	}
	t.Logf("FAULT_SEED=%d", seed)
	w.place = newPlace(t, o, w.dir, seed)

	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	w.ring, err = credentials.NewKeyring(key)
	require.NoError(t, err)
	ringFile := filepath.Join(w.dir, "keyring")
	require.NoError(t, os.WriteFile(ringFile, w.ring.MarshalKeyring(), 0o600))
	smtp := ""
	if !o.noMail {
		w.sink, err = sink.Listen(filepath.Join(w.dir, "mails.jsonl"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, w.sink.Close()) })
		smtp = "smtp://" + w.sink.Addr()
	}
	binary := buildNode(t, os.Getenv(envMutant))
	public := ""
	for n := range max(1, o.nodes) {
		node := &node{n: n, binary: binary, address: freePort(t), clock: filepath.Join(w.dir, fmt.Sprintf("clock-%d", n))}
		if public == "" {
			public = node.base()
		}
		node.env = []string{
			"FAULT_NODE_LISTEN=" + node.address, "FAULT_NODE_PUBLIC=" + public, "FAULT_NODE_KEYRING=" + ringFile,
			"FAULT_NODE_DATABASE=" + w.place.forNode(n), "FAULT_NODE_SMTP=" + smtp,
			"FAULT_NODE_CLOCK=" + node.clock, "FAULT_NODE_TRIES=" + w.tries(),
		}
		w.nodes = append(w.nodes, node)
	}
	journal, err := os.Create(filepath.Join(w.dir, "history.jsonl"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = journal.Close() })
	w.history = newHistory(journal)
	w.history.lossy = o.proxied || o.own || len(o.cluster) > 0 || o.disk != "" // the database fails, and no node dies of it
	for _, n := range w.nodes {
		w.start(n)
	}
	w.crew = hireNodes(t, w.bases(), seed, w.history)
	for _, hand := range w.crew.hands {
		hand.enough = w.stop.Load
	}
	return w
}

// tries is the file of the tries that nodes compared.
func (w *world) tries() string { return filepath.Join(w.dir, "tries") }

// launch starts a node, with more in its environment, and does not wait.
func (w *world) launch(n *node, more ...string) {
	w.t.Helper()
	log := filepath.Join(w.dir, fmt.Sprintf("node-%d.log", n.n))
	n.process = spawn(w.t, log, append(append(os.Environ(), n.env...), more...), n.binary)
}

// start starts a node and waits until it is ready.
func (w *world) start(n *node, more ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), perCycle)
	defer cancel()
	w.launch(n, more...)
	require.NoError(w.t, n.ready(ctx, n.base()))
}

// again starts a node that was killed at a moment, and notes how long it took
// from then until it was ready.
func (w *world) again(n *node, since time.Time, more ...string) {
	w.t.Helper()
	w.start(n, more...)
	w.row.recovered(time.Since(since))
}

// readyOrDead waits until a node takes requests, or reports that it has ended.
func (w *world) readyOrDead(n *node) bool {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), perCycle)
	defer cancel()
	err := n.ready(ctx, n.base())
	require.NoError(w.t, ctx.Err())
	return err == nil
}

// ready waits until all nodes take requests.
func (w *world) ready() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), perCycle)
	defer cancel()
	for _, n := range w.nodes {
		require.NoError(w.t, n.ready(ctx, n.base()))
	}
}

// work lets all hands work until they are told to stop, or have no answer.
func (w *world) work() (wait func()) {
	w.stop.Store(false)
	var hands sync.WaitGroup
	for _, hand := range w.crew.hands {
		w.working.Add(1)
		hands.Go(func() {
			defer w.working.Add(-1)
			hand.work(0)
		})
	}
	return func() {
		w.stop.Store(true)
		hands.Wait()
		for _, hand := range w.crew.hands {
			hand.http.CloseIdleConnections()
		}
	}
}

// round lets all hands work for a while and looks at what is left.
func (w *world) round(cycle int, during func()) {
	w.t.Helper()
	w.history.cycle = cycle
	if !w.fragile {
		w.newPINs()
	}
	wait := w.work()
	during()
	wait()
	w.look()
}

// burnt reports whether a shared PIN has no budget left.
func (w *world) burnt() bool {
	return slices.ContainsFunc(w.crew.offices, func(o *office) bool { return o.base >= pinBudget })
}

// newPINs gives the shared PINs that are burnt a new budget.
func (w *world) newPINs() {
	w.t.Helper()
	w.crew.newPINs(w.t)
}

// anyAlive reports whether a node may be working.
func (w *world) anyAlive() bool { return slices.ContainsFunc(w.nodes, (*node).alive) }

// setClock sets a node's clock off by so much.
func (w *world) setClock(n *node, off time.Duration) {
	w.t.Helper()
	w.ahead = max(w.ahead, off)
	draft := n.clock + ".new"
	require.NoError(w.t, os.WriteFile(draft, []byte(off.String()), 0o600))
	require.NoError(w.t, os.Rename(draft, n.clock))
}
