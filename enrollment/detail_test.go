package enrollment_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestDevice(t *testing.T) {
	t.Run("shows what is required, what is missing and who has to act", func(t *testing.T) {
		w := newWorld(t)
		e := w.enroll(w.invite("ann"))
		detail, err := w.svc.Device(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.Equal(t, device.DefaultRequirements()[device.AndroidWorkProfile], detail.Requires)
		require.Equal(t, detail.Requires, detail.Missing)
		require.Equal(t, []any{device.WaitsUser, device.InstallAgent}, []any{detail.Waits, detail.Next})
		require.Equal(t, []string{"ann", "ann@example.com"}, []string{detail.User.ID, detail.User.Email})
		require.Equal(t, []time.Time{w.clock.Now(), w.clock.Now()}, []time.Time{detail.LastContact, detail.AsOf})
	})
	t.Run("is unresponsive as soon as its time is up, before the sweeper comes by", func(t *testing.T) {
		w := newWorld(t)
		e := w.active("ann")
		since := w.clock.Now().Add(enrollment.DefaultUnresponsiveAfter)
		state := func() device.State {
			detail, err := w.svc.Device(w.ctx, w.by, e.Device.ID)
			require.NoError(t, err)
			return detail.State
		}
		w.clock.Advance(enrollment.DefaultUnresponsiveAfter)
		require.Equal(t, device.Active, state())
		w.clock.Advance(time.Microsecond)
		require.Equal(t, device.Unresponsive, state())
		detail, err := w.svc.Device(w.ctx, w.by, e.Device.ID)
		require.NoError(t, err)
		require.Equal(t, since, detail.Since)
		require.Equal(t, device.ReachServer, detail.Next)
		require.Equal(t, device.Active, w.device(e.Device.ID).State, "nothing is stored by looking")
	})
	t.Run("the site's own requirements count", func(t *testing.T) {
		w := newWorld(t)
		w.sites.change("acme", func(s *enrollment.Site) {
			s.Policy.Requirements = device.Requirements{device.AndroidWorkProfile: {device.AgentInstalled}}
		})
		e := w.enroll(w.invite("ann"))
		require.Equal(t, device.Active, w.report(e, enrollment.Report{Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true}}).State)
	})
}

func TestExplain(t *testing.T) {
	w := newWorld(t)
	e := w.active("ann")
	explanation, err := w.svc.Explain(w.ctx, w.by, e.Device.ID)
	require.NoError(t, err)
	require.Equal(t, device.Active, explanation.State)
	require.Equal(t, w.events(e.Device.ID), explanation.Timeline)
}

func (w *world) overview(q enrollment.OverviewQuery) enrollment.OverviewPage {
	w.Helper()
	page, err := w.svc.Overview(w.ctx, w.by, q)
	require.NoError(w, err)
	return page
}

func TestOverview(t *testing.T) {
	t.Run("has a row for each active invitation without a live device, and for each device", func(t *testing.T) {
		w := newWorld(t)
		sent := w.invite("ann")
		created := w.invite("bob", func(r *enrollment.InviteRequest) { r.Send = false })
		e := w.active("cyd")
		rows := w.slots()
		require.Len(t, rows, 3)
		require.Equal(t, []any{enrollment.SlotInvitation, "sent", device.WaitsUser}, []any{rows[sent].Kind, rows[sent].State, rows[sent].Waits})
		require.Equal(t, device.WaitsAdmin, rows[created].Waits)
		require.Equal(t, []any{enrollment.SlotDevice, "active", device.WaitsNobody}, []any{rows[e.Device.ID].Kind, rows[e.Device.ID].State, rows[e.Device.ID].Waits})
		require.Equal(t, map[string]int64{"sent": 1, "created": 1, "active": 1}, w.overview(enrollment.OverviewQuery{PageSize: 1}).Counts)
	})
	t.Run("shows when an invitation's page was fetched, beside its state", func(t *testing.T) {
		w := newWorld(t)
		inv := w.invite("ann")
		token := w.token(inv)
		w.clock.Advance(time.Minute)
		require.NoError(t, w.svc.RecordFetch(w.ctx, token.Reveal()))
		row := w.slots()[inv]
		require.Equal(t, []any{"sent", w.clock.Now(), w.clock.Now()}, []any{row.State, row.FetchedAt, row.LastObservation})
	})
	t.Run("a device in conflict waits for an administrator", func(t *testing.T) {
		w := newWorld(t)
		_, bob, _ := conflict(w)
		row := w.slots()[bob.Device.ID]
		require.Equal(t, []any{device.WaitsAdmin, device.ResolveConflict}, []any{row.Waits, row.Next})
	})
	t.Run("is empty, not absent, on a site without anybody", func(t *testing.T) {
		w := newWorld(t)
		page := w.overview(enrollment.OverviewQuery{})
		require.NotNil(t, page.Slots)
		require.NotNil(t, page.Counts)
		require.Equal(t, w.clock.Now(), page.AsOf)
	})
	t.Run("filters and searches without case, by the beginning of words", func(t *testing.T) {
		w := newWorld(t)
		ann, bob := w.active("ann"), w.enroll(w.invite("bob"))
		find := func(q enrollment.OverviewQuery) (ids []string) {
			for _, row := range w.overview(q).Slots {
				ids = append(ids, row.ID)
			}
			return ids
		}
		require.Equal(t, []string{ann.Device.ID}, find(enrollment.OverviewQuery{State: "active"}))
		require.Equal(t, []string{bob.Device.ID}, find(enrollment.OverviewQuery{Search: "  BO  canary "}))
		require.Equal(t, []string{ann.Device.ID}, find(enrollment.OverviewQuery{Search: "ann@exam"}))
		require.Equal(t, []string{ann.Device.ID}, find(enrollment.OverviewQuery{Search: "sn0001"}))
		require.Empty(t, find(enrollment.OverviewQuery{Search: "anary"}))
		require.Empty(t, find(enrollment.OverviewQuery{Platform: device.IOS}))
	})
	t.Run("what nobody could mean is refused", func(t *testing.T) {
		w := newWorld(t)
		for _, q := range []enrollment.OverviewQuery{
			{State: "deactivated"}, {State: "x"}, {Platform: "x"}, {Ownership: "x"}, {Sort: "x"}, {PageSize: -1},
			{PageSize: enrollment.MaxPageSize + 1}, {Search: "a b c d e f g h i"}, {Search: "\xff"}, {Search: "a\x00"},
			{Search: strings.Repeat("x", 257)},
		} {
			_, err := w.svc.Overview(w.ctx, w.by, q)
			require.Equal(t, "invalid", enrollment.Code(err), "%+v", q)
		}
	})
}

func TestOverviewPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		inv := w.invite("ann")
		w.enroll(inv, func(r *enrollment.EnrollRequest) { r.Device.Name = fmt.Sprintf("Phone %d", i%3) })
		if i%2 == 0 { // pairs that connected at one instant
			w.clock.Advance(time.Minute)
		}
	}
	for _, sort := range []enrollment.Sort{"", enrollment.SortLastConnection, enrollment.SortName, enrollment.SortState} {
		whole := w.overview(enrollment.OverviewQuery{Sort: sort, Search: "ann"})
		require.Len(t, whole.Slots, 7)
		require.Empty(t, whole.NextPageToken)
		for size := 1; size <= 7; size++ {
			var pages []enrollment.SlotView
			token := ""
			for {
				page := w.overview(enrollment.OverviewQuery{Sort: sort, Search: "ann", PageSize: size, PageToken: token})
				require.LessOrEqual(t, len(page.Slots), size)
				pages = append(pages, page.Slots...)
				if token = page.NextPageToken; token == "" {
					break
				}
			}
			require.Equal(t, whole.Slots, pages, "sort %q, pages of %d", sort, size)
		}
	}
	t.Run("a token is of one query, one site and one list, and cannot be made", func(t *testing.T) {
		q := enrollment.OverviewQuery{Sort: enrollment.SortName, PageSize: 2}
		token := w.overview(q).NextPageToken
		q.PageToken = token
		w.overview(q)
		longer := q
		longer.PageSize = 3
		w.overview(longer) // the size of a page is not part of the query
		for name, bad := range map[string]func(*enrollment.OverviewQuery){
			"another sort":   func(q *enrollment.OverviewQuery) { q.Sort = enrollment.SortState },
			"another filter": func(q *enrollment.OverviewQuery) { q.State = "pending" },
			"another search": func(q *enrollment.OverviewQuery) { q.Search = "ann" },
			"cut":            func(q *enrollment.OverviewQuery) { q.PageToken = token[:len(token)-2] },
			"changed":        func(q *enrollment.OverviewQuery) { q.PageToken = token[:len(token)-3] + "AAA" },
			"made up":        func(q *enrollment.OverviewQuery) { q.PageToken = "x" },
			"far too long":   func(q *enrollment.OverviewQuery) { q.PageToken = strings.Repeat("A", 1<<20) },
		} {
			wrong := q
			bad(&wrong)
			_, err := w.svc.Overview(w.ctx, w.by, wrong)
			require.ErrorIs(t, err, enrollment.ErrPageToken, name)
		}
		_, err := w.svc.Overview(w.ctx, enrollment.Actor{Site: "other", ID: "adm-9"}, q)
		require.ErrorIs(t, err, enrollment.ErrPageToken)
		_, err = w.svc.Invitations(w.ctx, w.by, enrollment.InvitationsQuery{PageToken: token})
		require.ErrorIs(t, err, enrollment.ErrPageToken)
	})
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.active("ann")
	page, err := w.svc.Events(w.ctx, w.by, 0, 0)
	require.NoError(t, err)
	require.Empty(t, page.Events, "an event has its place in the site's order once it is numbered")
	require.NotNil(t, page.Events)
	n, err := w.svc.Sequence(w.ctx)
	require.NoError(t, err)
	require.Positive(t, n)
	var got []int64
	after := int64(0)
	for {
		page, err := w.svc.Events(w.ctx, w.by, after, 2)
		require.NoError(t, err)
		if len(page.Events) == 0 {
			require.Equal(t, after, page.After)
			break
		}
		for _, e := range page.Events {
			got = append(got, e.SiteSeq)
		}
		after = page.After
	}
	require.Len(t, got, n)
	require.True(t, slices.IsSorted(got))
	for _, bad := range [][2]int{{-1, 0}, {0, -1}, {0, enrollment.MaxPageSize + 1}} {
		_, err := w.svc.Events(w.ctx, w.by, int64(bad[0]), bad[1])
		require.Equal(t, "invalid", enrollment.Code(err))
	}
}
