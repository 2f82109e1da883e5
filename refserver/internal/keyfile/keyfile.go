// Package keyfile keeps the key ring in a file that only the server may read, and
// changes it so that a reader finds the old one or the new one, never half of one.
package keyfile

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"example.com/enrollkit/credentials"
)

// ErrMissing says that there is no file.
var ErrMissing = errors.New("key ring is missing")

// Read reads a ring. It returns an error wrapping [ErrMissing] if there is no
// file.
func Read(path string) (*credentials.Keyring, error) {
	ring, _, err := read(path)
	return ring, err
}

func read(path string) (*credentials.Keyring, []byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("key ring %s: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("key ring: %w", err)
	}
	ring, err := credentials.ParseKeyring(text)
	if err != nil {
		return nil, nil, fmt.Errorf("key ring %s: %w", path, err)
	}
	return ring, text, nil
}

// Make writes a new ring, unless another process was quicker, and returns the
// one in the file. It is on the disk before anything is sealed with it.
func Make(path string) (*credentials.Keyring, error) {
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		return nil, err
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		return nil, err
	}
	draft, err := write(path, ring, nil)
	if err != nil {
		return nil, err
	}
	// A link takes no place that is taken.
	err = os.Link(draft, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Remove(draft), syncDir(filepath.Dir(path))); err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	return Read(path)
}

// Replace writes a ring in the place of the one that is there: in the file that
// path leads to by whatever links, which keeps its owner, group and mode, or the
// servers could not read it any more.
func Replace(path string, ring *credentials.Keyring) error {
	place, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	old, err := os.Stat(place)
	if err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	draft, err := write(place, ring, old)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, place); err != nil {
		return errors.Join(fmt.Errorf("key ring: %w", err), os.Remove(draft))
	}
	if err := syncDir(filepath.Dir(place)); err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	return nil
}

// write writes a ring beside its place, and returns where. With an old file, the
// draft has that one's owner, group and mode.
func write(path string, ring *credentials.Keyring, old fs.FileInfo) (draft string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // 0600
	if err != nil {
		return "", fmt.Errorf("key ring: %w", err)
	}
	if old != nil {
		err = likeOld(f, old)
	}
	if err == nil {
		_, err = f.Write(ring.MarshalKeyring())
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = fmt.Errorf("key ring %s: %w", path, err)
		if left := os.Remove(f.Name()); left != nil {
			err = errors.Join(err, left)
		}
		return "", err
	}
	return f.Name(), nil
}

// likeOld gives a draft the owner, group and mode of the file that it is to
// replace.
func likeOld(draft *os.File, old fs.FileInfo) error {
	now, err := draft.Stat()
	if err != nil {
		return err
	}
	if err := keepOwner(draft, now, old); err != nil {
		return err
	}
	return draft.Chmod(old.Mode().Perm())
}

// syncDir puts a directory's entries on the disk.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// lookEvery is how soon a changed file is noticed.
const lookEvery = 500 * time.Millisecond

// Watch calls changed with the ring whenever the file holds another than known,
// until ctx ends, and again each time while changed or the file itself is refused. It
// calls failed once for each such trouble.
func Watch(ctx context.Context, path string, known *credentials.Keyring, changed func(*credentials.Keyring) error, failed func(error)) error {
	have, said := known.MarshalKeyring(), ""
	pace := time.NewTicker(lookEvery)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		ring, text, err := read(path)
		if err == nil && bytes.Equal(text, have) {
			continue
		}
		if err == nil {
			if err = changed(ring); err == nil {
				have, said = text, ""
				continue
			}
		}
		if text := err.Error(); text != said {
			failed(err)
			said = text
		}
	}
}
