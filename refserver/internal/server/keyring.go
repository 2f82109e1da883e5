package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/enrollkit/credentials"
)

// openKeyring reads the key ring, or makes one if first says that nothing was
// sealed yet. With a new ring in the place of a lost one, no stored credential
// would work.
func openKeyring(path string, first bool) (*credentials.Keyring, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && first {
		return makeKeyring(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key ring %s is missing, and the database was made with one: bring it back, or start with another -database", path)
	}
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	ring, err := credentials.ParseKeyring(text)
	if err != nil {
		return nil, fmt.Errorf("key ring %s: %w", path, err)
	}
	return ring, nil
}

// makeKeyring writes a new ring that only the server may read, on the disk
// before anything is sealed with it.
func makeKeyring(path string) (ring *credentials.Keyring, err error) {
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		return nil, err
	}
	if ring, err = credentials.NewKeyring(key); err != nil {
		return nil, err
	}
	// Written beside its place and moved there: killed in between, the next
	// start finds no ring and makes one, and never half of one.
	draft := path + ".new"
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	_, err = f.Write(ring.MarshalKeyring())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	if err := errors.Join(os.Rename(draft, path), syncDir(filepath.Dir(path))); err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	return ring, nil
}

// syncDir puts a directory's entries on the disk.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
