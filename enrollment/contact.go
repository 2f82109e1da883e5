package enrollment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// maxSeq is the greatest sequence number: beyond it, JavaScript and some JSON
// libraries lose digits.
const maxSeq = 1<<53 - 1

// touchBatch is how many signs of life are stored at once.
const touchBatch = 500

// Report takes what an agent says of its device and answers how the device
// stands. It answers [ErrTokenRefused], [ErrDeviceGone], and a
// [*ValidationError] (fields "seq", "facts.NAME", "inventory", "name" and so
// on), of which nothing is kept but the sign of life.
//
// Every report with a good token counts as contact, by the server's clock. One
// whose Seq is not greater than the latest changes no state: it is acknowledged
// with the sequence number that is expected. So is any report of a device that
// is unenrolled. Reports may come in any order and any number of times, also at
// once.
//
// What a report says and its Seq are stored together or not at all, so a report
// that was not answered can be sent again.
func (s *Service) Report(ctx context.Context, token credentials.Secret, r Report) (_ Status, err error) {
	defer s.did(ctx, "report", "", s.began(), &err)
	macs := s.deviceMACs(token)
	// Without Seq: were it stored here and the facts lost in a crash, the
	// repetition would be refused as late.
	c, err := s.contact(ctx, macs, 0)
	if err != nil {
		return Status{}, err
	}
	if err := s.restoreIfSilent(ctx, c); err != nil {
		return Status{}, err
	}
	e, err := r.evidence()
	if err != nil {
		return Status{}, err
	}
	site, err := s.site(ctx, c.Site)
	if err != nil {
		return Status{}, err
	}
	var out Status
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		d, contact, err := u.lockByToken(ctx, c, macs)
		if err != nil {
			return err
		}
		// Sequence and change are judged under the lock even where nothing
		// changes: two reports at once must not overtake one another.
		if r.Seq > contact.Seq {
			contact.Seq = r.Seq
			if d.State != device.Unenrolled {
				e.at = u.now
				if d, err = u.learn(ctx, site, d, contact, e); err != nil {
					return err
				}
			}
			if err := u.Contacts().Put(ctx, contact); err != nil {
				return err
			}
		}
		out = statusOf(d, contact, site.Policy)
		return nil
	})
	if err != nil {
		return Status{}, err
	}
	return out, nil
}

// CheckIn notes a sign of life by the server's clock. seq is the message's
// sequence number, counted together with those of reports; 0: it has none. It
// answers a [*ValidationError], [ErrTokenRefused] and [ErrDeviceGone]. It writes
// neither journal nor outbox unless it ends a silence.
func (s *Service) CheckIn(ctx context.Context, token credentials.Secret, seq int64) (err error) {
	defer s.did(ctx, "check_in", "", s.began(), &err)
	wrong := seq < 0 || seq > maxSeq
	if wrong {
		seq = 0 // a sign of life all the same
	}
	c, err := s.contact(ctx, s.deviceMACs(token), seq)
	if err == nil {
		err = s.restoreIfSilent(ctx, c)
	}
	if err == nil && wrong {
		err = invalid("seq", "out_of_range")
	}
	return err
}

// Unenroll notes that a device leaves by itself. Its invitation, if still
// active, is a slot again. Leaving twice is no error. It answers
// [ErrTokenRefused] and [ErrDeviceGone].
func (s *Service) Unenroll(ctx context.Context, token credentials.Secret) (err error) {
	defer s.did(ctx, "unenroll", "", s.began(), &err)
	macs := s.deviceMACs(token)
	c, err := s.contact(ctx, macs, 0)
	if err != nil {
		return err
	}
	site, err := s.site(ctx, c.Site)
	if err != nil {
		return err
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		if err := u.lockInvitationOf(ctx, c.Site, c.Device); err != nil {
			return err
		}
		d, contact, err := u.lockByToken(ctx, c, macs)
		if err != nil {
			return err
		}
		_, err = u.left(ctx, site, d, contact, "left", ActorDevice, device.Ref{})
		return err
	})
}

// Touch notes signs of life that a trusted channel saw, each named by Site and
// Device. A time in the future counts as now, a zero one too; contact only ever
// moves forward. Tokens and Seq are not looked at: the sequence is the agent's
// own. Devices that do not exist or are deleted are left out without an error,
// since a channel may lag behind. A row without Site or Device is a
// [*ValidationError], and nothing is noted.
func (s *Service) Touch(ctx context.Context, touches []Touch) (err error) {
	defer s.did(ctx, "touch", "", s.began(), &err)
	now := s.now()
	list := make([]Touch, len(touches))
	for i, t := range touches {
		switch {
		case t.Site == "":
			return invalid(fmt.Sprintf("touches[%d].site", i), "required")
		case t.Device == "":
			return invalid(fmt.Sprintf("touches[%d].device", i), "required")
		}
		if t.At.IsZero() || t.At.After(now) {
			t.At = now
		}
		list[i] = Touch{Site: t.Site, Device: t.Device, At: t.At.UTC()}
	}
	var errs []error
	for batch := range slices.Chunk(list, touchBatch) {
		rows, err := s.store.Touch(ctx, batch)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, c := range rows {
			if !c.Gone {
				errs = append(errs, s.restoreIfSilent(ctx, c))
			}
		}
	}
	return errors.Join(errs...)
}

// deviceMACs returns the candidates for a device token's stored MAC; none for
// no token.
func (s *Service) deviceMACs(token credentials.Secret) []credentials.MAC {
	if token.IsZero() {
		return nil
	}
	return s.keys().MACsSecret(credentials.PurposeDevice, token)
}

