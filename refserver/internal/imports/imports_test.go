package imports

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// desk is one node's part of a database with one site.
type desk struct {
	*Jobs
	db *database.DB
	by accounts.Principal
}

func eachDesk(t *testing.T, test func(t *testing.T, d desk)) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		a, err := accounts.Open(t.Context(), db, &url.URL{Scheme: "http", Host: "127.0.0.1"})
		require.NoError(t, err)
		_, by, err := a.CreateSite(t.Context(), accounts.Settings{Name: "One"}, "admin@example.com", accounts.MintToken(accounts.Minted))
		require.NoError(t, err)
		test(t, desk{New(db, a, slog.New(slog.DiscardHandler)), db, by})
	})
}

// people is a file of n people.
func people(n int) []byte {
	var b strings.Builder
	b.WriteString("email\n")
	for i := range n {
		b.WriteString("p" + strconv.Itoa(i) + "@example.com\n")
	}
	return []byte(b.String())
}

func (d desk) add(t *testing.T, n int) Job {
	t.Helper()
	job, err := d.Add(t.Context(), d.by, people(n), true)
	require.NoError(t, err)
	return job
}

func (d desk) users(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, d.db.Row(t.Context(), `SELECT count(*) FROM ref_users`, nil, &n))
	return n
}

func TestAJobIsLeasedToOneNodeAtATime(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		job := d.add(t, 3)
		first, err := d.lease(t.Context(), job)
		require.NoError(t, err)
		_, err = d.lease(t.Context(), job)
		require.Error(t, err, "another node")
		_, err = d.db.Exec(t.Context(), `UPDATE ref_imports SET lease_until = ?`, time.Now().Add(-time.Second).UnixMicro())
		require.NoError(t, err)
		second, err := d.lease(t.Context(), job)
		require.NoError(t, err, "it died")
		assert.Greater(t, second, first)
	})
}

// A node that stood still while its lease ran out writes nothing more: neither
// people nor results.
func TestWhoLostAJobWritesNothingMore(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		job := d.add(t, 600)
		late, err := d.lease(t.Context(), job)
		require.NoError(t, err)
		_, err = d.db.Exec(t.Context(), `UPDATE ref_imports SET lease_until = 0`)
		require.NoError(t, err)
		fence, err := d.lease(t.Context(), job)
		require.NoError(t, err)

		require.ErrorIs(t, d.work(t.Context(), job, late), errLost)
		assert.Zero(t, d.users(t))
		require.NoError(t, d.work(t.Context(), job, fence))
		assert.Equal(t, 600, d.users(t))
		require.ErrorIs(t, d.end(t.Context(), job, late), errLost)
		done, err := d.Get(t.Context(), d.by.Site, job.ID)
		require.NoError(t, err)
		assert.Equal(t, Imported, done.State)
		assert.Equal(t, 600, done.Counts.Created)
		results, err := d.Results(t.Context(), d.by.Site, job.ID)
		require.NoError(t, err)
		assert.Len(t, results, 600, "each row once")
	})
}

// A node that dies after some lots leaves the rest to another, which goes on
// where it was.
func TestAnotherNodeGoesOnWhereOneDied(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		job := d.add(t, 1000)
		ctx, die := context.WithCancel(t.Context())
		fence, err := d.lease(ctx, job)
		require.NoError(t, err)
		go func() {
			for ctx.Err() == nil {
				if now, err := d.Get(t.Context(), d.by.Site, job.ID); err == nil && now.Done > 0 {
					die()
				}
			}
		}()
		_ = d.work(ctx, job, fence) // it died in the middle, or had just done

		other := desk{New(d.db, d.accounts, slog.New(slog.DiscardHandler)), d.db, d.by}
		_, err = d.db.Exec(t.Context(), `UPDATE ref_imports SET lease_until = 0`)
		require.NoError(t, err)
		run, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- other.Run(run) }()
		require.Eventually(t, func() bool {
			now, err := d.Get(t.Context(), d.by.Site, job.ID)
			return err == nil && now.State == Imported
		}, 20*time.Second, 10*time.Millisecond)
		stop()
		require.NoError(t, <-ended)
		assert.Equal(t, 1000, d.users(t), "each person once")
		done, err := d.Get(t.Context(), d.by.Site, job.ID)
		require.NoError(t, err)
		assert.Equal(t, 1000, done.Counts.Created)
	})
}

