package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/pgtest"
)

// newWorld opens a world for a test, or skips it where there is no PostgreSQL.
func newWorld(t *testing.T, system string, tr *trace) *world {
	t.Helper()
	if system == "postgresql" {
		t.Setenv(envServer, pgtest.DSN(t))
	}
	wrap := tr.wrap
	if tr == nil {
		wrap = nil
	}
	w, err := open(t.Context(), system, wrap)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	return w
}

func TestMain(m *testing.M) { pgtest.Main(m) }

// A comparison is worth something only if both do the same: they leave equally
// many rows in every table.
func TestTheFloorLeavesTheRowsThatTheServiceLeaves(t *testing.T) {
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			ctx := t.Context()
			w := newWorld(t, system, nil)
			for _, v := range verbs {
				ways := []way{v.ours(w)}
				for _, f := range w.floors {
					ways = append(ways, v.floor(w, f))
				}
				var want map[string]int
				for _, one := range ways {
					do, err := one.prepare(ctx, 3)
					require.NoError(t, err, v.name)
					before := w.rows(t)
					for i := range 3 {
						require.NoError(t, do(ctx, i), "%s, %s", v.name, one.name)
					}
					got := w.rows(t)
					for table := range got {
						got[table] -= before[table]
					}
					if want == nil {
						want = got
					}
					require.Equal(t, want, got, "%s, %s", v.name, one.name)
				}
			}
		})
	}
}

// rows counts the rows of every table.
func (w *world) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range strings.Fields("users invitations credentials counters sightings devices device_refs contacts slots slot_terms events messages records") {
		var n int
		text := "SELECT count(*) FROM enroll_" + table
		if w.pool != nil {
			require.NoError(t, w.pool.QueryRow(t.Context(), text).Scan(&n))
		} else {
			require.NoError(t, w.db.QueryRowContext(t.Context(), text).Scan(&n))
		}
		counts[table] = n
	}
	return counts
}

// Round trips are what a duty costs on PostgreSQL, and unlike times they can be
// counted. The floor, statement by statement, makes 11, 17, 10, 1 and 2.
func TestADutyTakesNoMoreRoundTripsThanItDid(t *testing.T) {
	ctx := context.Background()
	tr := &trace{}
	w := newWorld(t, "postgresql", tr)
	tokens, err := w.invitations(ctx, 1)
	require.NoError(t, err)
	var out enrollment.Enrolled
	for _, duty := range []struct {
		name string
		most int
		do   func() error
	}{
		{"create invitation", 8, func() error {
			_, err := w.svc.Invite(ctx, admin, enrollment.InviteRequest{User: "jan", Send: true})
			return err
		}},
		{"enroll", 19, func() (err error) {
			out, err = w.svc.Enroll(ctx, android(tokens[0], "e1"))
			return err
		}},
		{"report", 11, func() error {
			_, err := w.svc.Report(ctx, out.Token, complete(1))
			return err
		}},
		{"report of nothing new", 5, func() error {
			_, err := w.svc.Report(ctx, out.Token, complete(2))
			return err
		}},
		{"check-in", 1, func() error { return w.svc.CheckIn(ctx, out.Token, 3) }},
		{"overview page", 4, func() error {
			_, err := w.svc.Overview(ctx, admin, enrollment.OverviewQuery{})
			return err
		}},
	} {
		tr.taken()
		require.NoError(t, duty.do())
		trips := tr.taken()
		require.LessOrEqual(t, len(trips), duty.most, "%s:\n%s", duty.name, strings.Join(trips, "\n"))
	}
}

// Many people are invited with hardly more statements than one.
func TestBulkInvitesShareTheirStatements(t *testing.T) {
	tr := &trace{}
	w := newWorld(t, "postgresql", tr)
	var r enrollment.InviteManyRequest
	for i := range enrollment.MaxInvites {
		r.Invites = append(r.Invites, enrollment.InviteRequest{User: fmt.Sprint("user", i), Send: true})
	}
	tr.taken()
	_, err := w.svc.InviteMany(t.Context(), admin, r)
	require.NoError(t, err)
	require.Less(t, len(tr.taken()), 100)
}

// slow is set under the race detector, with which all parts take minutes.
var slow bool

func TestEveryPartRuns(t *testing.T) {
	if slow {
		t.Skip("runs without the race detector")
	}
	var out bytes.Buffer
	b := &bench{
		report: report{out: &out}, pace: pace{1, time.Millisecond, 16}, systems: []string{"sqlite"},
		clients: []int{1, 2}, sizes: []int{100, 1000}, bulk: 1000, fleet: time.Second,
	}
	for _, p := range parts {
		if p.name == "fleet" { // of PostgreSQL alone
			continue
		}
		require.NoError(t, p.run(b, t.Context()), p.name)
	}
	b.targets()
	for _, want := range []string{"check-in", "by OFFSET", "invited again", "1000 a call", "grouped", "AppendPNG", "### Targets"} {
		require.Contains(t, out.String(), want)
	}
}

func TestAWayThatFailsEndsTheRun(t *testing.T) {
	broken := errors.New("broken")
	_, err := duel(t.Context(), pace{1, time.Millisecond, 16}, meter{}, 2, anyOrder("broken", func(context.Context) error { return broken }))
	require.ErrorIs(t, err, broken)
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-parts", "nonsense"}), "nonsense")
	require.ErrorContains(t, run(t.Context(), []string{"-systems", "nonsense"}), "nonsense")
}
