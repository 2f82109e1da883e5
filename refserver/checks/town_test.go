package checks_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// town is a Service whose people have done everything there is to do.
type town struct {
	testing.TB
	ctx   context.Context
	store *sqlstore.Store
	ring  *credentials.Keyring
	svc   *enrollment.Service

	mu    sync.Mutex
	now   time.Time
	mails []enrollment.Mail
	fail  error // of every delivery

	seq int
}

const (
	acme  = "acme"  // keeps its journal
	olden = "olden" // prunes it after 30 days
)

func (w *town) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass lets time pass; every deed has a time of its own.
func (w *town) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *town) sites() map[string]enrollment.Site {
	site := func(id string) enrollment.Site {
		return enrollment.Site{
			ID: id, Name: id, PublicURL: &url.URL{Scheme: "https", Host: id + ".example"}, SoleHost: true,
			Policy: enrollment.Policy{
				Credentials: credentials.Policy{PINBudget: 3, PINAlert: 2, PINPace: credentials.Off, SourcePace: credentials.Off,
					PasscodeAlert: 2, PasscodeLock: 10, PasscodeSourceCap: credentials.Off, PasscodePace: credentials.Off, GlobalPace: credentials.Off},
				RenewEvery: time.Hour,
			},
		}
	}
	old := site(olden)
	old.Policy.Retention = enrollment.Retention{Journal: 30 * 24 * time.Hour, Observations: 24 * time.Hour, Tombstones: 30 * 24 * time.Hour}
	return map[string]enrollment.Site{acme: site(acme), olden: old}
}

// Site, Host and All make a town its own enrollment.Sites.
func (w *town) Site(_ context.Context, id string) (enrollment.Site, error) {
	site, ok := w.sites()[id]
	if !ok {
		return site, enrollment.ErrNotFound
	}
	return site, nil
}

func (w *town) Host(ctx context.Context, _ string) (enrollment.Site, error) { return w.Site(ctx, acme) }

func (w *town) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(w.sites())) {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Lookup and ByEmail make it its own directory, which knows everybody.
func (w *town) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Name of " + id, Email: id + "@" + site + ".example"}, nil
}

func (w *town) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	var id, site string
	if n, err := fmt.Sscanf(email, "%4s@%s", &id, &site); n != 2 || err != nil {
		return nil, nil
	}
	for _, s := range []string{acme, olden} {
		if site == s+".example" {
			u, err := w.Lookup(ctx, s, id)
			return []enrollment.User{u}, err
		}
	}
	return nil, nil
}

func (w *town) Administrators(context.Context, string) ([]enrollment.Administrator, error) {
	return []enrollment.Administrator{{ID: "adm1", Email: "one@admins.example"}, {ID: "adm2", Email: "two@admins.example"}}, nil
}

func (w *town) Deliver(_ context.Context, m enrollment.Mail) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail == nil {
		w.mails = append(w.mails, m)
	}
	return w.fail
}

