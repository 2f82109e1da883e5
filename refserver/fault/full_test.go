//go:build fault

package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// F9: when SQLite's disk is full, nothing that was acknowledged is lost, what
// cannot be written is answered 503, and it works again once there is room.
//
// The disk is a small tmpfs where one can be mounted; elsewhere the node may
// write no larger files.
func TestAFullDiskLosesNothing(t *testing.T) {
	o := options{fault: "F9 disk full, sqlite", kind: onSQLite, moody: true}
	o.disk = filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(o.disk, 0o700))
	err := syscall.Mount("tmpfs", o.disk, "tmpfs", 0, "size=16m")
	mounted := err == nil
	if mounted {
		t.Cleanup(func() { require.NoError(t, syscall.Unmount(o.disk, syscall.MNT_DETACH)) })
	} else {
		t.Logf("no tmpfs (%v): the size of files is limited instead", err)
	}
	w := newWorld(t, o)
	n := w.nodes[0]
	n.kill()
	const limit = 1 << 20
	for cycle := range count(t, "FAULT_F9", 3) {
		if mounted {
			w.start(n)
			w.fill(o.disk)
		} else {
			w.start(n, fmt.Sprintf("FAULT_NODE_FSIZE=%d", limit))
		}
		before := w.history.unavailable
		w.fragile = true
		w.round(cycle+1, func() { eventually(t, "the disk is full", func() bool { return w.allStopped() }) })
		require.Greater(t, w.history.unavailable, before, "503 while there is no room")
		n.kill()
		if mounted {
			require.NoError(t, os.Remove(filepath.Join(o.disk, "ballast")))
		}
		w.fragile = false
		freed := time.Now()
		w.again(n, freed)
		w.round(cycle+1, func() { time.Sleep(300 * time.Millisecond) })
		n.kill()
		w.look()
	}
	w.start(n)
	if mounted {
		w.row.note("on a tmpfs of 16 MiB")
	} else {
		w.row.note("files limited to %d bytes", limit)
	}
	w.drain()
}

// fill leaves little of a disk.
func (w *world) fill(disk string) {
	w.t.Helper()
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	require.NoError(w.t, err)
	for block := make([]byte, 4096); ; {
		if _, err = ballast.Write(block); err != nil {
			break
		}
	}
	require.True(w.t, errors.Is(err, syscall.ENOSPC), err)
	at, err := ballast.Seek(0, 1)
	require.NoError(w.t, err)
	require.NoError(w.t, ballast.Truncate(max(0, at-int64(16+w.rng.IntN(48))*4096)))
	require.NoError(w.t, ballast.Close())
}

// allStopped reports whether no hand goes on.
func (w *world) allStopped() bool { return w.working.Load() == 0 }

// F9: when PostgreSQL's disk is full it gives up, and cannot start before there
// is room; then everything that was acknowledged is there. It takes a tmpfs, and
// is for the long profile.
func TestAFullDiskOfPostgreSQLLosesNothing(t *testing.T) {
	cycles := count(t, "FAULT_F9_POSTGRESQL", 0)
	if cycles == 0 {
		t.Skip("FAULT_F9_POSTGRESQL says how often; none in the quick profile")
	}
	disk, err := os.MkdirTemp("", "enrollkit-fault-disk-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.Remove(disk)) })
	require.NoError(t, os.Chmod(disk, 0o755)) // for PostgreSQL, which is another user
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=192m,mode=0755"); err != nil {
		t.Skipf("NOT TESTED: no tmpfs: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	w := newWorld(t, options{
		fault: "F9 disk full, postgresql", kind: onPostgreSQL, moody: true, disk: disk,
		cluster: []string{"max_wal_size=32MB", "min_wal_size=32MB", "wal_recycle=off"},
	})
	for cycle := range cycles {
		w.fill(disk)
		w.fragile = true
		w.round(cycle+1, func() {
			// Whether the disk has room for what they do or not.
			ended := time.Now().Add(between(w.rng, 500*time.Millisecond, 3*time.Second))
			for time.Now().Before(ended) && !w.allStopped() {
				time.Sleep(10 * time.Millisecond)
			}
			require.NoError(t, w.place.cluster.Kill()) // if it has not given up by itself
			require.NoError(t, os.Remove(filepath.Join(disk, "ballast")))
			freed := time.Now()
			require.NoError(t, w.place.cluster.Restart())
			w.ready()
			w.row.recovered(time.Since(freed))
		})
		w.fragile = false
		w.round(cycle+1, func() { time.Sleep(300 * time.Millisecond) })
	}
	w.drain()
}