func TestTheSameListAtTwoNodesMakesEachPersonOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		d.add(t, 700)
		d.add(t, 700)
		run, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		for range 2 {
			node := New(d.db, d.accounts, slog.New(slog.DiscardHandler))
			go func() { ended <- node.Run(run) }()
		}
		require.Eventually(t, func() bool {
			jobs, err := d.List(t.Context(), d.by.Site)
			return err == nil && jobs[0].State == Imported && jobs[1].State == Imported
		}, 30*time.Second, 20*time.Millisecond)
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		assert.Equal(t, 700, d.users(t))
	})
}

func TestASiteHasAFewImportsUnderWayAtMost(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		for range MaxOpen {
			d.add(t, 1)
		}
		_, err := d.Add(t.Context(), d.by, people(1), true)
		require.ErrorIs(t, err, ErrTooMany)
	})
}

// A list holds everybody's data, so it does not stay because nobody adds another.
func TestAListThatIsADayOldGoesByItself(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		old, err := d.Add(t.Context(), d.by, people(3), false)
		require.NoError(t, err)
		run, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(run) }()
		require.Eventually(t, func() bool {
			now, err := d.Get(t.Context(), d.by.Site, old.ID)
			return err == nil && now.State == Checked
		}, time.Minute, 10*time.Millisecond)
		young, err := d.Add(t.Context(), d.by, people(3), false)
		require.NoError(t, err)
		_, err = d.db.Exec(t.Context(), `UPDATE ref_imports SET at = ? WHERE id = ?`, time.Now().Add(-kept-time.Minute).UnixMicro(), old.ID)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := d.Get(t.Context(), d.by.Site, old.ID)
			return errors.Is(err, enrollment.ErrNotFound)
		}, time.Minute, 10*time.Millisecond)
		results, err := d.Results(t.Context(), d.by.Site, old.ID)
		require.NoError(t, err)
		assert.Empty(t, results)
		_, err = d.Get(t.Context(), d.by.Site, young.ID)
		require.NoError(t, err)
		stop()
		require.NoError(t, <-ended)
	})
}

// Whoever checks a list while a person of it is erased finds it gone, and writes
// nothing more.
func TestAListThatIsBeingCheckedGoesWithAPersonWhoIsErased(t *testing.T) {
	eachDesk(t, func(t *testing.T, d desk) {
		email := "ann@example.com"
		ann, err := d.accounts.CreateUser(t.Context(), d.by.Site, accounts.UserChange{Email: &email}, "")
		require.NoError(t, err)
		job, err := d.Add(t.Context(), d.by, people(3), false)
		require.NoError(t, err)
		fence, err := d.lease(t.Context(), job)
		require.NoError(t, err)
		_, err = d.accounts.EraseUser(t.Context(), d.by.Site, "u_nobody", false)
		require.NoError(t, err)
		_, err = d.Get(t.Context(), d.by.Site, job.ID)
		require.NoError(t, err, "who is unknown takes nothing along")

		gone, err := d.accounts.EraseUser(t.Context(), d.by.Site, ann.ID, false)
		require.NoError(t, err)
		assert.True(t, gone)
		require.ErrorIs(t, d.end(t.Context(), job, fence), errLost)
		require.ErrorIs(t, d.work(t.Context(), job, fence), enrollment.ErrNotFound)
		_, err = d.Get(t.Context(), d.by.Site, job.ID)
		require.ErrorIs(t, err, enrollment.ErrNotFound)
	})
}