func (w *town) failing(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func admin(site string) enrollment.Actor { return enrollment.Actor{Site: site, ID: "adm1"} }

// settle builds a town in an empty, migrated store.
func settle(t testing.TB, store *sqlstore.Store) *town {
	t.Helper()
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	w := &town{TB: t, ctx: t.Context(), store: store, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	w.ring, err = credentials.NewKeyring(key)
	require.NoError(t, err)
	w.svc, err = enrollment.New(store, enrollment.Config{
		Keyring: w.ring, Sites: w, Directory: w, Administrators: w, Deliverer: w, Now: w.Now,
	})
	require.NoError(t, err)
	require.NoError(t, w.svc.Check(w.ctx))

	w.live(olden)
	w.work()
	w.pass(40 * 24 * time.Hour) // the journal of olden goes, and two lives begin on what is left
	w.work()
	w.live(olden)
	w.live(acme)
	w.rotate()
	w.after()
	return w
}

// rotate makes a second key current and moves a part of what there is to it.
func (w *town) rotate() {
	ring, err := w.ring.Rotate(rand.Reader)
	require.NoError(w, err)
	w.ring = ring
	require.NoError(w, w.svc.UseKeyring(w.ctx, ring))
	_, err = w.svc.Rekey(w.ctx, enrollment.RekeyProgress{}, 5)
	require.NoError(w, err)
}

// work does what Service.Run does.
func (w *town) work() {
	w.Helper()
	for range 3 { // alerts are spread to everybody first
		w.pass(time.Second)
		_, err := w.svc.DeliverDue(w.ctx)
		require.NoError(w, err)
	}
	_, err := w.svc.Sweep(w.ctx)
	require.NoError(w, err)
}

// invite invites a user and returns the invitation.
func (w *town) invite(site, user string, change ...func(*enrollment.InviteRequest)) string {
	w.Helper()
	w.pass(time.Second)
	r := enrollment.InviteRequest{User: user, Send: true}
	for _, c := range change {
		c(&r)
	}
	out, err := w.svc.InviteMany(w.ctx, admin(site), enrollment.InviteManyRequest{
		Invites: []enrollment.InviteRequest{r}, Key: fmt.Sprintf("invite-%s-%s-%d", site, user, w.Now().Unix()),
	})
	require.NoError(w, err)
	require.NoError(w, out[0].Err)
	return out[0].Invitation
}

// codes are the token and the PIN of an invitation.
func (w *town) codes(site, inv string) (token, pin credentials.Secret) {
	w.Helper()
	shown, err := w.svc.Reveal(w.ctx, admin(site), inv)
	require.NoError(w, err)
	token, err = credentials.ParseDeploymentURL(shown.URL.Reveal())
	require.NoError(w, err)
	return token, shown.PIN
}

func (w *town) enroll(site, inv, serial string) enrollment.Enrolled {
	w.Helper()
	token, _ := w.codes(site, inv)
	out, err := w.present(serial, enrollment.Presented{Token: token})
	require.NoError(w, err)
	return out
}

func (w *town) present(serial string, c enrollment.Presented) (enrollment.Enrolled, error) {
	w.pass(time.Second)
	w.seq++
	return w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: fmt.Sprintf("enrollment-%d", w.seq), Credential: c, Source: netip.MustParseAddr("192.0.2.7"),
		Device: enrollment.Claim{
			Platform: device.Android, Name: "Phone " + serial, Manufacturer: "Maker", Hardware: device.Hardware{Serial: serial},
		},
	})
}

func (w *town) report(e enrollment.Enrolled, seq int64, permissions bool) {
	w.Helper()
	w.pass(time.Second)
	_, err := w.svc.Report(w.ctx, e.Token, enrollment.Report{
		Seq: seq, Inventory: []byte(`{"model":"P1"}`),
		Facts: map[device.Fact]bool{device.AgentInstalled: true, device.WorkProfile: true, device.Permissions: permissions},
	})
	require.NoError(w, err)
}

func (w *town) active(site, user string) enrollment.Enrolled {
	w.Helper()
	e := w.enroll(site, w.invite(site, user), "SN-"+user+"-"+w.Now().Format("150405.000"))
	w.report(e, 1, true)
	return e
}

