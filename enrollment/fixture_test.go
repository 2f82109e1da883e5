package enrollment_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sites are the tenants of a world.
type sites struct {
	mu   sync.Mutex
	list map[string]enrollment.Site
	err  error
}

func (s *sites) Site(_ context.Context, id string) (enrollment.Site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return enrollment.Site{}, s.err
	}
	site, ok := s.list[id]
	if !ok {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return site, nil
}

func (s *sites) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return s.Site(ctx, "acme")
}

func (s *sites) All(context.Context) iter.Seq2[string, error] {
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.list))
	s.mu.Unlock()
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

func (s *sites) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// change changes one site.
func (s *sites) change(id string, change func(*enrollment.Site)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	site := s.list[id]
	change(&site)
	s.list[id] = site
}

// directory knows ann, bob and cyd on every site.
type directory struct{}

func (directory) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	switch id {
	case "ann", "bob", "cyd":
		return enrollment.User{Site: site, ID: id, Name: strings.ToUpper(id[:1]) + id[1:] + " Canary", Email: id + "@example.com"}, nil
	case "noaddress":
		return enrollment.User{Site: site, ID: id, Name: "No Address"}, nil
	}
	return enrollment.User{}, enrollment.ErrNotFound
}

func (directory) ByEmail(context.Context, string) ([]enrollment.User, error) { return nil, nil }

// admins are the same on every site.
type admins []enrollment.Administrator

func (a admins) Administrators(context.Context, string) ([]enrollment.Administrator, error) {
	return a, nil
}

// mailbox takes mail, or does what its fail says.
type mailbox struct {
	mu    sync.Mutex
	mails []enrollment.Mail
	tries int
	fail  func(enrollment.Mail) error
}

func (b *mailbox) Deliver(_ context.Context, m enrollment.Mail) error {
	b.mu.Lock()
	fail := b.fail
	b.tries++
	b.mu.Unlock()
	if fail != nil {
		if err := fail(m); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, m)
	return nil
}

func (b *mailbox) all() []enrollment.Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

func (b *mailbox) failing(fail func(enrollment.Mail) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// world is a Service with everything around it, over a store in memory.
type world struct {
	*testing.T
	ctx   context.Context
	store *memstore.Store
	svc   *enrollment.Service
	cfg   enrollment.Config
	clock *clock
	sites *sites
	mail  *mailbox
	log   *bytes.Buffer
	by    enrollment.Actor // an administrator of the site acme
	seq   int

	offered *enrollment.Offer // what a platform was offered last; see newOffering
}

// newWorld has the sites acme and other. Options change the config before the
// Service is made.
func newWorld(t *testing.T, options ...func(*enrollment.Config)) *world {
	t.Helper()
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	w := &world{
		T: t, ctx: t.Context(), store: memstore.New(),
		clock: &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)},
		mail:  &mailbox{}, log: &bytes.Buffer{},
		by: enrollment.Actor{Site: "acme", ID: "adm-1", Name: "Ada"},
		sites: &sites{list: map[string]enrollment.Site{
			"acme":  {Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "acme.example", Path: "/join"}, Languages: []string{"cs", "en"}},
			"other": {Name: "Other", PublicURL: &url.URL{Scheme: "https", Host: "other.example"}},
		}},
	}
	w.cfg = enrollment.Config{
		Keyring: ring, Sites: w.sites, Directory: directory{}, Deliverer: w.mail,
		Administrators: admins{{ID: "adm-1", Name: "Ada", Email: "ada@acme.example"}, {ID: "adm-2", Name: "Bo", Email: "bo@acme.example"}},
		Now:            w.clock.Now,
		Logger:         slog.New(slog.NewTextHandler(&locked{w: w.log}, nil)),
	}
	for _, option := range options {
		option(&w.cfg)
	}
	w.svc = w.over(w.store)
	return w
}

// over returns a Service with the world's config over another store.
func (w *world) over(store enrollment.Storage) *enrollment.Service {
	w.Helper()
	svc, err := enrollment.New(store, w.cfg)
	require.NoError(w, err)
	return svc
}

// locked lets several goroutines write to one log.
type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// invite invites a user of the directory by mail and returns the invitation.
func (w *world) invite(user string, change ...func(*enrollment.InviteRequest)) string {
	w.Helper()
	r := enrollment.InviteRequest{User: user, Send: true}
	for _, c := range change {
		c(&r)
	}
	result, err := w.svc.Invite(w.ctx, w.by, r)
	require.NoError(w, err)
	return result.Invitation
}

