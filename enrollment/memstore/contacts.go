package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

type contacts struct{ *tx }

func (c contacts) Put(ctx context.Context, list ...enrollment.Contact) error {
	return c.write(ctx, func() error {
		for _, row := range list {
			row, err := taken(row)
			if err != nil {
				return err
			}
			k := key{row.Site, row.Device}
			if old, ok := c.data.contacts[k]; ok && old.Token != (credentials.MAC{}) {
				drop(c.tx, c.data.byToken, old.Token)
			}
			if row.Token != (credentials.MAC{}) {
				if _, ok := c.data.byToken[row.Token]; ok {
					return fmt.Errorf("memstore: token of a contact: %w", enrollment.ErrExists)
				}
				put(c.tx, c.data.byToken, row.Token, k)
			}
			put(c.tx, c.data.contacts, k, row)
		}
		return nil
	})
}

func (c contacts) Get(ctx context.Context, site, device string) (enrollment.Contact, error) {
	if err := c.reading(ctx); err != nil {
		return enrollment.Contact{}, err
	}
	row, ok := c.data.contacts[key{site, device}]
	if !ok {
		return enrollment.Contact{}, fmt.Errorf("memstore: contact: %w", enrollment.ErrNotFound)
	}
	return row, nil
}

func (c contacts) ByToken(ctx context.Context, macs []credentials.MAC) (enrollment.Contact, error) {
	if err := c.reading(ctx); err != nil {
		return enrollment.Contact{}, err
	}
	for _, mac := range macs {
		if k, ok := c.data.byToken[mac]; ok {
			return c.data.contacts[k], nil
		}
	}
	return enrollment.Contact{}, fmt.Errorf("memstore: contact: %w", enrollment.ErrNotFound)
}

// Silent implements [enrollment.Contacts]. Those silent for longest come first.
func (c contacts) Silent(ctx context.Context, site string, states []string, t time.Time, limit int) ([]string, error) {
	if err := c.reading(ctx); err != nil {
		return nil, err
	}
	var list []enrollment.Contact
	for k := range c.data.slotsOf[site] {
		slot := c.data.slots[k]
		row, ok := c.data.contacts[k]
		if ok && slot.Kind == enrollment.SlotDevice && slices.Contains(states, slot.State) && row.At.Before(micros(t)) {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b enrollment.Contact) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Device, b.Device))
	})
	var ids []string
	for _, row := range first(list, limit) {
		ids = append(ids, row.Device)
	}
	return ids, nil
}

func (c contacts) List(ctx context.Context, after enrollment.Contact, limit int) ([]enrollment.Contact, error) {
	if err := c.reading(ctx); err != nil {
		return nil, err
	}
	order := func(a, b enrollment.Contact) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Device, b.Device))
	}
	var list []enrollment.Contact
	for _, row := range c.data.contacts {
		if order(row, after) > 0 {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, order)
	return first(list, limit), nil
}

// Touch implements [enrollment.Storage].
func (s *Store) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	answer := make([]enrollment.Contact, len(touches))
	err := s.unit(ctx, true, func(ctx context.Context, t *tx) error {
		found := make([]key, len(touches))
		for i, touch := range touches {
			found[i] = contacts{t}.touch(touch)
		}
		for i, k := range found {
			answer[i] = t.data.contacts[k] // the zero Contact of the zero key
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// touch notes one sign of life and returns whose it is, or the zero key.
func (c contacts) touch(touch enrollment.Touch) key {
	k := key{touch.Site, touch.Device}
	if touch.Device == "" {
		k = key{}
		for _, mac := range touch.Tokens {
			if owner, ok := c.data.byToken[mac]; ok {
				k = owner
				break
			}
		}
	}
	row, ok := c.data.contacts[k]
	if !ok {
		return key{}
	}
	if row.Gone {
		return k
	}
	if at := micros(touch.At); at.After(row.At) {
		row.At = at
	}
	row.Seq = max(row.Seq, touch.Seq)
	put(c.tx, c.data.contacts, k, row)
	if slot, ok := c.data.slots[k]; ok && !row.At.Before(slot.LastConnection.Add(enrollment.ListRefresh)) {
		slot.LastConnection = row.At
		put(c.tx, c.data.slots, k, slot)
	}
	return k
}
