package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/sqlstore"
)

// devices looks at the rows of devices and their contacts.
func devices(ctx context.Context, c *checker) error {
	for _, r := range []struct{ rule, query string }{
		{oneHardware, `SELECT min(id) || ' and ' || max(id) FROM @devices
			WHERE identity <> '' AND deleted_at = 0 GROUP BY site, platform, identity HAVING count(*) > 1`},
		{oneEnrollment, `SELECT min(id) || ' and ' || max(id) FROM @devices
			WHERE enrollment_id <> '' GROUP BY site, user_id, enrollment_id HAVING count(*) > 1`},
		{deviceState, `SELECT id || ' is ' || state FROM @devices
			WHERE (state = 'active' AND ever_active = 0) OR (origin <> 'adoption' AND deleted_at = 0 AND (generation < 1 OR enrolled_at = 0))
			   OR (deleted_at <> 0 AND state <> 'unenrolled') OR since = 0 OR version < 1 OR events < 1`},
		{tombstones, `SELECT id FROM @devices WHERE deleted_at <> 0 AND (
			hardware <> '{}' OR name <> '' OR manufacturer <> '' OR model <> '' OR os_version <> '' OR identity <> '' OR enrollment_id <> ''
			OR nonce IS NOT NULL OR inventory IS NOT NULL OR facts NOT IN ('null', '{}') OR refs NOT IN ('null', '[]') OR conflict <> '')`},
		{contact, `SELECT c.device || ' is no device' FROM @contacts c
			WHERE NOT EXISTS (SELECT 1 FROM @devices d WHERE d.site = c.site AND d.id = c.device)`},
	} {
		if err := c.each(ctx, r.rule, r.query); err != nil {
			return err
		}
	}
	tokens := c.byKey(deviceTokens, false)
	return c.query(ctx, `SELECT d.site, d.id, d.origin, d.state, d.generation, d.token_key, d.nonce, d.deleted_at, d.hardware, d.manufacturer,
			d.conflict, d.identity, c.token, coalesce(c.silent, 0), coalesce(c.gone, 0), CASE WHEN c.device IS NULL THEN 0 ELSE 1 END
		FROM @devices d LEFT JOIN @contacts c ON c.site = d.site AND c.device = d.id`, nil, func(r sqlstore.Rows) error {
		var d deviceRow
		err := r.Scan(&d.Site, &d.ID, &d.origin, &d.state, &d.Generation, &d.TokenKey, &d.Nonce, &d.deletedAt, &d.hardware, &d.Manufacturer,
			&d.Conflict, &d.identity, &d.token, &d.silent, &d.gone, &d.contacts)
		if err != nil {
			return err
		}
		if tokens {
			d.checkToken(c)
		}
		d.checkContact(c)
		d.checkIdentity(c)
		return nil
	})
}

// deviceRow is what is looked at of a device, and of its contact.
type deviceRow struct {
	device.Device
	origin, state, hardware, identity string
	deletedAt                         int64
	token                             []byte
	silent, gone, contacts            int
}

func (d *deviceRow) checkContact(c *checker) {
	deleted, adopted := d.deletedAt != 0, d.origin == string(device.ByAdoption)
	switch {
	case d.contacts == 0 && !deleted && !adopted: // of a tombstone both are forgotten in time
		c.say(contact, "%s has none", d.ID)
	case d.contacts == 0:
	case deleted != (d.gone == 1):
		c.say(contact, "%s: deleted is %t, gone is %t", d.ID, deleted, d.gone == 1)
	case (d.state == string(device.Unresponsive)) != (d.silent == 1):
		c.say(contact, "%s is %s, silent is %t", d.ID, d.state, d.silent == 1)
	}
}

func (d *deviceRow) checkIdentity(c *checker) {
	if d.deletedAt != 0 {
		return // rule tombstones
	}
	if err := json.Unmarshal([]byte(d.hardware), &d.Hardware); err != nil {
		c.say(identity, "%s: its hardware is unreadable", d.ID)
		return
	}
	if d.Identity() != d.identity {
		c.say(identity, "%s is found by another", d.ID)
	}
}

func (d *deviceRow) checkToken(c *checker) {
	if d.deletedAt != 0 || d.contacts == 0 {
		return // what it was made of is forgotten
	}
	if d.Nonce == nil && d.origin == string(device.ByAdoption) {
		if d.token != nil {
			c.say(deviceTokens, "%s was adopted and has a token", d.ID)
		}
		return
	}
	secret, err := credentials.DeviceToken(c.o.Keyring, d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce)
	if err == nil {
		err = c.proves(d.token, credentials.PurposeDevice, secret)
	}
	switch {
	case errors.Is(err, credentials.ErrUnknownKey):
		c.say(keysKnown, "token of %s: %s", d.ID, keyOf(err, d.token, d.TokenKey))
	case err != nil:
		c.say(deviceTokens, "%s: another token is looked up", d.ID)
	}
}

// keyOf says which key was not known, without looking at anything secret.
func keyOf(err error, mac []byte, id uint32) string {
	if m, bad := credentials.ParseMAC(mac); bad == nil && m.KeyID != id {
		return fmt.Sprintf("key %d or %d is not in the ring", id, m.KeyID)
	}
	return fmt.Sprintf("key %d is not in the ring", id)
}

// deviceRefs compares the refs in the rows of devices with those that find them.
func deviceRefs(ctx context.Context, c *checker) error {
	err := c.each(ctx, refs, `SELECT 'of no device: ' || r.device FROM @device_refs r
		WHERE NOT EXISTS (SELECT 1 FROM @devices d WHERE d.site = r.site AND d.id = r.device AND d.deleted_at = 0)`)
	if err != nil {
		return err
	}
	type owner struct{ site, id string }
	var (
		now        owner
		says, told []device.Ref
	)
	compare := func() {
		for _, list := range []*[]device.Ref{&says, &told} {
			slices.SortFunc(*list, func(a, b device.Ref) int {
				return bytes.Compare([]byte(a.Source+"\x00"+a.ID), []byte(b.Source+"\x00"+b.ID))
			})
		}
		if says = slices.Compact(says); now.id != "" && !slices.Equal(says, told) {
			c.say(refs, "%s has %d and is found by %d", now.id, len(says), len(told))
		}
	}
	err = c.query(ctx, `SELECT d.site, d.id, d.refs, coalesce(r.source, ''), coalesce(r.ref, '')
		FROM @devices d LEFT JOIN @device_refs r ON r.site = d.site AND r.device = d.id
		WHERE d.deleted_at = 0 AND (d.refs NOT IN ('null', '[]') OR r.device IS NOT NULL) ORDER BY d.site, d.id`, nil, func(r sqlstore.Rows) error {
		var at owner
		var text string
		var ref device.Ref
		if err := r.Scan(&at.site, &at.id, &text, &ref.Source, &ref.ID); err != nil {
			return err
		}
		if at != now {
			compare()
			now, says, told = at, nil, nil
			if err := json.Unmarshal([]byte(text), &says); err != nil {
				c.say(refs, "%s: they are unreadable", at.id)
				now = owner{}
				return nil
			}
		}
		if ref != (device.Ref{}) {
			told = append(told, ref)
		}
		return nil
	})
	compare()
	return err
}
