package model

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

const (
	acme  = "acme"
	other = "other" // a tenant that may reach nothing of acme's
)

var (
	admin    = enrollment.Actor{Site: acme, ID: "adm"}
	stranger = enrollment.Actor{Site: other, ID: "spy"}
	staff    = []string{"ann", "bob", "cyd"} // the directory
)

func addressOf(user string) string { return user + "@acme.example" }

// surroundings are what an embedder brings, the same for every system.
type surroundings struct{}

func (surroundings) Site(_ context.Context, id string) (enrollment.Site, error) {
	off := credentials.Off
	return enrollment.Site{
		Name: id, PublicURL: &url.URL{Scheme: "https", Host: "acme.example"},
		Policy: enrollment.Policy{
			UnresponsiveAfter: silentAfter, LeaveTimeout: leaveWithin,
			Retention: enrollment.Retention{Journal: enrollment.Forever, Observations: enrollment.Forever, Tombstones: enrollment.Forever},
			Credentials: credentials.Policy{
				PINBudget: pinBudget, PINAlert: pinAlert, PINPace: pinPace, PINPaceWindow: paceWindow,
				SourcePace: sourcePace, SourceWindow: paceWindow, PINSiteBudget: off,
				PasscodeLock: lockAt, PasscodeAlert: alertAt, PasscodeWindow: passcodeWindow,
				PasscodeSourceCap: sourceCap, PasscodeSlow: slowPace, PasscodePace: off, GlobalPace: off,
				MailboxCap: mailboxCap, MailboxWindow: mailboxWindow,
				OneTimeBudget: loginBudget, OneTimePace: off, OneTimeTTL: loginTTL, LoginReservation: reservation,
			},
		},
	}, nil
}

func (s surroundings) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return s.Site(ctx, acme)
}

func (surroundings) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { _ = yield(acme, nil) && yield(other, nil) }
}

func (surroundings) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	if site != acme || !slices.Contains(staff, id) {
		return enrollment.User{}, enrollment.ErrNotFound
	}
	return enrollment.User{Site: site, ID: id, Name: strings.ToUpper(id), Email: addressOf(id)}, nil
}

func (s surroundings) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	user, err := s.Lookup(ctx, acme, strings.TrimSuffix(email, "@acme.example"))
	if err != nil {
		return nil, nil // nobody has it
	}
	return []enrollment.User{user}, nil
}

func (surroundings) Administrators(context.Context, string) ([]enrollment.Administrator, error) {
	return []enrollment.Administrator{{ID: "adm", Name: "Ada", Email: "ada@acme.example"}}, nil
}

// opener opens a store: an empty one, or with again what it held before, as a
// process does that was started anew.
type opener interface {
	open(again bool) (enrollment.Storage, error)
	close() error
}

// system is a Service over one store.
type system struct {
	name   string
	store  opener
	svc    *enrollment.Service
	rand   *stream
	config enrollment.Config

	mu    sync.Mutex
	mails []enrollment.Mail
	after int64 // cursor in the journal
	log   map[string][]string
}

// Deliver implements enrollment.Deliverer.
func (s *system) Deliver(_ context.Context, m enrollment.Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	return nil
}

// start makes the Service over its store.
func (s *system) start(again bool) error {
	if again {
		if err := s.store.close(); err != nil {
			return err
		}
	}
	store, err := s.store.open(again)
	if err != nil {
		return err
	}
	if s.svc, err = enrollment.New(store, s.config); err != nil {
		return err
	}
	return s.svc.Check(context.Background())
}

// deliver empties the outbox and returns the mails as texts, in no order, and
// those with a login.
func (s *system) deliver(ctx context.Context) (texts []string, logins []enrollment.Mail, err error) {
	for {
		n, err := s.svc.DeliverDue(ctx)
		if err != nil {
			return nil, nil, err
		}
		if n == 0 {
			break
		}
	}
	for _, m := range s.mails {
		texts = append(texts, describe(m))
		if m.Login != nil {
			logins = append(logins, m)
		}
	}
	s.mails = nil
	slices.Sort(texts)
	slices.SortFunc(logins, func(a, b enrollment.Mail) int { return strings.Compare(a.To, b.To) })
	return texts, logins, nil
}

func describe(m enrollment.Mail) string {
	switch {
	case m.Invitation != nil:
		return fmt.Sprintf("invitation to %s, with PIN %t", m.To, !m.Invitation.Codes.PIN.IsZero())
	case m.Renewal != nil:
		codes := m.Renewal.Codes
		return fmt.Sprintf("renewal to %s, %s, with link %t, with PIN %t", m.To, m.Renewal.State, !codes.URL.IsZero(), !codes.PIN.IsZero())
	case m.Login != nil:
		return "login to " + m.To
	}
	return "alert " + m.Alert.Code
}

// journal reads on and returns everything so far, by subject.
func (s *system) journal(ctx context.Context) (map[string][]string, error) {
	if _, err := s.svc.Sequence(ctx); err != nil {
		return nil, err
	}
	for {
		page, err := s.svc.Events(ctx, admin, s.after, enrollment.MaxPageSize)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.SiteSeq != s.after+1 {
				return nil, fmt.Errorf("event %d of the site after %d", e.SiteSeq, s.after)
			}
			s.after = e.SiteSeq
			text := string(e.Type)
			if e.Reason != "" {
				text += " " + e.Reason
			}
			s.log[e.Subject] = append(s.log[e.Subject], text)
			if n := int64(len(s.log[e.Subject])); e.Seq != n {
				return nil, fmt.Errorf("%s: event %d where %d is due", e.Subject, e.Seq, n)
			}
		}
		if len(page.Events) == 0 {
			return s.log, nil
		}
	}
}

// slots walks the list in pages of two.
func (s *system) slots(ctx context.Context) ([]enrollment.SlotView, map[string]int64, error) {
	var rows []enrollment.SlotView
	for token := ""; ; {
		page, err := s.svc.Overview(ctx, admin, enrollment.OverviewQuery{PageSize: 2, PageToken: token})
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, page.Slots...)
		if token = page.NextPageToken; token == "" {
			return rows, page.Counts, nil
		}
	}
}

// invitations returns all of them.
func (s *system) invitations(ctx context.Context) ([]enrollment.InvitationDetail, error) {
	page, err := s.svc.Invitations(ctx, admin, enrollment.InvitationsQuery{
		PageSize: enrollment.MaxPageSize, States: invitation.States(),
	})
	return page.Invitations, err
}

// stream is a source of randomness that is the same for every system at every
// step, so that all make the same ids and secrets.
type stream struct {
	mu sync.Mutex
	r  *mathrand.ChaCha8
}

func (s *stream) step(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(n))
	s.r = mathrand.NewChaCha8(seed)
}

func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(b)
}
