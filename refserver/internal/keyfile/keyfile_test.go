package keyfile

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestOfServersThatStartTogetherAllHaveOneRing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.keyring")
	var all sync.WaitGroup
	rings := make([]*credentials.Keyring, 8)
	for i := range rings {
		all.Go(func() {
			var err error
			rings[i], err = Make(path)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	for _, r := range rings {
		assert.Equal(t, rings[0].MarshalKeyring(), r.MarshalKeyring())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no draft with keys stays behind")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAReaderFindsTheOldRingOrTheNewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.keyring")
	ring, err := Make(path)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			_, err := Read(path)
			assert.NoError(t, err)
		}
	})
	for range 20 {
		ring, err = ring.Rotate(rand.Reader)
		require.NoError(t, err)
		if ring, err = ring.Without(ring.IDs()[1]); err == nil {
			require.NoError(t, Replace(path, ring))
		}
	}
	stop()
	reading.Wait()
}

func TestAChangedFileIsTakenAndABadOneIsSaidOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.keyring")
	ring, err := Make(path)
	require.NoError(t, err)
	changed, failed := make(chan uint32, 10), make(chan error, 100)
	refuse := errors.New("not this one")
	ctx, stop := context.WithCancel(t.Context())
	ended, known := make(chan error, 1), ring // which changes below
	go func() {
		ended <- Watch(ctx, path, known, func(r *credentials.Keyring) error {
			if r.Current() == 3 {
				return refuse
			}
			changed <- r.Current()
			return nil
		}, func(err error) { failed <- err })
	}()
	next := func() *credentials.Keyring {
		t.Helper()
		ring, err = ring.Rotate(rand.Reader)
		require.NoError(t, err)
		require.NoError(t, Replace(path, ring))
		return ring
	}
	next()
	assert.Equal(t, uint32(2), <-changed)
	next()
	require.ErrorIs(t, <-failed, refuse)
	require.NoError(t, os.WriteFile(path, []byte("enrollkit-keyring 1\nkey"), 0o600))
	require.ErrorIs(t, <-failed, credentials.ErrInvalidKeyring)
	time.Sleep(3 * lookEvery) // it looks again, and has nothing new to say
	assert.Empty(t, failed)
	next()
	assert.Equal(t, uint32(4), <-changed)
	stop()
	require.NoError(t, <-ended)
}

func TestAMissingFileIsNoFileOfAnotherKind(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, ErrMissing)
	_, err = Read(t.TempDir())
	require.Error(t, err)
	assert.NotErrorIs(t, err, ErrMissing, "a directory is not missing, and no ring is made in its place")
}
