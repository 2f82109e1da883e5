package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/enrollkit/enrollment"
)

type outbox struct{ *tx }

func (o outbox) Put(ctx context.Context, list ...enrollment.Message) error {
	return o.write(ctx, func() error {
		for _, m := range list {
			m, err := taken(m)
			if err != nil {
				return err
			}
			k, dedupe := key{m.Site, m.ID}, key{m.Site, m.Dedupe}
			if _, ok := o.data.deduped[dedupe]; ok && m.Dedupe != "" {
				continue
			}
			if _, ok := o.data.messages[k]; ok {
				return fmt.Errorf("memstore: message: %w", enrollment.ErrExists)
			}
			if m.Dedupe != "" {
				put(o.tx, o.data.deduped, dedupe, m.ID)
			}
			o.store(k, m)
		}
		return nil
	})
}

// Claim implements [enrollment.Outbox]. What has been due for longest comes first.
func (o outbox) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]enrollment.Message, error) {
	now = micros(now)
	var due []enrollment.Message
	err := o.write(ctx, func() error {
		for k := range o.data.waiting {
			if m := o.data.messages[k]; !m.DueAt.After(now) && !m.LeaseUntil.After(now) {
				due = append(due, m)
			}
		}
		slices.SortFunc(due, func(a, b enrollment.Message) int {
			return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Site, b.Site))
		})
		due = first(due, limit)
		for i := range due {
			due[i].LeaseUntil = micros(now.Add(lease))
			due[i].Fence++
			due[i].Attempt++
			o.store(key{due[i].Site, due[i].ID}, due[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

func (o outbox) Finish(ctx context.Context, site, id string, fence int64, out enrollment.Outcome) error {
	return o.write(ctx, func() error {
		out, err := taken(out)
		if err != nil {
			return err
		}
		k := key{site, id}
		m, ok := o.data.messages[k]
		switch {
		case !ok:
			return fmt.Errorf("memstore: message: %w", enrollment.ErrNotFound)
		case m.Fence != fence || m.Status != enrollment.MessageWaiting:
			return fmt.Errorf("memstore: message: %w", enrollment.ErrStale)
		}
		m.Status, m.Cause, m.LeaseUntil = out.Status, out.Cause, time.Time{}
		if out.Status == enrollment.MessageWaiting {
			m.DueAt = out.RetryAt
		} else {
			m.EndedAt = out.At
		}
		o.store(k, m)
		return nil
	})
}

func (o outbox) List(ctx context.Context, site, subject string, limit int) ([]enrollment.Message, error) {
	if err := o.reading(ctx); err != nil {
		return nil, err
	}
	var list []enrollment.Message
	for k, m := range o.data.messages {
		if k.site == site && (subject == "" || m.Invitation == subject || m.Device == subject) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b enrollment.Message) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return first(list, limit), nil
}

func (o outbox) Backlog(ctx context.Context, now time.Time) (enrollment.Backlog, error) {
	if err := o.reading(ctx); err != nil {
		return enrollment.Backlog{}, err
	}
	var b enrollment.Backlog
	for k := range o.data.waiting {
		b.N++
		due := o.data.messages[k].DueAt
		if !due.After(micros(now)) && (b.Oldest.IsZero() || due.Before(b.Oldest)) {
			b.Oldest = due
		}
	}
	return b, nil
}

func (o outbox) store(k key, m enrollment.Message) {
	put(o.tx, o.data.messages, k, m)
	if m.Status == enrollment.MessageWaiting {
		put(o.tx, o.data.waiting, k, struct{}{})
	} else {
		drop(o.tx, o.data.waiting, k)
	}
}