// contact notes one sign of life and tells whose it was.
func (s *Service) contact(ctx context.Context, macs []credentials.MAC, seq int64) (Contact, error) {
	if len(macs) == 0 {
		return Contact{}, ErrTokenRefused
	}
	rows, err := s.store.Touch(ctx, []Touch{{Tokens: macs, At: s.now(), Seq: seq}})
	switch {
	case err != nil:
		return Contact{}, err
	case len(rows) != 1:
		return Contact{}, errors.New("enrollment: store answered a touch without its contact")
	case rows[0].Device == "":
		return Contact{}, s.view(ctx, func(ctx context.Context, u *unit) error { return u.missed(ctx, ErrTokenRefused) })
	case rows[0].Gone:
		return Contact{}, ErrDeviceGone
	}
	return rows[0], nil
}

// lockByToken locks the device that c belongs to, then its contact, and looks
// again whether the token is still good: it may have enrolled anew since.
func (u *unit) lockByToken(ctx context.Context, c Contact, macs []credentials.MAC) (device.Device, Contact, error) {
	d, err := u.Devices().Lock(ctx, c.Site, c.Device)
	if err != nil {
		return d, c, err
	}
	contact, err := u.Contacts().ByToken(ctx, macs)
	switch {
	case errors.Is(err, ErrNotFound):
		return d, c, u.missed(ctx, ErrTokenRefused)
	case err != nil:
		return d, c, err
	case contact.Gone || d.Deleted():
		return d, c, ErrDeviceGone
	case contact.Site != d.Site || contact.Device != d.ID:
		return d, c, ErrTokenRefused
	}
	return d, contact, nil
}

// restoreIfSilent ends the silence of a device that has just been heard of, in
// a unit of its own: state, event and count. It looks again under the lock,
// so that of many signs at once one restores. A sign that is itself older than
// the site allows restores nothing.
func (s *Service) restoreIfSilent(ctx context.Context, c Contact) error {
	if !c.Silent {
		return nil
	}
	site, err := s.site(ctx, c.Site)
	if err != nil {
		return err
	}
	return s.update(ctx, func(ctx context.Context, u *unit) error {
		d, err := u.Devices().Lock(ctx, c.Site, c.Device)
		if err != nil {
			return err
		}
		contact, err := u.contactOf(ctx, c.Site, c.Device)
		if err != nil || !contact.Silent || contact.Gone || silent(contact, site, u.now) {
			return err
		}
		contact.Silent = false
		if err := u.Contacts().Put(ctx, contact); err != nil || d.State != device.Unresponsive {
			return err
		}
		next, err := d.Judge(site.Policy.Requirements, u.now)
		if err != nil {
			return err
		}
		_, err = u.saveDevice(ctx, next, contact, site.Policy.Requirements, stateEvent(d, next, ActorDevice))
		return err
	})
}

// evidence checks a report and reads it.
func (r Report) evidence() (evidence, error) {
	var fields []FieldError
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
	switch {
	case r.Seq == 0:
		add("seq", "required")
	case r.Seq < 0 || r.Seq > maxSeq:
		add("seq", "out_of_range")
	}
	e := evidence{
		source: device.SourceAgent, actor: ActorDevice, facts: map[device.Fact]bool{},
		name: r.Name, manufacturer: r.Manufacturer, model: r.Model, osVersion: r.OSVersion,
	}
	fields = append(fields, checkFacts(device.SourceAgent, r.Facts)...)
	for f, value := range r.Facts {
		e.facts[f] = value
	}
	fields = append(fields, checkTexts("", [][2]string{
		{"name", r.Name}, {"manufacturer", r.Manufacturer}, {"model", r.Model}, {"os_version", r.OSVersion},
	})...)
	inventory, code := readInventory(r.Inventory)
	if code != "" {
		add("inventory", code)
	}
	if inventory != nil {
		e.inventory = inventory
		e.facts[device.InventoryReceived] = true
	}
	if len(fields) > 0 {
		return evidence{}, &ValidationError{Fields: fields}
	}
	return e, nil
}

// readInventory returns the one spelling of a JSON object, nil if it is empty
// or absent, and a code if it is something else.
func readInventory(b []byte) (json.RawMessage, string) {
	b = bytes.TrimSpace(b)
	if len(b) > MaxInventory {
		return nil, "too_long"
	}
	if len(b) == 0 {
		return nil, ""
	}
	var compact bytes.Buffer
	if b[0] != '{' || !utf8.Valid(b) || json.Compact(&compact, b) != nil {
		return nil, "malformed"
	}
	if compact.Len() == len("{}") {
		return nil, ""
	}
	return compact.Bytes(), ""
}

// checkFacts says which facts do not exist or are not the source's to assert.
func checkFacts(source device.Source, facts map[device.Fact]bool) (fields []FieldError) {
	for f := range facts {
		switch {
		case !f.Valid():
			fields = append(fields, FieldError{factField(f), "unknown"})
		case !source.MayAssert(f):
			fields = append(fields, FieldError{factField(f), "not_allowed"})
		}
	}
	slices.SortFunc(fields, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return slices.Compact(fields)
}

// factField names a fact in an error, unless the name looks like no fact's: what
// a client put there by mistake, a PIN say, is not repeated.
func factField(f device.Fact) string {
	made := func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }
	if f == "" || len(f) > 64 || strings.ContainsFunc(string(f), made) {
		return "facts"
	}
	return "facts." + string(f)
}

// checkTexts says which of the fields (name and value) are no plain texts.
func checkTexts(prefix string, texts [][2]string) (fields []FieldError) {
	for _, t := range texts {
		switch {
		case len(t[1]) > maxText:
			fields = append(fields, FieldError{prefix + t[0], "too_long"})
		case !plainText(t[1]):
			fields = append(fields, FieldError{prefix + t[0], "malformed"})
		}
	}
	return fields
}