// token returns the token of an invitation.
func (w *world) token(invitation string) credentials.Secret {
	w.Helper()
	revealed, err := w.svc.Reveal(w.ctx, w.by, invitation)
	require.NoError(w, err)
	token, err := credentials.ParseDeploymentURL(revealed.URL.Reveal())
	require.NoError(w, err)
	return token
}

// enroll enrolls a new Android phone by an invitation.
func (w *world) enroll(invitation string, change ...func(*enrollment.EnrollRequest)) enrollment.Enrolled {
	w.Helper()
	w.seq++
	r := enrollment.EnrollRequest{
		EnrollmentID: fmt.Sprintf("enrollment-%d", w.seq),
		Credential:   enrollment.Presented{Token: w.token(invitation)},
		Device: enrollment.Claim{
			Platform: device.Android, Name: "Phone", Manufacturer: "Maker",
			Hardware: device.Hardware{Serial: fmt.Sprintf("SN%04d", w.seq)},
		},
	}
	for _, c := range change {
		c(&r)
	}
	enrolled, err := w.svc.Enroll(w.ctx, r)
	require.NoError(w, err)
	return enrolled
}

// complete are the facts that make an Android work profile active, but for the
// inventory.
func complete() map[device.Fact]bool {
	return map[device.Fact]bool{device.AgentInstalled: true, device.WorkProfile: true, device.Permissions: true}
}

// active enrolls a device of a user and reports until it is active, with 1 as
// its latest sequence number.
func (w *world) active(user string) enrollment.Enrolled {
	w.Helper()
	enrolled := w.enroll(w.invite(user))
	status := w.report(enrolled, enrollment.Report{Seq: 1, Facts: complete(), Inventory: []byte(`{"model":"P1"}`)})
	require.Equal(w, device.Active, status.State)
	return enrolled
}

func (w *world) report(e enrollment.Enrolled, r enrollment.Report) enrollment.Status {
	w.Helper()
	status, err := w.svc.Report(w.ctx, e.Token, r)
	require.NoError(w, err)
	return status
}

// unresponsive makes an active device of a user unresponsive.
func (w *world) unresponsive(user string) enrollment.Enrolled {
	w.Helper()
	enrolled := w.active(user)
	w.clock.Advance(enrollment.DefaultUnresponsiveAfter + time.Second)
	n, err := w.svc.Sweep(w.ctx)
	require.NoError(w, err)
	require.Equal(w, 1, n)
	return enrolled
}

// device returns a device as it is stored.
func (w *world) device(id string) (d device.Device) {
	w.Helper()
	w.view(func(ctx context.Context, tx enrollment.Tx) (err error) {
		d, err = tx.Devices().Get(ctx, "acme", id)
		return err
	})
	return d
}

// contact returns a device's contact row.
func (w *world) contact(id string) (c enrollment.Contact) {
	w.Helper()
	w.view(func(ctx context.Context, tx enrollment.Tx) (err error) {
		c, err = tx.Contacts().Get(ctx, "acme", id)
		return err
	})
	return c
}

// events returns the journal of one subject, the oldest first.
func (w *world) events(subject string) (list []enrollment.Event) {
	w.Helper()
	w.view(func(ctx context.Context, tx enrollment.Tx) (err error) {
		list, err = tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme", Subject: subject})
		return err
	})
	for i, e := range list {
		require.Equal(w, int64(i+1), e.Seq, "events of a subject are 1, 2, 3 ...")
	}
	return list
}

// types returns the types of the events of one subject.
func (w *world) types(subject string) []string {
	w.Helper()
	list := []string{}
	for _, e := range w.events(subject) {
		list = append(list, string(e.Type))
	}
	return list
}

// outbox returns the messages of acme about a subject, or all of them, the
// newest first.
func (w *world) outbox(subject string) (list []enrollment.Message) {
	w.Helper()
	w.view(func(ctx context.Context, tx enrollment.Tx) (err error) {
		list, err = tx.Outbox().List(ctx, "acme", subject, 1000)
		return err
	})
	return list
}

