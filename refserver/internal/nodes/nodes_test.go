package nodes

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestANodeIsAliveWhileItSaysSo(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		alive := func() (list []Node) {
			list, err := Alive(t.Context(), db)
			require.NoError(t, err)
			return list
		}
		assert.Empty(t, alive())
		var rotated atomic.Bool
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- Run(ctx, db, NewID(), func() []uint32 {
				if rotated.Load() {
					return []uint32{2, 1}
				}
				return []uint32{1}
			})
		}()
		has := func(key uint32) func() bool {
			return func() bool {
				list := alive()
				if len(list) != 1 {
					return false
				}
				_, current := list[0].Has(key)
				return current
			}
		}
		require.Eventually(t, has(1), 10*time.Second, 10*time.Millisecond)
		rotated.Store(true)
		require.Eventually(t, has(2), 10*time.Second, 10*time.Millisecond)
		first, _ := alive()[0].Has(1)
		assert.True(t, first)
		none, _ := alive()[0].Has(3)
		assert.False(t, none)

		// Another one died without a word.
		require.NoError(t, Beat(t.Context(), db, Node{ID: "node_dead", StartedAt: time.Now(), Keys: []uint32{1}}))
		assert.Len(t, alive(), 2)
		_, err := db.Exec(t.Context(), `UPDATE ref_nodes SET seen_at = ? WHERE id = ?`, time.Now().Add(-deadAfter).UnixMicro(), "node_dead")
		require.NoError(t, err)
		assert.Len(t, alive(), 1)

		stop()
		require.NoError(t, <-ended)
		assert.Empty(t, alive(), "who leaves says so")
	})
}
