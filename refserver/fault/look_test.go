//go:build fault

package fault

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/fault/sink"
)

// look compares the database with what everybody knows.
func (w *world) look() *snapshot {
	w.t.Helper()
	for _, n := range w.nodes {
		if !n.alive() {
			w.place.settled(w.t, n.n)
		}
	}
	// Mails that are there now have rows that are there when looked at later.
	var mails []sink.Mail
	if w.sink != nil {
		mails = w.sink.Mails()
	}
	store, done := w.place.open(w.t, w.anyAlive())
	defer done()
	s, err := readSnapshot(w.t.Context(), store, false)
	require.NoError(w.t, err)
	skew := time.Duration(0)
	if w.jumpy {
		skew = 48 * time.Hour
	}
	report, err := verify.Check(w.t.Context(), store, verify.Options{Keyring: w.ring, Now: time.Now(), Skew: skew})
	require.NoError(w.t, err)
	for _, v := range report.Violations {
		w.history.fault("%s", v)
	}
	if !w.strangers {
		compare(w.history, w.crew.offices, w.crew.hands, s)
	}
	w.compareMails(s, mails)
	w.row.looked(w, s, mails)
	w.tell()
	return s
}

// compareMails says where the mail server's log differs from the outbox.
func (w *world) compareMails(s *snapshot, mails []sink.Mail) {
	for id, n := range s.leased {
		if f := (flight{id, n}); !w.flying[f] {
			w.flying[f] = true
			w.kills[id]++
		}
	}
	if !w.moody {
		for id, n := range s.attempts {
			if n > 1+w.kills[id] {
				w.history.fault("message %s was tried %d times, and was under way at %d crashes", id, n, w.kills[id])
			}
		}
	}
	if w.sink == nil {
		return
	}
	taken := map[string]int{}
	for _, m := range mails {
		id, _, _ := strings.Cut(m.ID, "@")
		taken[id]++
	}
	for id, n := range taken {
		m, ok := s.messages[id]
		switch {
		case !ok:
			w.history.fault("mail %s of no message", id)
		case n > m.attempt:
			w.history.fault("mail %s came %d times in %d attempts", id, n, m.attempt)
		case m.status == "superseded" && m.attempt == 1:
			w.history.fault("mail %s came, and its message was never sent", id)
		}
	}
	for id, m := range s.messages {
		// One that was finished since the log was read has yet to be looked for.
		if m.status == "done" && strings.HasPrefix(m.kind, "mail.") && !m.spread && taken[id] == 0 && !w.arrived(id) {
			w.history.fault("message %s (%s) is delivered, and never came", id, m.kind)
		}
	}
}

// arrived reports whether a mail has come by now.
func (w *world) arrived(id string) bool {
	return slices.ContainsFunc(w.sink.Mails(), func(m sink.Mail) bool { return strings.HasPrefix(m.ID, id+"@") })
}

// tell fails the test with what is wrong, and ends it.
func (w *world) tell() {
	w.t.Helper()
	if len(w.history.wrong) == 0 {
		return
	}
	w.row.wrong += len(w.history.wrong)
	for _, wrong := range w.history.wrong[:min(len(w.history.wrong), 20)] {
		w.t.Error(wrong)
	}
	w.t.FailNow()
}

// drain repeats what has no answer yet, waits until all mail is delivered and
// the journal numbered, stops the nodes in good order, and looks a last time.
// Leases of the dead are given up by moving the clocks.
func (w *world) drain() *snapshot {
	w.t.Helper()
	w.history.cycle++
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*perCycle)
	defer cancel()
	w.newPINs()
	w.stop.Store(false)
	for _, hand := range w.crew.hands {
		if hand.pending != nil {
			hand.work(1)
		}
		hand.http.CloseIdleConnections()
	}
	for _, n := range w.nodes {
		n.kill()
	}
	w.look()
	ahead := w.ahead + 10*time.Minute
	for _, n := range w.nodes {
		w.setClock(n, ahead) // of every lease and every back-off
		w.start(n)
	}
	for {
		store, done := w.place.open(w.t, true)
		s, err := readSnapshot(ctx, store, false)
		done()
		require.NoError(w.t, err, "the outbox is not drained")
		if s.waiting == 0 && s.unnumbered == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, n := range w.nodes {
		require.NoError(w.t, n.stop(), "a node that is asked to stop stops without an error")
	}
	s := w.look()
	require.Zero(w.t, s.waiting)
	w.row.done(w, s)
	w.t.Log(w.row)
	return s
}