// slots returns the rows of the Mobile devices view by id, and checks the
// counts against them.
func (w *world) slots() map[string]enrollment.SlotView {
	w.Helper()
	page, err := w.svc.Overview(w.ctx, w.by, enrollment.OverviewQuery{PageSize: enrollment.MaxPageSize})
	require.NoError(w, err)
	rows, counted := map[string]enrollment.SlotView{}, map[string]int64{}
	for _, row := range page.Slots {
		rows[row.ID] = row
		counted[row.State]++
	}
	for state, n := range page.Counts {
		require.Equal(w, counted[state], n, "count of %s", state)
		delete(counted, state)
	}
	require.Empty(w, counted, "states without a count")
	return rows
}

func (w *world) view(fn func(context.Context, enrollment.Tx) error) {
	w.Helper()
	require.NoError(w, w.store.View(w.ctx, fn))
}

// deliver delivers everything that is due.
func (w *world) deliver() (n int) {
	w.Helper()
	for {
		got, err := w.svc.DeliverDue(w.ctx)
		require.NoError(w, err)
		if n += got; got == 0 {
			return n
		}
	}
}

// checkHistory holds the journal of a device against its row: each change of
// state has exactly one event, each event of a change leads on from the one
// before, and the last leads to the state that is stored.
func (w *world) checkHistory(id string) {
	w.Helper()
	state := ""
	for _, e := range w.events(id) {
		if e.After == "" {
			continue
		}
		require.Equal(w, state, e.Before, "event %d, %s", e.Seq, e.Type)
		state = e.After
	}
	d := w.device(id)
	require.Equal(w, string(d.State), state, "the state that the journal leads to")
	require.Equal(w, int64(len(w.events(id))), d.Events)
}

// errBroken is what a broken store answers.
var errBroken = errors.New("the store is broken")

// brokenStore fails at its n-th call, counting the calls through its units.
// What fails inside of a unit panics, since that is how a group of calls can
// be broken as a whole; callers see it as an error of the unit.
type brokenStore struct {
	enrollment.Storage
	mu    sync.Mutex
	left  int  // calls until it fails
	after bool // whether Update and Touch fail after the commit
	broke bool
}

// call counts one call and says whether it fails.
func (b *brokenStore) call() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	if b.left == 0 {
		b.broke = true
	}
	return b.left == 0
}

func (b *brokenStore) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return b.unit(ctx, b.Storage.Update, fn)
}

func (b *brokenStore) View(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return b.unit(ctx, b.Storage.View, fn)
}

func (b *brokenStore) unit(ctx context.Context, run func(context.Context, func(context.Context, enrollment.Tx) error) error, fn func(context.Context, enrollment.Tx) error) (err error) {
	fails := b.call()
	if fails && !b.after {
		return errBroken
	}
	defer func() {
		if p := recover(); p != nil {
			if p != errBroken { //nolint:errorlint // it is the very value
				panic(p)
			}
			err = errBroken
		}
	}()
	err = run(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, brokenTx{tx, b}) })
	if fails && err == nil {
		return errBroken
	}
	return err
}

func (b *brokenStore) Touch(ctx context.Context, touches []enrollment.Touch) ([]enrollment.Contact, error) {
	fails := b.call()
	if fails && !b.after {
		return nil, errBroken
	}
	rows, err := b.Storage.Touch(ctx, touches)
	if fails {
		return nil, errBroken
	}
	return rows, err
}

// brokenTx counts the uses of each group.
type brokenTx struct {
	tx enrollment.Tx
	b  *brokenStore
}

func (t brokenTx) try() enrollment.Tx {
	if t.b.call() {
		panic(errBroken)
	}
	return t.tx
}

func (t brokenTx) Users() enrollment.Users             { return t.try().Users() }
func (t brokenTx) Invitations() enrollment.Invitations { return t.try().Invitations() }
func (t brokenTx) Credentials() enrollment.Credentials { return t.try().Credentials() }
func (t brokenTx) Counters() enrollment.Counters       { return t.try().Counters() }
func (t brokenTx) Sightings() enrollment.Sightings     { return t.try().Sightings() }
func (t brokenTx) Devices() enrollment.Devices         { return t.try().Devices() }
func (t brokenTx) Contacts() enrollment.Contacts       { return t.try().Contacts() }
func (t brokenTx) Slots() enrollment.Slots             { return t.try().Slots() }
func (t brokenTx) Journal() enrollment.Journal         { return t.try().Journal() }
func (t brokenTx) Outbox() enrollment.Outbox           { return t.try().Outbox() }
func (t brokenTx) Records() enrollment.Records         { return t.try().Records() }