// live lets people of a site do everything once. Users have four letters.
func (w *town) live(site string) {
	w.Helper()
	by := admin(site)
	year := w.Now().Format("0102")
	id := func(letters string) string { return letters + year[2:] }
	ok := func(err error) { w.Helper(); require.NoError(w, err) }

	// Invitations in every state.
	w.invite(site, id("cr"), func(r *enrollment.InviteRequest) { r.Send = false })
	w.invite(site, id("se"))
	opened := w.invite(site, id("op"))
	token, _ := w.codes(site, opened)
	ok(w.svc.RecordFetch(w.ctx, token.Reveal()))
	_, err := w.svc.Accept(w.ctx, token.Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	ok(err)
	_, err = w.svc.Deactivate(w.ctx, by, w.invite(site, id("de")))
	ok(err)
	w.invite(site, id("su"))
	w.invite(site, id("su"))
	w.enroll(site, opened, "SN-ONE-"+year)
	w.enroll(site, opened, "SN-TWO-"+year)
	w.invite(site, id("ex"), func(r *enrollment.InviteRequest) { r.ExpiresAt = w.Now().Add(time.Hour) })
	w.invite(site, "", func(r *enrollment.InviteRequest) {
		r.Email, r.Name = "guest"+year+"@elsewhere.example", "A Guest"
	})
	w.enroll(site, w.invite(site, id("ma"), func(r *enrollment.InviteRequest) { r.MaxDevices = 1 }), "SN-MAX-"+year)

	// PINs: an alert, the end, a new one, an alert again, the right one.
	pins := w.invite(site, id("pi"))
	wrong := func() {
		_, pin := w.codes(site, pins)
		guess := "00000000"
		if pin.Reveal() == guess {
			guess = "11111111"
		}
		_, err := w.present("SN-GUESS", enrollment.Presented{Email: id("pi") + "@" + site + ".example", PIN: credentials.SecretString(guess)})
		require.ErrorIs(w, err, enrollment.ErrCredentialRefused)
	}
	for range 4 {
		wrong()
	}
	_, err = w.svc.NewPIN(w.ctx, by, pins)
	ok(err)
	wrong()
	wrong()
	_, pin := w.codes(site, pins)
	_, err = w.present("SN-PIN-"+year, enrollment.Presented{Email: id("pi") + "@" + site + ".example", PIN: pin})
	ok(err)

	// Devices in every state.
	w.enroll(site, w.invite(site, id("pe")), "SN-PENDING-"+year)
	unresponsive := w.active(site, id("un"))
	_, err = w.svc.Remove(w.ctx, by, w.active(site, id("le")).Device.ID)
	ok(err)
	ok(w.svc.Unenroll(w.ctx, w.active(site, id("go")).Token))
	ok(w.svc.Delete(w.ctx, by, w.active(site, id("dl")).Device.ID))
	twice := w.active(site, id("tw"))
	w.enroll(site, twice.Device.Invitation, twice.Device.Hardware.Serial)
	_, err = w.svc.Observe(w.ctx, device.Observation{
		Site: site, Device: twice.Device.ID, Ref: device.Ref{Source: "amapi", ID: "enterprises/" + year}, At: w.Now(),
		Facts: map[device.Fact]bool{device.WorkProfile: true},
	})
	ok(err)

	// Two rivals of one device; the holder gives way to the older.
	holder := w.active(site, id("ho"))
	for _, rival := range []string{"ra", "rb"} {
		w.enroll(site, w.invite(site, id(rival)), holder.Device.Hardware.Serial)
	}
	_, err = w.svc.Release(w.ctx, by, holder.Device.ID)
	ok(err)

	// Adopted devices: in two states, one of them twice, and a rival.
	adoptions := []enrollment.Adoption{
		{Ref: device.Ref{Source: "old", ID: "1-" + year}, User: id("ad"), Platform: device.Android, State: device.Active},
		{Ref: device.Ref{Source: "old", ID: "2-" + year}, User: id("ae"), Platform: device.IOS, State: device.Unresponsive, Name: "iPad"},
		{Ref: device.Ref{Source: "old", ID: "3-" + year}, User: id("af"), Platform: device.Android, State: device.Pending,
			Hardware: device.Hardware{Serial: twice.Device.Hardware.Serial}, Manufacturer: "Maker"},
	}
	for range 2 {
		w.pass(time.Second)
		results, err := w.svc.Adopt(w.ctx, by, adoptions)
		ok(err)
		for _, r := range results {
			ok(r.Err)
		}
	}

	w.selfService(site, id)

	// Strangers are turned away: one of them twice within an hour, and another.
	for _, step := range []string{"apple/mdm", "apple/mdm", "apple/scep"} {
		w.pass(time.Second)
		ok(w.svc.RefuseContact(w.ctx, site, step, "certificate_unknown"))
	}

	// A silence, and its renewal; one by hand.
	w.pass(25 * time.Hour)
	w.work()
	require.Equal(w, device.Unresponsive, w.stateOf(site, unresponsive.Device.ID))
	_, err = w.svc.Renew(w.ctx, by, unresponsive.Device.ID)
	ok(err)
	w.report(w.active(site, id("li")), 2, true)
	w.report(w.active(site, id("lp")), 2, false)

	// Somebody is forgotten, and comes back.
	gone := w.active(site, id("er"))
	w.login(site, id("er"))
	w.pass(10 * time.Minute) // more than clocks may be apart
	ok(w.svc.EraseUser(w.ctx, by, id("er")))
	w.pass(time.Second)
	w.enroll(site, w.invite(site, id("er")), gone.Device.Hardware.Serial)
	w.login(site, id("er"))
	lost := w.invite(site, id("lo"))
	token, _ = w.codes(site, lost)
	ok(w.svc.RecordFetch(w.ctx, token.Reveal()))
	w.pass(10 * time.Minute)
	ok(w.svc.EraseUser(w.ctx, by, id("lo")))
	w.work()
}

// selfService opens the door, has a login used and one not, a passcode locked, an
// alert, and opens it again.
func (w *town) selfService(site string, id func(string) string) {
	w.Helper()
	w.pass(time.Second)
	_, _, err := w.svc.GeneratePasscode(w.ctx, admin(site))
	require.NoError(w, err)
	for range 12 {
		w.pass(time.Second)
		require.NoError(w, w.svc.RequestLogin(w.ctx, enrollment.LoginRequest{
			Email: id("ss") + "@" + site + ".example", Passcode: credentials.SecretString("Wrong0Wrong1"),
			Source: netip.MustParseAddr("192.0.2.9"), Host: site + ".example",
		}))
	}
	detail, err := w.svc.Passcode(w.ctx, admin(site))
	require.NoError(w, err)
	require.Equal(w, enrollment.PasscodeLocked, detail.Status)
	username, password := w.login(site, id("ss"))
	_, err = w.present("SN-SELF-"+id("ss"), enrollment.Presented{Username: username, Password: password})
	require.NoError(w, err)
	w.login(site, id("sn"))
}

// login has a one-time login mailed and reads it.
func (w *town) login(site, user string) (username string, password credentials.Secret) {
	w.Helper()
	w.pass(time.Second)
	passcode, err := w.svc.RevealPasscode(w.ctx, admin(site))
	if errors.Is(err, enrollment.ErrNotFound) {
		passcode, _, err = w.svc.GeneratePasscode(w.ctx, admin(site))
	}
	require.NoError(w, err)
	require.NoError(w, w.svc.RequestLogin(w.ctx, enrollment.LoginRequest{
		Email: user + "@" + site + ".example", Passcode: passcode, Source: netip.MustParseAddr("192.0.2.9"), Host: site + ".example",
	}))
	w.work()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range slices.Backward(w.mails) {
		if m.Login != nil && m.To == user+"@"+site+".example" {
			return m.Login.Username, m.Login.Password
		}
	}
	w.Fatal("no login came for " + user)
	return "", credentials.Secret{}
}

func (w *town) stateOf(site, id string) device.State {
	w.Helper()
	d, err := w.svc.Device(w.ctx, admin(site), id)
	require.NoError(w, err)
	return d.State
}

// after leaves things under way: mail that cannot be delivered, mail that never
// will be, and mail that nobody has looked at.
func (w *town) after() {
	w.Helper()
	w.failing(errors.New("down"))
	w.invite(acme, "wait")
	_, err := w.svc.DeliverDue(w.ctx)
	require.NoError(w, err)
	w.failing(enrollment.ErrUndeliverable)
	w.invite(acme, "dead")
	w.pass(time.Second)
	_, err = w.svc.DeliverDue(w.ctx)
	require.NoError(w, err)
	w.failing(nil)
	inv := w.invite(acme, "fixe", func(r *enrollment.InviteRequest) { r.Ownership = device.Company })
	_, err = w.svc.EditEmail(w.ctx, admin(acme), inv, "other@elsewhere.example")
	require.NoError(w, err)
}
