package accounts

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
)

// eachAccounts runs a test on every database, with one site and two nodes' views
// of it.
func eachAccounts(t *testing.T, test func(t *testing.T, a, b *Accounts, site string)) {
	databasetest.Each(t, func(t *testing.T, name string) {
		public := &url.URL{Scheme: "http", Host: "127.0.0.1"}
		db := databasetest.Open(t, name)
		a, err := Open(t.Context(), db, public)
		require.NoError(t, err)
		id := site(t, a, "one@example.com", Policy{})
		b, err := Open(t.Context(), db, public)
		require.NoError(t, err)
		test(t, a, b, id)
	})
}

func change(name, email, external string) UserChange {
	return UserChange{Name: &name, Email: &email, ExternalID: &external}
}

func TestUsersAreListedByNamePageByPageAndFound(t *testing.T) {
	eachAccounts(t, func(t *testing.T, a, _ *Accounts, site string) {
		for i, name := range []string{"bob", "Ann", "Émile", "100%", "zoë", "ann"} {
			_, err := a.CreateUser(t.Context(), site, change(name, fmt.Sprintf("p%d@example.com", i), ""), "")
			require.NoError(t, err)
		}
		var seen []string
		for token := ""; ; {
			page, err := a.Users(t.Context(), site, "", token, 2)
			require.NoError(t, err)
			for _, u := range page.Users {
				seen = append(seen, u.Name)
			}
			if token = page.Next; token == "" {
				break
			}
		}
		assert.Equal(t, []string{"100%", "Ann", "ann", "bob", "zoë", "Émile"}, seen, "byte by byte, in both databases")
		for search, want := range map[string]int{"ANN": 2, "0%": 1, "%": 1, "_": 0, "é": 1, "p3@": 1, "x\x00": 0, "\xff": 0} {
			page, err := a.Users(t.Context(), site, search, "", 10)
			require.NoError(t, err)
			assert.Len(t, page.Users, want, "%q", search)
		}
	})
}

func TestAnIDOfAnotherSystemNamesOneUserEvenAtTwoNodesAtOnce(t *testing.T) {
	eachAccounts(t, func(t *testing.T, a, b *Accounts, site string) {
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() {
				_, errs[i] = []*Accounts{a, b}[i%2].CreateUser(t.Context(), site, change("x", "", "ext-1"), "")
			})
		}
		all.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			require.ErrorIs(t, err, enrollment.ErrExists)
		}
		assert.Equal(t, 1, made)
	})
}

func TestARequestWithAKeyMakesOneUserEvenAtTwoNodesAtOnce(t *testing.T) {
	eachAccounts(t, func(t *testing.T, a, b *Accounts, site string) {
		var all sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			all.Go(func() {
				u, err := []*Accounts{a, b}[i%2].CreateUser(t.Context(), site, change("x", "x@example.com", ""), "key")
				assert.NoError(t, err)
				ids[i] = u.ID
			})
		}
		all.Wait()
		for _, id := range ids {
			assert.Equal(t, ids[0], id)
		}
		_, err := a.CreateUser(t.Context(), site, change("y", "x@example.com", ""), "key")
		require.ErrorIs(t, err, enrollment.ErrKeyReused)
	})
}

// Two changes of different fields at two nodes: neither undoes the other.
func TestChangesOfOneUserAtTwoNodesAddUp(t *testing.T) {
	eachAccounts(t, func(t *testing.T, a, b *Accounts, site string) {
		u, err := a.CreateUser(t.Context(), site, change("x", "x@example.com", ""), "")
		require.NoError(t, err)
		for n := range 10 {
			name, language := fmt.Sprint("name", n), fmt.Sprintf("en-x%d", 10+n)
			var both sync.WaitGroup
			both.Go(func() {
				_, err := a.ChangeUser(t.Context(), site, u.ID, UserChange{Name: &name})
				assert.NoError(t, err)
			})
			both.Go(func() {
				_, err := b.ChangeUser(t.Context(), site, u.ID, UserChange{Language: &language})
				assert.NoError(t, err)
			})
			both.Wait()
			now, err := a.User(t.Context(), site, u.ID)
			require.NoError(t, err)
			assert.Equal(t, name, now.Name)
			assert.Equal(t, language, now.Language)
		}
	})
}

func TestSettingsOfManyNodesAreSeenInTheOrderOfTheirCommits(t *testing.T) {
	eachAccounts(t, func(t *testing.T, a, b *Accounts, site string) {
		var all sync.WaitGroup
		for _, node := range []*Accounts{a, b} {
			for n := range 10 {
				all.Go(func() { assert.NoError(t, node.PutSettings(t.Context(), site, Settings{Name: fmt.Sprint("name", n)})) })
			}
		}
		all.Wait()
		var stored string
		require.NoError(t, a.db.Row(t.Context(), `SELECT name FROM ref_sites WHERE id = ?`, []any{site}, &stored))
		for _, node := range []*Accounts{a, b} {
			require.NoError(t, node.Reload(t.Context()))
			s, err := node.Settings(site)
			require.NoError(t, err)
			assert.Equal(t, stored, s.Name)
		}
	})
}

func TestOfNodesThatStartTogetherOneMakesTheFirstSite(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		var all sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			all.Go(func() {
				a, err := Open(t.Context(), db, &url.URL{Scheme: "http", Host: "127.0.0.1"})
				assert.NoError(t, err)
				_, _, errs[i] = a.CreateFirst(t.Context(), Settings{Name: "One"}, "admin@example.com", MintToken(Minted))
			})
		}
		all.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			require.ErrorIs(t, err, enrollment.ErrExists)
		}
		assert.Equal(t, 1, made)
	})
}

func TestWhoWasErasedIsNotChangedAnyMore(t *testing.T) {
	eachAccounts(t, func(t *testing.T, a, _ *Accounts, site string) {
		u, err := a.CreateUser(t.Context(), site, change("x", "x@example.com", ""), "")
		require.NoError(t, err)
		// An erasure waits for whoever has read the user to change it.
		erased := make(chan error, 1)
		err = a.db.Update(t.Context(), func(ctx context.Context, c database.Conn) error {
			require.NoError(t, c.Hold(ctx, "users of "+site))
			go func() {
				_, err := a.EraseUser(t.Context(), site, u.ID, false)
				erased <- err
			}()
			if a.db.Shared() {
				require.Eventually(t, func() bool {
					var waiting int
					err := a.db.Row(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
						AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, nil, &waiting)
					return err == nil && (waiting == 1 || len(erased) > 0)
				}, time.Minute, 5*time.Millisecond)
			}
			return updateUser(ctx, c, site, u, "")
		})
		require.NoError(t, err)
		require.NoError(t, <-erased)
		err = a.db.Update(t.Context(), func(ctx context.Context, c database.Conn) error { return updateUser(ctx, c, site, u, "") })
		require.ErrorIs(t, err, enrollment.ErrNotFound)
	})
}
