package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

type credentialKey struct {
	site, owner string
	kind        enrollment.CredentialKind
}

type indexKey struct {
	kind enrollment.CredentialKind
	mac  credentials.MAC
}

type credentialRows struct{ *tx }

func (c credentialRows) Put(ctx context.Context, list ...enrollment.Credential) error {
	return c.write(ctx, func() error {
		for _, row := range list {
			row, err := taken(row)
			if err != nil {
				return err
			}
			k := credentialKey{row.Site, row.Owner, row.Kind}
			if old, ok := c.data.credentials[k]; ok && old.Index != (credentials.MAC{}) {
				drop(c.tx, c.data.byIndex, indexKey{old.Kind, old.Index})
			}
			if row.Index != (credentials.MAC{}) {
				index := indexKey{row.Kind, row.Index}
				if _, ok := c.data.byIndex[index]; ok {
					return fmt.Errorf("memstore: index of a credential: %w", enrollment.ErrExists)
				}
				put(c.tx, c.data.byIndex, index, k)
			}
			put(c.tx, c.data.credentials, k, row)
		}
		return nil
	})
}

func (c credentialRows) Get(ctx context.Context, site, owner string, kind enrollment.CredentialKind) (enrollment.Credential, error) {
	if err := c.reading(ctx); err != nil {
		return enrollment.Credential{}, err
	}
	row, ok := c.data.credentials[credentialKey{site, owner, kind}]
	if !ok {
		return enrollment.Credential{}, fmt.Errorf("memstore: credential: %w", enrollment.ErrNotFound)
	}
	return given(row), nil
}

func (c credentialRows) ByIndex(ctx context.Context, kind enrollment.CredentialKind, macs []credentials.MAC) (enrollment.Credential, error) {
	if err := c.reading(ctx); err != nil {
		return enrollment.Credential{}, err
	}
	for _, mac := range macs {
		if k, ok := c.data.byIndex[indexKey{kind, mac}]; ok {
			return given(c.data.credentials[k]), nil
		}
	}
	return enrollment.Credential{}, fmt.Errorf("memstore: credential: %w", enrollment.ErrNotFound)
}

func (c credentialRows) List(ctx context.Context, kind enrollment.CredentialKind, after enrollment.Credential, limit int) ([]enrollment.Credential, error) {
	if err := c.reading(ctx); err != nil {
		return nil, err
	}
	order := func(a, b enrollment.Credential) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Owner, b.Owner))
	}
	var list []enrollment.Credential
	for _, row := range c.data.credentials {
		if row.Kind == kind && order(row, after) > 0 {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, order)
	return given(first(list, limit)), nil
}

func (c credentialRows) Delete(ctx context.Context, keys ...enrollment.CredentialKey) error {
	return c.write(ctx, func() error {
		for _, name := range keys {
			k := credentialKey{name.Site, name.Owner, name.Kind}
			old, ok := c.data.credentials[k]
			if !ok {
				continue
			}
			if old.Index != (credentials.MAC{}) {
				drop(c.tx, c.data.byIndex, indexKey{old.Kind, old.Index})
			}
			drop(c.tx, c.data.credentials, k)
		}
		return nil
	})
}
