package sqlstore

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

const (
	contactColumns = "site, device, token, seq, at, silent, gone"
	selectContacts = "SELECT " + contactColumns + " FROM @contacts WHERE "
)

func contactFields(c *enrollment.Contact) []any {
	return []any{&c.Site, &c.Device, mac{&c.Token}, &c.Seq, stamp{&c.At}, flag{&c.Silent}, flag{&c.Gone}}
}

func contactKey(c *enrollment.Contact) key { return key{c.Site, c.Device} }

type contacts struct{ *unit }

func (t contacts) Put(ctx context.Context, list ...enrollment.Contact) error {
	return replace(ctx, t.unit, "@contacts ("+contactColumns+")", contactFields, `ON CONFLICT (site, device) DO UPDATE SET
		token = excluded.token, seq = excluded.seq, at = excluded.at, silent = excluded.silent, gone = excluded.gone`,
		last(list, contactKey))
}

func (t contacts) Get(ctx context.Context, site, device string) (enrollment.Contact, error) {
	return one(ctx, t.unit, contactFields, selectContacts+"site = ? AND device = ?"+t.lock(), site, device)
}

func (t contacts) ByToken(ctx context.Context, macs []credentials.MAC) (enrollment.Contact, error) {
	var w where
	w.in("token", macArgs(macs))
	list, err := collect(ctx, t.unit, contactFields, selectContacts+w.text+t.lock(), w.args...)
	if err != nil {
		return enrollment.Contact{}, err
	}
	return firstOf(list, macs, func(c enrollment.Contact) credentials.MAC { return c.Token })
}

// Silent implements [enrollment.Contacts]. Those silent for longest come first.
func (t contacts) Silent(ctx context.Context, site string, states []string, before time.Time, limit int) ([]string, error) {
	var w where
	w.and("s.site = ?", site)
	w.in("s.state", anys(states))
	// A slot's last connection is never later than its contact's, so this
	// leaves out by the slots' index whoever was seen since.
	w.and("s.last_connection < ? AND c.at < ? AND s.kind = 'device'", micros(before), micros(before))
	fields := func(id *string) []any { return []any{id} }
	return collect(ctx, t.unit, fields, `SELECT c.device FROM @slots s JOIN @contacts c ON c.site = s.site AND c.device = s.id
		WHERE `+w.text+" ORDER BY c.at, c.device"+w.limit(limit), w.args...)
}

// Touch implements [enrollment.Storage].
func (s *Store) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	return touch(ctx, s.Update, touches)
}

// touch is Touch in whatever update makes of a unit.
func touch(ctx context.Context, update func(context.Context, func(context.Context, enrollment.Tx) error) error, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	var answer []enrollment.Contact
	err := update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		answer = make([]enrollment.Contact, len(touches))
		t := contacts{tx.(*unit)}
		for i := range touches {
			var err error
			if answer[i], err = t.touch(ctx, touches[i]); err != nil {
				return err
			}
		}
		return t.may(ctx, true)
	})
	if err != nil {
		return nil, err
	}
	// Whoever is named twice is shown as it stands at the end.
	at := make(map[key]int, len(answer))
	for i := range answer {
		at[contactKey(&answer[i])] = i
	}
	for i := range answer {
		answer[i] = answer[at[contactKey(&answer[i])]]
	}
	return answer, nil
}

const (
	touchContact = `UPDATE @contacts SET
		at = CASE WHEN gone = 0 AND at < ? THEN ? ELSE at END,
		seq = CASE WHEN gone = 0 AND seq < ? THEN ? ELSE seq END WHERE `
	touchSlot = "UPDATE @slots SET last_connection = ? WHERE site = ? AND id = ? AND last_connection <= ?"
)

func (t contacts) touch(ctx context.Context, touch enrollment.Touch) (row enrollment.Contact, err error) {
	found := false
	set := func(condition string, args ...any) error {
		at := micros(touch.At)
		return t.change(ctx, touchContact+condition+" RETURNING "+contactColumns,
			append([]any{at, at, touch.Seq, touch.Seq}, args...), func(r Rows) error {
				found = true
				return r.Scan(contactFields(&row)...)
			})
	}
	if touch.Device != "" {
		err = set("site = ? AND device = ?", touch.Site, touch.Device)
	} else {
		for _, token := range macArgs(touch.Tokens) {
			if err = set("token = ?", token); err != nil || found {
				break
			}
		}
	}
	if err != nil || !found || row.Gone {
		return row, err
	}
	at := micros(row.At)
	_, err = t.exec(ctx, touchSlot, at, row.Site, row.Device, at-enrollment.ListRefresh.Microseconds())
	return row, err
}
