package enrollment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

const (
	// maxTimeline is how many of its latest events Explain shows of a device.
	maxTimeline = 1000
	// maxWords is how many words a search may have: each costs a look-up.
	maxWords = 8
)

// Device returns one device as of now: one that has been silent for too long is
// shown as unresponsive even before the sweeper came by. A device that is
// deleted, or another site's, answers [ErrNotFound].
func (s *Service) Device(ctx context.Context, by Actor, id string) (_ DeviceDetail, err error) {
	defer s.did(ctx, "device", by.Site, s.began(), &err)
	e, err := s.look(ctx, by, id, false)
	return e.DeviceDetail, err
}

// Explain says why a device is in its state: what it requires, what is missing,
// and its latest events, the oldest of them first. It answers like
// [Service.Device].
func (s *Service) Explain(ctx context.Context, by Actor, id string) (_ Explanation, err error) {
	defer s.did(ctx, "explain", by.Site, s.began(), &err)
	return s.look(ctx, by, id, true)
}

func (s *Service) look(ctx context.Context, by Actor, id string, timeline bool) (Explanation, error) {
	if err := s.authorize(ctx, by, PermRead); err != nil {
		return Explanation{}, err
	}
	site, err := s.site(ctx, by.Site)
	if err != nil {
		return Explanation{}, err
	}
	var out Explanation
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		out = Explanation{}
		var err error
		if out.DeviceDetail, err = u.detail(ctx, site, id); err != nil || !timeline {
			return err
		}
		out.Timeline, err = u.Journal().List(ctx, EventQuery{
			Site: by.Site, Subject: id, After: max(0, out.Events-maxTimeline), Limit: maxTimeline,
		})
		return err
	})
	if err != nil {
		return Explanation{}, err
	}
	return out, nil
}

// detail returns one device that is not deleted, with what is computed of it.
func (u *unit) detail(ctx context.Context, site Site, id string) (DeviceDetail, error) {
	d, err := u.Devices().Get(ctx, site.ID, id)
	if err != nil {
		return DeviceDetail{}, err
	}
	if d.Deleted() {
		return DeviceDetail{}, ErrNotFound
	}
	contact, err := u.contactOf(ctx, site.ID, id)
	if err != nil {
		return DeviceDetail{}, err
	}
	user, err := u.userOf(ctx, site.ID, d.User)
	if err != nil {
		return DeviceDetail{}, err
	}
	d = live(d, contact, site, u.now)
	out := DeviceDetail{
		Device: d, User: user, LastContact: contact.At, AsOf: u.now,
		Requires: slices.Clone(site.Policy.Requirements.Of(d.Mode)), Missing: missingOf(d, site.Policy.Requirements),
	}
	out.Waits, out.Next = site.Policy.waiting(d, out.Missing)
	return out, nil
}

// userOf returns our row of a user; a device may outlive it.
func (u *unit) userOf(ctx context.Context, site, id string) (User, error) {
	user, err := u.Users().Get(ctx, site, id)
	if errors.Is(err, ErrNotFound) {
		return User{Site: site, ID: id}, nil
	}
	return user, err
}

// silent reports whether the latest sign of life is longer ago than the site
// allows. A device that never had contact is not waited for.
func silent(contact Contact, site Site, now time.Time) bool {
	return !contact.At.IsZero() && contact.At.Before(now.Add(-site.Policy.UnresponsiveAfter))
}

// live returns d as the sweeper would leave it if it came by now.
func live(d device.Device, contact Contact, site Site, now time.Time) device.Device {
	if !silent(contact, site, now) || !waitedFor(d.State) {
		return d
	}
	next, err := d.Step(device.StepSilence, reasonSilent, contact.At.Add(site.Policy.UnresponsiveAfter))
	if err != nil {
		return d
	}
	return next
}

// reasonSilent is why a device is unresponsive.
const reasonSilent = "silent"

// waitedFor reports whether a device in state s can become unresponsive.
func waitedFor(s device.State) bool { return s == device.Active || s == device.Impaired }

// Overview returns one page of the Mobile devices view: a row for each active
// invitation without a live device, and one for each device. States are those
// that are stored; the sweeper sees to it that they are not late. It answers a
// [*ValidationError], and [ErrPageToken] for a token of another query.
func (s *Service) Overview(ctx context.Context, by Actor, q OverviewQuery) (_ OverviewPage, err error) {
	defer s.did(ctx, "overview", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermRead); err != nil {
		return OverviewPage{}, err
	}
	query, asked, err := s.slotQuery(by.Site, q)
	if err != nil {
		return OverviewPage{}, err
	}
	size := query.Limit
	query.Limit++ // one more tells whether there is another page
	var page OverviewPage
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		page = OverviewPage{Slots: []SlotView{}, AsOf: u.now}
		rows, err := u.Slots().Page(ctx, query)
		if err != nil {
			return err
		}
		if len(rows) > size {
			rows = rows[:size]
			last := rows[size-1]
			page.NextPageToken = s.pageToken("slots", by.Site, asked, last.SortKey(query.Sort), last.ID)
		}
		if page.Counts, err = u.Slots().Counts(ctx, by.Site); err != nil {
			return err
		}
		seen, err := u.sightingsOf(ctx, by.Site, rows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			page.Slots = append(page.Slots, viewSlot(row, seen[row.ID]))
		}
		return nil
	})
	if err != nil {
		return OverviewPage{}, err
	}
	if page.Counts == nil {
		page.Counts = map[string]int64{}
	}
	return page, nil
}

