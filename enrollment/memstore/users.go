package memstore

import (
	"context"
	"errors"
	"fmt"

	"example.com/enrollkit/enrollment"
)

type users struct{ *tx }

// Lock implements [enrollment.Users]. The unit itself is the lock.
func (u users) Lock(ctx context.Context, list ...enrollment.User) ([]enrollment.User, error) {
	var stored []enrollment.User
	err := u.write(ctx, func() error {
		for _, row := range list {
			k := key{row.Site, row.ID}
			if _, ok := u.data.users[k]; !ok {
				if err := u.store(row); err != nil {
					return err
				}
			}
			stored = append(stored, given(u.data.users[k]))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

func (u users) Put(ctx context.Context, list ...enrollment.User) error {
	return u.write(ctx, func() error {
		for _, row := range list {
			if err := u.store(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (u users) Get(ctx context.Context, site, id string) (enrollment.User, error) {
	if err := u.reading(ctx); err != nil {
		return enrollment.User{}, err
	}
	row, ok := u.data.users[key{site, id}]
	if !ok {
		return enrollment.User{}, fmt.Errorf("memstore: user: %w", enrollment.ErrNotFound)
	}
	return given(row), nil
}

func (u users) Outside(ctx context.Context, row enrollment.User) (enrollment.User, error) {
	var stored enrollment.User
	err := u.write(ctx, func() error {
		if !row.Outside || row.EmailKey == "" {
			return errors.New("memstore: Outside takes a user from outside the directory with an address")
		}
		id, known := u.data.outside[key{row.Site, row.EmailKey}]
		if !known {
			id = row.ID
			if _, ok := u.data.users[key{row.Site, id}]; ok {
				return fmt.Errorf("memstore: user: %w", enrollment.ErrExists)
			}
			if err := u.store(row); err != nil {
				return err
			}
		}
		stored = given(u.data.users[key{row.Site, id}])
		return nil
	})
	return stored, err
}

// store replaces a row or adds it.
func (u users) store(row enrollment.User) error {
	row, err := taken(row)
	if err != nil {
		return err
	}
	k := key{row.Site, row.ID}
	if old, ok := u.data.users[k]; ok && old.Outside && old.EmailKey != "" {
		drop(u.tx, u.data.outside, key{old.Site, old.EmailKey})
	}
	if row.Outside && row.EmailKey != "" {
		address := key{row.Site, row.EmailKey}
		if _, ok := u.data.outside[address]; ok {
			return fmt.Errorf("memstore: a user's address: %w", enrollment.ErrExists)
		}
		put(u.tx, u.data.outside, address, row.ID)
	}
	put(u.tx, u.data.users, k, row)
	return nil
}
