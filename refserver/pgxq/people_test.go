package pgxq_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// people is a Service on several nodes, whose directory changes.
type people struct {
	*testing.T
	pool  *pgxpool.Pool
	store *sqlstore.Store
	cfg   enrollment.Config
	svc   *enrollment.Service
	name  string // everybody's
}

var ada = enrollment.Actor{Site: "acme", ID: "ada"}

func newPeople(t *testing.T) *people {
	t.Helper()
	p := &people{T: t, name: "Anna Old"}
	p.pool, p.store = ownStore(t)
	p.cfg = enrollment.Config{Keyring: newRing(t), Directory: p, Sites: enrollment.OneSite(enrollment.Site{
		ID: "acme", Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "acme.example"},
	})}
	p.svc = p.node(p.store)
	return p
}

func newRing(t *testing.T) *credentials.Keyring {
	t.Helper()
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	return ring
}

func (p *people) node(store enrollment.Storage) *enrollment.Service {
	p.Helper()
	svc, err := enrollment.New(store, p.cfg)
	require.NoError(p, err)
	return svc
}

func (p *people) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: p.name, Email: id + "@acme.example"}, nil
}

func (p *people) ByEmail(context.Context, string) ([]enrollment.User, error) { return nil, nil }

// while makes a node on which other happens right after a unit has read.
func (p *people) while(after string, other func() error) (svc *enrollment.Service, wait func()) {
	p.Helper()
	store, wait := whileIt(p.T, p.pool, p.store, after, other)
	return p.node(store), wait
}

// adopted is a device of anna's without an invitation.
func (p *people) adopted() string {
	p.Helper()
	results, err := p.svc.Adopt(p.Context(), ada, []enrollment.Adoption{{
		Ref: device.Ref{Source: "mdm", ID: "1"}, User: "anna", Platform: device.Android, State: device.Pending, Name: "Phone",
	}})
	require.NoError(p, err)
	require.NoError(p, results[0].Err)
	return results[0].Device
}

// renamed invites anna, who is called otherwise by now.
func (p *people) renamed(svc *enrollment.Service) error {
	p.name = "Anna New"
	_, err := svc.Invite(p.Context(), ada, enrollment.InviteRequest{User: "anna"})
	return err
}

// seen is news of anna's device.
func (p *people) seen(svc *enrollment.Service, id string) error {
	_, err := svc.Observe(p.Context(), device.Observation{
		Site: "acme", Device: id, Source: "mdm", At: time.Now(), Name: "Tablet", Manufacturer: "Maker", Hardware: device.Hardware{Serial: "SN1"},
	})
	return err
}

// slot is the list's row of a device; zero: there is none.
func (p *people) slot(id string) (slot enrollment.Slot) {
	p.Helper()
	err := p.store.View(p.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
		slot, err = tx.Slots().Get(ctx, "acme", id)
		return err
	})
	if err != nil {
		require.ErrorIs(p, err, enrollment.ErrNotFound)
	}
	return slot
}

func (p *people) requireBoth(id string) {
	p.Helper()
	slot := p.slot(id)
	require.Equal(p, []string{"Anna New", "SN1"}, []string{slot.UserName, slot.Serial})
}

func TestNewsOfADeviceThatIsRenamedMeanwhileStay(t *testing.T) {
	p := newPeople(t)
	id := p.adopted()
	svc, wait := p.while("Slots.Get", func() error { return p.seen(p.svc, id) })
	require.NoError(t, p.renamed(svc))
	wait()
	p.requireBoth(id)
}

func TestANameThatChangesWhileADeviceIsSavedIsShown(t *testing.T) {
	p := newPeople(t)
	id := p.adopted()
	svc, wait := p.while("Users.Get", func() error { return p.renamed(p.svc) })
	require.NoError(t, p.seen(svc, id))
	wait()
	p.requireBoth(id)
}

func TestADeviceThatIsDeletedWhileItIsRenamedLeavesNothing(t *testing.T) {
	p := newPeople(t)
	id := p.adopted()
	svc, wait := p.while("Devices.List", func() error { return p.svc.Delete(p.Context(), ada, id) })
	require.NoError(t, p.renamed(svc), "and the invitation is made")
	wait()
	require.Zero(t, p.slot(id))
}

func TestADeviceThatIsDeletedWhileItsUserIsErasedIsDeletedOnce(t *testing.T) {
	p := newPeople(t)
	id := p.adopted()
	svc, wait := p.while("Devices.List", func() error { return p.svc.Delete(p.Context(), ada, id) })
	require.NoError(t, svc.EraseUser(t.Context(), ada, "anna"))
	wait()
	var deletions int
	require.NoError(t, p.pool.QueryRow(t.Context(), "SELECT count(*) FROM own.enroll_events WHERE type = $1", string(device.EventDeleted)).Scan(&deletions))
	require.Equal(t, 1, deletions)
}

// Whoever is erased while the next invitation is on its way is invited all the
// same, and known again by the address.
func TestAGuestWhoIsErasedWhileInvitedIsKnownAgain(t *testing.T) {
	p := newPeople(t)
	guest := enrollment.InviteRequest{Email: "guest@example.com", Name: "Guest", Send: true}
	first, err := p.svc.Invite(t.Context(), ada, guest)
	require.NoError(t, err)
	svc, wait := p.while("Users.Outside", func() error { return p.svc.EraseUser(t.Context(), ada, first.User) })
	second, err := svc.Invite(t.Context(), ada, guest)
	require.NoError(t, err)
	wait()
	detail, err := p.svc.Invitation(t.Context(), ada, second.Invitation)
	require.NoError(t, err)
	require.Equal(t, []string{"Guest", "guest@example.com"}, []string{detail.User.Name, detail.User.EmailKey})
	third, err := p.svc.Invite(t.Context(), ada, guest)
	require.NoError(t, err)
	require.Equal(t, second.Invitation, third.Replaced, "the same person, with one active invitation")
}

// Two nodes that start on an empty database, each with a ring of its own, must
// not both be content.
func TestOfTwoKeyRingsThatComeFirstOneIsKept(t *testing.T) {
	p := newPeople(t)
	require.NoError(t, p.store.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Credentials().List(ctx, enrollment.KindCanary, enrollment.Credential{}, 1)
		require.Empty(t, list)
		return err
	}))
	first := p.svc
	p.cfg.Keyring = newRing(t)
	second, wait := p.while("Credentials.List", func() error { return first.Check(t.Context()) })
	require.ErrorIs(t, second.Check(t.Context()), credentials.ErrWrongKey)
	wait()
	require.NoError(t, first.Check(t.Context()))
}