// slotQuery checks a query and returns what to ask the store, and what a page
// token is bound to.
func (s *Service) slotQuery(site string, q OverviewQuery) (SlotQuery, string, error) {
	var fields []FieldError
	add := func(bad bool, field, code string) {
		if bad {
			fields = append(fields, FieldError{field, code})
		}
	}
	if q.Sort == "" {
		q.Sort = SortLastConnection
	}
	words := strings.Fields(strings.ToLower(q.Search))
	slices.Sort(words)
	words = slices.Compact(words)
	add(q.State != "" && !slotState(q.State), "state", "unknown")
	add(q.Platform != "" && !q.Platform.Valid(), "platform", "unknown")
	add(q.Ownership != "" && !q.Ownership.Valid(), "ownership", "unknown")
	add(q.Sort != SortLastConnection && q.Sort != SortName && q.Sort != SortState, "sort", "unknown")
	add(len(words) > maxWords || len(q.Search) > maxText, "q", "too_long")
	add(!utf8.ValidString(q.Search) || strings.ContainsRune(q.Search, 0), "q", "malformed")
	size, err := pageSize(q.PageSize)
	add(err != nil, "page_size", "out_of_range")
	if len(fields) > 0 {
		return SlotQuery{}, "", &ValidationError{Fields: fields}
	}
	query := SlotQuery{
		Site: site, State: q.State, Platform: q.Platform, Ownership: q.Ownership,
		Search: words, Sort: q.Sort, Limit: size,
	}
	asked := strings.Join(append([]string{q.State, string(q.Platform), string(q.Ownership), string(q.Sort)}, words...), "\x00")
	if q.PageToken != "" {
		pos, err := s.openPageToken("slots", site, asked, q.PageToken, 2)
		if err != nil {
			return SlotQuery{}, "", err
		}
		query.After = SlotPosition{Key: pos[0], ID: pos[1]}
	}
	return query, asked, nil
}

// slotState reports whether a row of the view can be in state s.
func slotState(s string) bool {
	return slices.Contains(device.States(), device.State(s)) ||
		slices.Contains(invitation.States(), invitation.State(s)) && invitation.State(s).Active()
}

// sightingsOf returns what was seen of the invitations among rows.
func (u *unit) sightingsOf(ctx context.Context, site string, rows []Slot) (map[string][]invitation.Sighting, error) {
	var ids []string
	for _, row := range rows {
		if row.Kind == SlotInvitation {
			ids = append(ids, row.ID)
		}
	}
	seen := map[string][]invitation.Sighting{}
	if len(ids) == 0 {
		return seen, nil
	}
	list, err := u.Sightings().List(ctx, site, ids...)
	for _, row := range list {
		seen[row.Invitation] = append(seen[row.Invitation], row)
	}
	return seen, err
}

// viewSlot adds what is computed when a row is read.
func viewSlot(row Slot, seen []invitation.Sighting) SlotView {
	view := SlotView{Slot: row}
	if row.Kind == SlotDevice {
		d := device.Device{State: device.State(row.State)}
		if row.Conflict {
			d.Conflict = row.ID // whose it is does not matter here
		}
		view.Waits, view.Next = d.Waiting(row.Missing)
		return view
	}
	view.Progress = progressOf(invitation.State(row.State), "", row.CreatedAt, seen)
	if view.Waits = view.Progress.Waits; view.Waits == device.WaitsNobody {
		view.Waits = device.WaitsUser // whose device was managed, and has left
	}
	for _, sighting := range seen {
		if sighting.Evidence == invitation.Fetched {
			view.FetchedAt = sighting.Last
		}
		if sighting.Last.After(view.LastObservation) {
			view.LastObservation = sighting.Last
		}
	}
	return view
}

// Events returns the site's journal behind the cursor after, at most limit
// events (0: [DefaultPageSize]) in the order of their SiteSeq. Whoever goes on
// from EventsPage.After misses none, also of those that commit late. A negative
// cursor or limit, or one above [MaxPageSize], is a [*ValidationError].
func (s *Service) Events(ctx context.Context, by Actor, after int64, limit int) (_ EventsPage, err error) {
	defer s.did(ctx, "events", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermRead); err != nil {
		return EventsPage{}, err
	}
	if after < 0 {
		return EventsPage{}, invalid("after", "out_of_range")
	}
	limit, err = pageSize(limit)
	if err != nil {
		return EventsPage{}, err
	}
	page := EventsPage{}
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		page = EventsPage{Events: []Event{}, After: after}
		list, err := u.Journal().List(ctx, EventQuery{Site: by.Site, After: after, Limit: limit})
		page.Events = append(page.Events, list...)
		return err
	})
	if err != nil {
		return EventsPage{}, err
	}
	if n := len(page.Events); n > 0 {
		page.After = page.Events[n-1].SiteSeq
	}
	return page, nil
}
