package enrollment

import (
	"context"
	"errors"
	"strings"
	"time"
)

// PlatformSubject is the subject of the events about contacts that a platform, or
// another channel, turned away, see [Service.RefuseContact].
func PlatformSubject(name string) string { return "platform/" + name }

// refusedContactEvery is how often one refusal at one step is noted: whoever is at
// the door without a key must not fill the journal.
const refusedContactEvery = time.Hour

// scopeRefusedContact holds the refusals that the journal has of late.
const scopeRefusedContact = "refused_contact"

// RefuseContact notes in the journal that something was turned away which names
// no grant and no device: a certificate that nobody issued, a message that cannot
// be read. step says where, beginning with the platform's name ("windows/enroll"),
// and the event, an [EventRefused], has the [PlatformSubject] of that name; reason
// is a stable code. Neither may come from who is refused: the same step and reason
// are noted at most once an hour for a site, and that is all that keeps the journal
// from being filled by strangers. Of a site that is not known nothing is noted.
//
// Where there is a grant, [Service.RefuseGrant] says more. It may be called from
// many goroutines and nodes at once.
func (s *Service) RefuseContact(ctx context.Context, site, step, reason string) (err error) {
	defer s.did(ctx, "refuse_contact", site, s.began(), &err)
	name, _, _ := strings.Cut(step, "/")
	key := step + "/" + reason
	if name == "" || reason == "" || strings.Contains(reason, "/") || !plainText(key) {
		return invalid("reason", "malformed")
	}
	known, err := s.site(ctx, site)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// Most are repetitions, and do without the write lock of a store that has one.
	noted := false
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		result, err := u.answered(ctx, known.ID, scopeRefusedContact, key)
		noted = result != nil
		return err
	})
	if err != nil || noted {
		return err
	}
	// Nothing locks a platform's events. Who loses a number to another refusal takes
	// the next, and who loses to the same one finds it noted: every loss is somebody
	// else's event, of which there are not many in an hour.
	for range maxRefusedAtOnce {
		err = s.update(ctx, func(ctx context.Context, u *unit) error {
			return u.refuseContact(ctx, known.ID, PlatformSubject(name), key, Event{
				Type: EventRefused, Actor: ActorDevice, Reason: reason, Data: map[string]string{"step": step},
			})
		})
		if !errors.Is(err, ErrExists) {
			break
		}
	}
	return err
}

// maxRefusedAtOnce bounds how often a refusal loses to others, each time twice.
const maxRefusedAtOnce = 32

// refuseContact writes an event of a subject that no row counts for, unless it is
// noted by now.
func (u *unit) refuseContact(ctx context.Context, site, subject, key string, event Event) error {
	if result, err := u.answered(ctx, site, scopeRefusedContact, key); err != nil || result != nil {
		return err
	}
	err := u.Records().Put(ctx, Record{
		Site: site, Scope: scopeRefusedContact, Key: key, Result: []byte("{}"), At: u.now, ExpiresAt: u.now.Add(refusedContactEvery),
	})
	if err != nil {
		return err
	}
	last, err := u.lastSeq(ctx, site, subject)
	if err != nil {
		return err
	}
	events, err := u.entries(site, subject, &last, []Event{event}, func(*Event) {})
	if err != nil {
		return err
	}
	return u.record(ctx, events)
}
