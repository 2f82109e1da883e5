package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"example.com/enrollkit/enrollment"
)

const (
	userColumns = "site, id, name, email, email_key, language, outside"
	intoUsers   = "@users (" + userColumns + ")"
	selectUsers = "SELECT " + userColumns + " FROM @users WHERE "
)

func userFields(u *enrollment.User) []any {
	return []any{&u.Site, &u.ID, &u.Name, &u.Email, &u.EmailKey, &u.Language, flag{&u.Outside}}
}

// key names a row within its site.
type key struct{ site, id string }

func userKey(u *enrollment.User) key { return key{u.Site, u.ID} }

type users struct{ *unit }

func (t users) Lock(ctx context.Context, list ...enrollment.User) ([]enrollment.User, error) {
	// One order for all callers, or two of them wait for each other.
	sorted := last(list, userKey)
	slices.SortFunc(sorted, func(a, b enrollment.User) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ID, b.ID))
	})
	stored := make(map[key]enrollment.User, len(sorted))
	for chunk := range slices.Chunk(sorted, maxRows) {
		if _, err := insert(ctx, t.unit, intoUsers, userFields, "ON CONFLICT (site, id) DO NOTHING", chunk); err != nil {
			return nil, err
		}
		var w where
		for i := range chunk {
			w.args = append(w.args, chunk[i].Site, chunk[i].ID)
		}
		rows, err := collect(ctx, t.unit, userFields,
			selectUsers+"(site, id) IN (VALUES "+tuples(len(chunk), 2)+") ORDER BY site, id"+t.lock(), w.args...)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			stored[userKey(&row)] = row
		}
	}
	out := make([]enrollment.User, len(list))
	for i := range list {
		out[i] = stored[userKey(&list[i])]
	}
	return out, nil
}

func (t users) Put(ctx context.Context, list ...enrollment.User) error {
	return t.guard(ctx, func() error {
		return replace(ctx, t.unit, intoUsers, userFields, `ON CONFLICT (site, id) DO UPDATE SET
			name = excluded.name, email = excluded.email, email_key = excluded.email_key,
			language = excluded.language, outside = excluded.outside`, last(list, userKey))
	})
}

func (t users) Get(ctx context.Context, site, id string) (enrollment.User, error) {
	return one(ctx, t.unit, userFields, selectUsers+"site = ? AND id = ?", site, id)
}

func (t users) Outside(ctx context.Context, u enrollment.User) (enrollment.User, error) {
	if !u.Outside || u.EmailKey == "" {
		return enrollment.User{}, errors.New("sqlstore: Outside takes a user from outside the directory with an address")
	}
	// Whoever loses the race to insert waits for the winner and finds its row.
	if _, err := insert(ctx, t.unit, intoUsers, userFields, "ON CONFLICT DO NOTHING", []enrollment.User{u}); err != nil {
		return enrollment.User{}, err
	}
	stored, err := one(ctx, t.unit, userFields,
		selectUsers+"site = ? AND email_key = ? AND outside = 1 AND email_key <> ''", u.Site, u.EmailKey)
	if errors.Is(err, enrollment.ErrNotFound) {
		return stored, enrollment.ErrExists // the id belongs to somebody else
	}
	return stored, err
}
