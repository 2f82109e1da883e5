package enrollment

import (
	"context"
	"strconv"

	"example.com/enrollkit/credentials"
)

// EventPINSiteSpent is the journal's name for a site's budget of wrong PINs
// being spent: from then on it takes one wrong PIN at a time, slowly. Its Subject
// is [PINSiteSubject].
const EventPINSiteSpent = "site.pins_slowed"

// PINSiteSubject is the subject of events about all PINs of a site.
const PINSiteSubject = "pins"

// tellSite raises the alert for a site whose budget of wrong PINs is spent, once
// in its window. counters are those of a candidate's limits: one person's PIN may
// be far from burnt while all of a site's are tried.
func (s *Service) tellSite(ctx context.Context, site Site, counters []credentials.Counter) error {
	limit, on := site.Policy.Credentials.PINSiteLimit(site.ID)
	if !on || len(counters) < 2 || counters[1].N < limit.Max {
		return nil
	}
	key := strconv.FormatInt(counters[1].Start.UnixMicro(), 10) // of this window
	told := false
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		old, err := u.answered(ctx, site.ID, EventPINSiteSpent, key)
		told = old != nil
		return err
	})
	if err != nil || told {
		return err
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		if old, err := u.answered(ctx, site.ID, EventPINSiteSpent, key); err != nil || old != nil {
			return err
		}
		err := u.Records().Put(ctx, Record{
			Site: site.ID, Scope: EventPINSiteSpent, Key: key, Result: []byte("{}"), At: u.now, ExpiresAt: u.now.Add(limit.Window),
		})
		if err != nil {
			return err
		}
		last, err := u.lastSeq(ctx, site.ID, PINSiteSubject)
		if err != nil {
			return err
		}
		events, err := u.entries(site.ID, PINSiteSubject, &last, []Event{{
			Type: EventPINSiteSpent, Actor: ActorSystem, Data: map[string]string{"tries": strconv.Itoa(limit.Max)},
		}}, func(*Event) {})
		if err != nil {
			return err
		}
		if err := u.record(ctx, events); err != nil {
			return err
		}
		return u.enqueue(ctx, Message{Site: site.ID, Kind: MessageAlert, Event: events[0].ID})
	})
}
