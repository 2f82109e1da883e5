package sqlstore

import (
	"context"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

const (
	credentialColumns = "site, owner, kind, generation, index_mac, check_mac, sealed, data, created_at, created_by"
	selectCredentials = "SELECT " + credentialColumns + " FROM @credentials WHERE "
)

func credentialFields(c *enrollment.Credential) []any {
	return []any{
		&c.Site, &c.Owner, (*string)(&c.Kind), &c.Generation,
		mac{&c.Index}, mac{&c.Check}, bin{&c.Sealed}, bin{&c.Data}, stamp{&c.CreatedAt}, &c.CreatedBy,
	}
}

// creds, because the package credentials is needed here.
type creds struct{ *unit }

func (t creds) Put(ctx context.Context, list ...enrollment.Credential) error {
	type owner struct {
		key
		kind enrollment.CredentialKind
	}
	rows := last(list, func(c *enrollment.Credential) owner { return owner{key{c.Site, c.Owner}, c.Kind} })
	return t.guard(ctx, func() error {
		return replace(ctx, t.unit, "@credentials ("+credentialColumns+")", credentialFields, `ON CONFLICT (kind, site, owner) DO UPDATE SET
			generation = excluded.generation, index_mac = excluded.index_mac, check_mac = excluded.check_mac,
			sealed = excluded.sealed, data = excluded.data, created_at = excluded.created_at, created_by = excluded.created_by`, rows)
	})
}

func (t creds) Get(ctx context.Context, site, owner string, kind enrollment.CredentialKind) (enrollment.Credential, error) {
	return one(ctx, t.unit, credentialFields, selectCredentials+"kind = ? AND site = ? AND owner = ?"+t.lock(), string(kind), site, owner)
}

func (t creds) ByIndex(ctx context.Context, kind enrollment.CredentialKind, macs []credentials.MAC) (enrollment.Credential, error) {
	var w where
	w.and("kind = ?", string(kind))
	w.in("index_mac", macArgs(macs))
	list, err := collect(ctx, t.unit, credentialFields, selectCredentials+w.text+t.lock(), w.args...)
	if err != nil {
		return enrollment.Credential{}, err
	}
	return firstOf(list, macs, func(c enrollment.Credential) credentials.MAC { return c.Index })
}

// firstOf returns the row of the first MAC that has one.
func firstOf[T any](list []T, macs []credentials.MAC, of func(T) credentials.MAC) (T, error) {
	for _, m := range macs {
		if i := slices.IndexFunc(list, func(row T) bool { return of(row) == m }); i >= 0 {
			return list[i], nil
		}
	}
	var none T
	return none, enrollment.ErrNotFound
}

func (t creds) List(ctx context.Context, kind enrollment.CredentialKind, after enrollment.Credential, limit int) ([]enrollment.Credential, error) {
	return collect(ctx, t.unit, credentialFields,
		selectCredentials+"kind = ? AND (site, owner) > (?, ?) ORDER BY site, owner LIMIT ?",
		string(kind), after.Site, after.Owner, max(limit, 0))
}

func (t creds) Delete(ctx context.Context, keys ...enrollment.CredentialKey) error {
	for _, k := range keys {
		if _, err := t.exec(ctx, "DELETE FROM @credentials WHERE kind = ? AND site = ? AND owner = ?", string(k.Kind), k.Site, k.Owner); err != nil {
			return err
		}
	}
	return t.may(ctx, true)
}
