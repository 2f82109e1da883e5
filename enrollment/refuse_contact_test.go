package enrollment_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/storetest"
)

func TestAStrangerTurnedAwayIsInTheJournal(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.svc.RefuseContact(w.ctx, "acme", "windows/enroll", "request_malformed"))
	events := w.events(enrollment.PlatformSubject("windows"))
	require.Len(t, events, 1)
	e := events[0]
	assert.Equal(t, enrollment.EventType(enrollment.EventRefused), e.Type)
	assert.Equal(t, "request_malformed", e.Reason)
	assert.Equal(t, map[string]string{"step": "windows/enroll"}, e.Data)
	assert.Equal(t, enrollment.ActorDevice, e.Actor)
	assert.Empty(t, e.Invitation+e.Device+e.User)
	_, err := w.svc.Sequence(w.ctx)
	require.NoError(t, err)
	page, err := w.svc.Events(w.ctx, w.by, 0, 10)
	require.NoError(t, err)
	require.Len(t, page.Events, 1, "an administrator finds it among the site's events")
}

func TestTheSameStrangerIsNotedOnceAnHour(t *testing.T) {
	w := newWorld(t)
	refuse := func(step, reason string) {
		require.NoError(t, w.svc.RefuseContact(w.ctx, "acme", step, reason))
	}
	subject := enrollment.PlatformSubject("apple")
	for range 5 {
		refuse("apple/mdm", "certificate_unknown")
	}
	w.clock.Advance(time.Hour - time.Microsecond)
	refuse("apple/mdm", "certificate_unknown")
	assert.Equal(t, []string{"apple/mdm certificate_unknown"}, w.refusals(subject))
	w.clock.Advance(time.Microsecond)
	refuse("apple/mdm", "certificate_unknown")
	assert.Len(t, w.refusals(subject), 2, "an hour later it is news again")

	refuse("apple/mdm", "certificate_expired")
	refuse("apple/scep", "certificate_expired")
	refuse("windows/enroll", "certificate_expired")
	assert.Equal(t, []string{"apple/mdm certificate_expired", "apple/scep certificate_expired"}, w.refusals(subject)[2:],
		"another reason and another step are news")
	assert.Len(t, w.refusals(enrollment.PlatformSubject("windows")), 1)
}

func TestManyRefusalsOfAPlatformAreNumberedWithoutGap(t *testing.T) {
	w := newWorld(t)
	subject := enrollment.PlatformSubject("apple")
	for n := range 40 {
		require.NoError(t, w.svc.RefuseContact(w.ctx, "acme", "apple/mdm", "certificate_unknown"))
		require.Len(t, w.events(subject), n+1)
		w.clock.Advance(time.Hour)
	}
	// What is past its time goes, and what comes goes on counting.
	_, err := w.svc.Sequence(w.ctx)
	require.NoError(t, err)
	require.NoError(t, w.store.Update(w.ctx, func(ctx context.Context, tx enrollment.Tx) error {
		_, err := tx.Records().PruneSite(ctx, "acme", enrollment.Cutoffs{Journal: w.clock.Now().Add(-10 * time.Hour)}, 1000)
		return err
	}))
	require.NoError(t, w.svc.RefuseContact(w.ctx, "acme", "apple/mdm", "certificate_unknown"))
	w.view(func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme", Subject: subject})
		require.NoError(t, err)
		require.Len(t, list, 11)
		for i, e := range list {
			assert.Equal(t, int64(31+i), e.Seq)
		}
		return nil
	})
}

func TestRefusalsAtOnceAreNotedOnceAndFailNobody(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	for n := range 32 {
		group.Go(func() {
			assert.NoError(t, w.svc.RefuseContact(w.ctx, "acme", "apple/mdm", fmt.Sprintf("reason_%d", n%4)))
		})
	}
	group.Wait()
	assert.Len(t, w.refusals(enrollment.PlatformSubject("apple")), 4)
}

// A store where somebody else is always quicker.
func TestARefusalThatLosesToOthersTriesAgain(t *testing.T) {
	w := newWorld(t)
	rival := w.svc
	losses := 5
	w.svc = w.over(quicker{w.store, func() {
		if losses--; losses >= 0 {
			require.NoError(t, rival.RefuseContact(w.ctx, "acme", "apple/mdm", fmt.Sprintf("rival_%d", losses)))
		}
	}})
	require.NoError(t, w.svc.RefuseContact(w.ctx, "acme", "apple/mdm", "certificate_unknown"))
	assert.Equal(t, "apple/mdm certificate_unknown", w.refusals(enrollment.PlatformSubject("apple"))[5])
}

// quicker lets a rival go before each unit, which then loses the number it wanted.
type quicker struct {
	enrollment.Storage
	rival func()
}

func (q quicker) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	before := q.count(ctx)
	q.rival()
	if q.count(ctx) > before {
		return fmt.Errorf("a number that is taken: %w", enrollment.ErrExists)
	}
	return q.Storage.Update(ctx, fn)
}

func (q quicker) count(ctx context.Context) (n int) {
	_ = q.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme", Subject: enrollment.PlatformSubject("apple")})
		n = len(list)
		return err
	})
	return n
}

func TestOfAnUnknownSiteNothingIsNoted(t *testing.T) {
	w := newWorld(t)
	for _, site := range []string{"nobody", ""} {
		require.NoError(t, w.svc.RefuseContact(w.ctx, site, "apple/mdm", "certificate_unknown"))
		w.view(func(ctx context.Context, tx enrollment.Tx) error {
			list, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: site, Subject: enrollment.PlatformSubject("apple")})
			assert.Empty(t, list)
			return err
		})
	}
	w.sites.fail(assert.AnError)
	assert.ErrorIs(t, w.svc.RefuseContact(w.ctx, "acme", "apple/mdm", "certificate_unknown"), assert.AnError)
}

func TestARefusalIsNamedByCodes(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ step, reason string }{
		"no step":          {"", "certificate_unknown"},
		"no platform":      {"/mdm", "certificate_unknown"},
		"no reason":        {"apple/mdm", ""},
		"a reason of two":  {"apple", "mdm/certificate_unknown"},
		"a control":        {"apple/mdm", "a\nb"},
		"a long one":       {"apple/" + strings.Repeat("a", 300), "certificate_unknown"},
		"no text in UTF-8": {"apple/mdm", "\xff"},
	} {
		assert.Equal(t, "invalid", enrollment.Code(w.svc.RefuseContact(w.ctx, "acme", c.step, c.reason)), name)
	}
}

func TestARefusalWhoseStoreFailsIsNotedInFullOrNotAtAll(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		failing := &storetest.Failing{Storage: w.store, At: n}
		err := w.over(failing).RefuseContact(w.ctx, "acme", "apple/mdm", "certificate_unknown")
		if !failing.Failed() {
			require.Greater(t, n, 6)
			return
		}
		require.Equal(t, "unavailable", enrollment.Code(err), "call %d", n)
		assert.Empty(t, w.refusals(enrollment.PlatformSubject("apple")))
		require.NoError(t, w.svc.RefuseContact(w.ctx, "acme", "apple/mdm", "certificate_unknown"))
		assert.Len(t, w.refusals(enrollment.PlatformSubject("apple")), 1, "and can be noted after call %d failed", n)
	}
}
