//go:build fault

package fault

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/fault/sink"
)

// F6: of three nodes on one PostgreSQL, one after the other is killed or stops
// for a while, and the clock runs on so that what it held is taken over.
func TestNodesThatDieOrFreezeKeepTheirWord(t *testing.T) {
	w := newWorld(t, options{fault: "F6 three nodes, SIGKILL and SIGSTOP", kind: onPostgreSQL, nodes: 3, jumpy: true, moody: true})
	var off time.Duration
	for cycle := range count(t, "FAULT_F6", 10) {
		n := w.nodes[cycle%len(w.nodes)]
		kill := w.rng.IntN(2) == 0
		killed := time.Time{}
		w.round(cycle+1, func() {
			time.Sleep(between(w.rng, 50*time.Millisecond, 400*time.Millisecond))
			if kill {
				n.kill()
				killed = time.Now()
				time.Sleep(between(w.rng, 50*time.Millisecond, 400*time.Millisecond))
				return
			}
			require.NoError(t, n.pause())
			off += 3 * time.Minute // longer than a lease
			for _, other := range w.nodes {
				if other != n {
					w.setClock(other, off)
				}
			}
			time.Sleep(between(w.rng, 300*time.Millisecond, 1500*time.Millisecond))
			require.NoError(t, n.resume())
			w.setClock(n, off)
		})
		if kill {
			w.again(n, killed)
		}
		w.elsewhere()
	}
	w.drain()
}

// F6: a mail that a node claimed before it froze is taken over by another one,
// and what the first has to say of it when it wakes up is not heard.
func TestAMailOfAFrozenNodeIsTakenOverAndItsLateWordRefused(t *testing.T) {
	w := newWorld(t, options{fault: "F6 fencing", kind: onPostgreSQL, nodes: 2, jumpy: true, moody: true})
	first, second := w.nodes[0], w.nodes[1]
	second.kill()
	boss := &hand{base: first.base(), http: client(), office: w.crew.offices[0]}

	w.sink.Set(sink.Stuck)
	a, err := boss.send(boss.admin("POST", "/invitations", object{"users": []object{{"user_id": "frozen.office-0"}}, "deliver": "send"}))
	require.NoError(t, err)
	require.Equal(t, 201, a.status, "%s", a.body)
	eventually(t, "the first node begins to deliver", func() bool { return w.sink.Asked() > 0 })
	require.NoError(t, first.pause())
	w.sink.Set(sink.Takes) // cuts the connection, of which the first one knows nothing yet
	w.setClock(second, 3*time.Minute)
	w.start(second)
	eventually(t, "the second node delivers", func() bool { return len(w.sink.Mails()) == 1 })
	require.NoError(t, first.resume())
	log := filepath.Join(w.dir, "node-0.log")
	eventually(t, "the first node is told that the mail is not its own", func() bool {
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		return strings.Contains(string(text), "message was taken over")
	})

	eventually(t, "the second node notes that", func() bool { return w.outbox().waiting == 0 })

	s := w.look()
	mails := 0
	for _, m := range s.messages {
		if strings.HasPrefix(m.kind, "mail.invitation") {
			mails++
			require.Equal(t, "done", m.status)
			require.Equal(t, 2, m.attempt)
		}
	}
	require.Equal(t, 1, mails)
	require.Len(t, w.sink.Mails(), 1)
	w.row.done(w, s)
}

// eventually waits for something that happens by itself.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), perCycle)
	defer cancel()
	for !happened() {
		require.NoError(t, ctx.Err(), what)
		time.Sleep(10 * time.Millisecond)
	}
}
