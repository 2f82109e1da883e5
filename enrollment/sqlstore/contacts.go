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
	return t.guard(ctx, func() error {
		return replace(ctx, t.unit, "@contacts ("+contactColumns+")", contactFields, `ON CONFLICT (site, device) DO UPDATE SET
			token = excluded.token, seq = excluded.seq, at = excluded.at, silent = excluded.silent, gone = excluded.gone`,
			last(list, contactKey))
	})
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

func (t contacts) List(ctx context.Context, after enrollment.Contact, limit int) ([]enrollment.Contact, error) {
	return collect(ctx, t.unit, contactFields,
		selectContacts+"(site, device) > (?, ?) ORDER BY site, device LIMIT ?", after.Site, after.Device, max(limit, 0))
}
