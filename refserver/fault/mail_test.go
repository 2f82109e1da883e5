//go:build fault

package fault

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/fault/sink"
)

// F11: while the mail server is down for an hour, busy, stuck or loses its
// answers, requests are answered as ever; when it is back, all mail is delivered
// within ten minutes, none is given up, and one comes twice only where the
// server's answer was lost.
func TestMailThatCannotBeDeliveredIsDeliveredLater(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, options{fault: "F11 mail server in trouble, " + kind, kind: kind, moody: true, jumpy: true})
			n := w.nodes[0]
			var off time.Duration
			pass := func(d time.Duration) { // of the node's time, in small steps
				const steps = 30
				for range steps {
					off += d / steps
					w.setClock(n, off)
					time.Sleep(15 * time.Millisecond)
				}
				// What was taken from the outbox while time flew is nobody's by now,
				// and may be taken again though it is under way.
				then := w.outbox().leased
				eventually(t, "what was under way ends", func() bool {
					for id, attempt := range w.outbox().leased {
						if then[id] == attempt {
							return false
						}
					}
					return true
				})
			}
			takes := func() { w.sink.Set(sink.Takes) }
			for cycle, trouble := range []struct {
				begin func()
				last  func()
				end   func()
			}{
				{w.sink.Down, func() { pass(time.Hour) }, func() { require.NoError(t, w.sink.Up()) }},
				{func() { w.sink.Set(sink.Busy) }, func() { pass(time.Hour) }, takes},
				{func() { w.sink.Set(sink.Stuck) }, func() { time.Sleep(time.Second) }, takes},
				{func() { w.sink.Set(sink.Loses) }, func() { time.Sleep(500 * time.Millisecond) }, takes},
			} {
				trouble.begin() // before anybody works: what is taken while time flies would seem to take minutes
				w.round(cycle+1, func() {
					trouble.last()
					trouble.end()
				})
				require.Zero(t, w.history.count[unknown], "no request waits for mail")
				began := off
				eventually(t, "all mail is delivered", func() bool {
					s := w.outbox()
					if len(s.leased) == 0 { // or what is under way would seem to take minutes
						off += 10 * time.Second
						w.setClock(n, off)
					}
					return s.waiting == 0
				})
				w.row.note("drained after %v of the node's time", off-began)
				require.LessOrEqual(t, off-began, 10*time.Minute)
			}
			s := w.look()
			dead := 0
			for _, m := range s.messages {
				if m.status == "dead" {
					dead++
				}
			}
			require.Zero(t, dead, "an outage is no reason to give up")
			told := map[string]int{}
			for _, m := range w.sink.Mails() {
				require.LessOrEqual(t, told[m.ID], 0, "mail %s came again after it was acknowledged", m.ID)
				if m.Told {
					told[m.ID]++
				}
			}
			w.drain()
		})
	}
}

// F11: an address that is refused for good is given up, and nothing else.
func TestARefusedAddressIsGivenUpAndSaid(t *testing.T) {
	w := newWorld(t, options{fault: "F11 refused address", kind: onSQLite, moody: true})
	boss := &hand{base: w.nodes[0].base(), http: client(), office: w.crew.offices[0]}
	w.sink.Set(sink.Refuses)
	a, err := boss.send(boss.admin("POST", "/invitations", object{"users": []object{{"user_id": "nobody.office-0"}}, "deliver": "send"}))
	require.NoError(t, err)
	require.Equal(t, 201, a.status, "%s", a.body)
	var invited struct{ Results []result }
	require.NoError(t, a.decode(&invited))
	eventually(t, "it is given up", func() bool {
		a, err := boss.send(boss.admin("GET", "/invitations/"+invited.Results[0].Invitation, nil))
		require.NoError(t, err)
		return strings.Contains(string(a.body), `"delivery":"failed"`)
	})
	w.sink.Set(sink.Takes)
	s := w.look()
	for _, m := range s.messages {
		require.Equal(t, "dead", m.status)
		require.Equal(t, 1, m.attempt)
	}
	require.Len(t, s.messages, 1)
	w.row.done(w, s)
}

// outbox is what is there at this moment, while nodes work.
func (w *world) outbox() *snapshot {
	w.t.Helper()
	store, done := w.place.open(w.t, true)
	defer done()
	s, err := readSnapshot(w.t.Context(), store, false)
	require.NoError(w.t, err)
	return s
}
