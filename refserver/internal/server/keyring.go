package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/keyfile"
)

// openKeyring reads the key ring, or makes one if first says that nothing was
// sealed yet. With a new ring in the place of a lost one, no stored credential
// would work.
func openKeyring(path string, first bool) (*credentials.Keyring, error) {
	ring, err := keyfile.Read(path)
	if errors.Is(err, keyfile.ErrMissing) && first {
		return keyfile.Make(path)
	}
	if errors.Is(err, keyfile.ErrMissing) {
		return nil, fmt.Errorf("key ring %s is missing, and the database was made with one: bring it back, or start with another -database", path)
	}
	return ring, err
}

// checkKeyring compares the ring with the database.
func (s *server) checkKeyring(ctx context.Context) error {
	err := s.svc.Check(ctx)
	if errors.Is(err, credentials.ErrWrongKey) || errors.Is(err, credentials.ErrUnknownKey) {
		return fmt.Errorf("key ring %s does not belong to this database: start with the one that it was made with: %w", s.Keyring, err)
	}
	return err
}

// keys returns the key ring of the moment.
func (s *server) keys() *credentials.Keyring { return s.ring.Load() }

// watchKeyring takes over what an operator does to the file of the key ring,
// while the server runs. A ring that does not fit the database is not taken.
func (s *server) watchKeyring(ctx context.Context) error {
	return keyfile.Watch(ctx, s.Keyring, s.keys(), func(ring *credentials.Keyring) error {
		if bytes.Equal(ring.MarshalKeyring(), s.keys().MarshalKeyring()) {
			return nil // comments
		}
		if err := s.svc.UseKeyring(ctx, ring); err != nil {
			return err
		}
		s.ring.Store(ring)
		s.Log.InfoContext(ctx, "key ring changed", "current", ring.Current(), "keys", ring.IDs())
		return nil
	}, func(err error) {
		s.Log.ErrorContext(ctx, "the key ring's file cannot be used; the ring from before applies", "error", err)
	})
}
