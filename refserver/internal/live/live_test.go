package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestStreamsAreFewPerSiteAndInAll(t *testing.T) {
	h := New(nil)
	var leaves []func()
	join := func(site string) error {
		_, leave, err := h.join(site)
		if err == nil {
			leaves = append(leaves, leave)
		}
		return err
	}
	for range maxSite {
		require.NoError(t, join("one"))
	}
	require.ErrorIs(t, join("one"), ErrFull)
	for n := maxSite; n < maxAll; n++ {
		require.NoError(t, join(fmt.Sprint("site", n%50)))
	}
	require.ErrorIs(t, join("another"), ErrFull)
	assert.Equal(t, maxAll, h.Streams())
	leaves[0]()
	leaves[0]() // leaving twice counts once
	assert.Equal(t, maxAll-1, h.Streams())
	require.NoError(t, join("one"))
	for _, leave := range leaves {
		leave()
	}
	assert.Zero(t, h.Streams())
	assert.Empty(t, h.pages)
	assert.Empty(t, h.last, "nothing is left of sites without pages")
}

// However many pages there are, the database is asked once for all of them, and
// a page that takes nothing holds up nobody.
func TestAPageHearsTheLatestNumberOfItsSiteAlone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		set := func(site string, last int) {
			_, err := db.Exec(t.Context(), `INSERT INTO enroll_site_sequences (site, last) VALUES (?, ?) ON CONFLICT (site) DO UPDATE SET last = excluded.last`, site, last)
			require.NoError(t, err)
		}
		h := New(db)
		set("one", 1)
		slow, leave, err := h.join("one")
		require.NoError(t, err)
		defer leave()
		other, leaveOther, err := h.join("two")
		require.NoError(t, err)
		defer leaveOther()
		for last := 2; last <= 5; last++ {
			set("one", last)
			h.ask(t.Context())
		}
		assert.Equal(t, int64(5), <-slow, "the latest, and what it missed is no use any more")
		h.ask(t.Context())
		select {
		case v := <-slow:
			t.Errorf("told %d again, without a change", v)
		case v := <-other:
			t.Errorf("told %d of another site", v)
		default:
		}
		version, err := h.Version(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, int64(5), version)

		late, leaveLate, err := h.join("one")
		require.NoError(t, err)
		defer leaveLate()
		assert.Equal(t, int64(5), <-late, "who comes later is told where it stands")
	})
}

func TestASignalMakesANodeAskSooner(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	h := New(db)
	page, leave, err := h.join("one")
	require.NoError(t, err)
	defer leave()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	_, err = db.Exec(t.Context(), `INSERT INTO enroll_site_sequences (site, last) VALUES ('one', 7)`)
	require.NoError(t, err)
	db.Signals.Changed(database.Devices)
	select {
	case v := <-page:
		assert.Equal(t, int64(7), v)
	case <-time.After(10 * time.Second):
		t.Fatal("the page heard nothing")
	}
	stop()
	require.NoError(t, <-ended)
	_, open := <-page
	assert.False(t, open, "the end of the node ends its pages")
	_, _, err = h.join("one")
	require.ErrorIs(t, err, ErrFull)
}
