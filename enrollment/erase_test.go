package enrollment_test

import (
	"context"
	"encoding/json"
	"reflect"
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
	"example.com/enrollkit/invitation"
)

// held returns all text that a store in memory holds, whatever it is for.
func held(store *memstore.Store) string {
	var b strings.Builder
	seen := map[uintptr]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			b.WriteString(v.String() + "\n")
		case reflect.Pointer:
			if !v.IsNil() && !seen[v.Pointer()] {
				seen[v.Pointer()] = true
				walk(v.Elem())
			}
		case reflect.Interface:
			walk(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				walk(it.Key())
				walk(it.Value())
			}
		case reflect.Slice, reflect.Array:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				for i := range v.Len() {
					b.WriteByte(byte(v.Index(i).Uint()))
				}
				b.WriteByte('\n')
				return
			}
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(store))
	return b.String()
}

// personal is what only ann is known by.
var personal = []string{
	"Ann", "ann@example.com", "ann.private@example.com", "HOLIDAY", "CANARY-SERIAL", "canary-udid", "356938035643809", "canary-inventory", "canary-esid",
}

// knownPerson is a world in which everything that can be known of ann is known.
func knownPerson(t *testing.T) (w *world, in enrollment.Enrolled) {
	w = newWorld(t, func(c *enrollment.Config) { c.Directory = everybody{} })
	old := w.enroll(w.invite("ann"), func(r *enrollment.EnrollRequest) { r.Device.Name = "HOLIDAY" })
	require.NoError(t, w.svc.Delete(w.ctx, w.by, old.Device.ID))
	w.clock.Advance(time.Second)
	inv := w.invite("ann", func(r *enrollment.InviteRequest) { r.Email = "ann.private@example.com" })
	token := w.token(inv)
	require.NoError(t, w.svc.RecordFetch(w.ctx, token.Reveal()))
	_, err := w.svc.Accept(w.ctx, token.Reveal(), enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	require.NoError(t, err)
	in = w.enroll(inv, func(r *enrollment.EnrollRequest) {
		r.Device.Name = "HOLIDAY phone"
		r.Device.Hardware = device.Hardware{Serial: "CANARY-SERIAL", UDID: "canary-udid", IMEI: "356938035643809", ESID: "canary-esid"}
	})
	w.report(in, enrollment.Report{Seq: 1, Facts: complete(), Inventory: []byte(`{"owner":"canary-inventory"}`)})
	w.enroll(inv, func(r *enrollment.EnrollRequest) { r.Device.Name = "HOLIDAY tablet" })
	passcode, _, err := w.svc.GeneratePasscode(w.ctx, w.by)
	require.NoError(t, err)
	require.NoError(t, w.svc.RequestLogin(w.ctx, enrollment.LoginRequest{Email: "ann@example.com", Passcode: passcode}))
	_, err = w.svc.Renew(w.ctx, w.by, in.Device.ID)
	require.NoError(t, err)
	w.wrongPIN("ann.private@example.com")
	w.active("bob")
	for _, text := range personal {
		require.Contains(t, held(w.store), text, "the canary is there to be found")
	}
	return w, in
}

// everybody is the directory that also knows people by their addresses.
type everybody struct{ directory }

func (d everybody) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	user, err := d.Lookup(ctx, "acme", strings.TrimSuffix(email, "@example.com"))
	if err != nil {
		return nil, nil //nolint:nilerr // nobody has it
	}
	return []enrollment.User{user}, nil
}

// wrongPIN tries a wrong PIN with an address.
func (w *world) wrongPIN(email string) {
	w.Helper()
	_, err := w.svc.Enroll(w.ctx, enrollment.EnrollRequest{
		EnrollmentID: "guess", Credential: enrollment.Presented{Email: email, PIN: credentials.SecretString("00000000")},
		Device: enrollment.Claim{Platform: device.Android},
	})
	require.ErrorIs(w, err, enrollment.ErrCredentialRefused)
}

func TestNothingOfAPersonIsLeftOnceErased(t *testing.T) {
	w, in := knownPerson(t)
	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
	left := held(w.store)
	for _, text := range personal {
		require.NotContains(t, left, text)
	}
	require.Contains(t, left, "Bob Canary", "others stay")
	require.Contains(t, left, "bob@example.com")

	t.Run("what remains is ids", func(t *testing.T) {
		w.view(func(ctx context.Context, tx enrollment.Tx) error {
			user, err := tx.Users().Get(ctx, "acme", "ann")
			require.NoError(t, err)
			require.Equal(t, enrollment.User{Site: "acme", ID: "ann"}, user)
			list, err := tx.Invitations().List(ctx, enrollment.InvitationQuery{Site: "acme", Users: []string{"ann"}})
			require.NoError(t, err)
			require.Len(t, list, 2)
			require.Equal(t, []any{invitation.Deactivated, invitation.UserErased, 0}, []any{list[0].State, list[0].Reason, list[0].Live})
			require.Equal(t, invitation.Superseded, list[1].Reason, "why an older one ended stays")
			for _, inv := range list {
				_, err := tx.Credentials().Get(ctx, "acme", inv.ID, enrollment.KindInvitation)
				require.ErrorIs(t, err, enrollment.ErrNotFound)
				seen, err := tx.Sightings().List(ctx, "acme", inv.ID)
				require.NoError(t, err)
				require.Empty(t, seen)
			}
			_, err = tx.Credentials().Get(ctx, "acme", "ann", enrollment.KindLogin)
			require.ErrorIs(t, err, enrollment.ErrNotFound)
			return nil
		})
		require.Len(t, w.slots(), 1, "bob's device")
		d := w.device(in.Device.ID)
		require.True(t, d.Deleted())
		require.NotEmpty(t, d.Trace)
		require.ErrorIs(t, w.svc.CheckIn(w.ctx, in.Token, 2), enrollment.ErrDeviceGone)
		w.checkHistory(in.Device.ID)
	})
	t.Run("the journal says that it was done, in ids", func(t *testing.T) {
		events := w.events(enrollment.UserSubject("ann"))
		require.Len(t, events, 1)
		e := events[0]
		require.Equal(t, []any{enrollment.EventType(enrollment.EventUserErased), "ann", "adm-1"}, []any{e.Type, e.User, e.Actor})
		require.Equal(t, map[string]string{"invitations": "2", "devices": "2"}, e.Data)
	})
	t.Run("queued mail is never sent", func(t *testing.T) {
		require.Positive(t, w.deliver())
		for _, mail := range w.mail.all() {
			text, err := json.Marshal(mail)
			require.NoError(t, err)
			require.NotContains(t, string(text), "ann", "%s", mail.Kind)
			require.NotContains(t, string(text), "HOLIDAY")
		}
		for _, m := range w.outbox("") {
			require.NotEqual(t, enrollment.MessageWaiting, m.Status, "%s is tried for ever", m.Kind)
			require.NotEqual(t, enrollment.MessageDead, m.Status, "%s", m.Kind)
		}
	})
	t.Run("erasing again is no error and nothing happens", func(t *testing.T) {
		events := len(w.journal())
		require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
		require.Len(t, w.journal(), events)
	})
	t.Run("whoever comes late with a credential learns nothing", func(t *testing.T) {
		w.wrongPIN("ann.private@example.com")
		_, err := w.svc.Device(w.ctx, w.by, in.Device.ID)
		require.ErrorIs(t, err, enrollment.ErrNotFound)
	})
	t.Run("the same person is invited again later, and may be erased again", func(t *testing.T) {
		again := w.active("ann")
		require.Equal(t, "Ann Canary", w.slots()[again.Device.ID].UserName)
		passcode, _, err := w.svc.GeneratePasscode(w.ctx, w.by)
		require.NoError(t, err)
		require.NoError(t, w.svc.RequestLogin(w.ctx, enrollment.LoginRequest{Email: "ann@example.com", Passcode: passcode}))
		require.Equal(t, []string{enrollment.EventLoginMailed, enrollment.EventLoginMailed}, w.types(enrollment.LoginSubject("ann")), "numbers go on")
		require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
		require.Len(t, w.events(enrollment.UserSubject("ann")), 2)
		require.NotContains(t, held(w.store), "Ann")
	})
}

func TestEraseAPersonOutsideTheDirectory(t *testing.T) {
	w := newWorld(t)
	guest := func() string {
		result, err := w.svc.Invite(w.ctx, w.by, enrollment.InviteRequest{Email: "guest@example.com", Name: "Guest Canary"})
		require.NoError(t, err)
		return result.User
	}
	first := guest()
	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, first))
	require.NotContains(t, strings.ToLower(held(w.store)), "guest")
	second := guest()
	require.NotEqual(t, first, second, "nobody can tell that it is the same person")
	require.Len(t, w.slots(), 1)
}

func TestEraseWhoIsNobody(t *testing.T) {
	w := newWorld(t)
	w.active("ann")
	require.ErrorIs(t, w.svc.EraseUser(w.ctx, w.by, "zed"), enrollment.ErrNotFound)
	stranger := enrollment.Actor{Site: "other", ID: "adm-9"}
	require.ErrorIs(t, w.svc.EraseUser(w.ctx, stranger, "ann"), enrollment.ErrNotFound, "another site's person")
	require.Contains(t, held(w.store), "Ann Canary")
	_, err := w.svc.ExportUser(w.ctx, stranger, "ann")
	require.ErrorIs(t, err, enrollment.ErrNotFound)
	require.Empty(t, w.events(enrollment.UserSubject("ann")))
}

func TestEraseReleasesWhoWasInConflict(t *testing.T) {
	w := newWorld(t)
	ann, bob, _ := conflict(w)
	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
	require.True(t, w.device(ann.Device.ID).Deleted())
	require.Empty(t, w.device(bob.Device.ID).Conflict)
}

func TestEraseBothOfTwoDevicesInConflict(t *testing.T) {
	w := newWorld(t)
	first := w.enroll(w.invite("ann"))
	w.clock.Advance(time.Second)
	// A serial number is one only together with who made it.
	second := w.enroll(w.invite("ann"), func(r *enrollment.EnrollRequest) {
		r.Device.Hardware, r.Device.Manufacturer = first.Device.Hardware, ""
	})
	w.observe(device.Observation{Site: "acme", Device: second.Device.ID, Source: "mdm", At: w.clock.Now(), Manufacturer: "Maker"})
	require.Equal(t, first.Device.ID, w.device(second.Device.ID).Conflict)
	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
	for _, id := range []string{first.Device.ID, second.Device.ID} {
		require.True(t, w.device(id).Deleted())
		w.checkHistory(id)
	}
}

func TestExportUserHasEachMessageOnce(t *testing.T) {
	w := newWorld(t, func(c *enrollment.Config) {
		c.Handlers = enrollment.Handlers{device.EventEnrolled: func(context.Context, enrollment.Event) error { return nil }}
	})
	w.enroll(w.invite("ann"))
	export, err := w.svc.ExportUser(w.ctx, w.by, "ann")
	require.NoError(t, err)
	kinds := map[enrollment.MessageKind]int{}
	for _, m := range export.Messages {
		kinds[m.Kind]++
	}
	require.Equal(t, map[enrollment.MessageKind]int{enrollment.MessageInvitation: 1, enrollment.MessageHandler: 1}, kinds)
}

func TestEraseEndsAnExhaustedInvitationToo(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 1 })
	token := w.token(inv)
	w.enroll(inv)
	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
	_, err := w.svc.Peek(w.ctx, token.Reveal())
	require.ErrorIs(t, err, enrollment.ErrInvitationUnknown)
	detail, err := w.svc.Invitation(w.ctx, w.by, inv)
	require.NoError(t, err)
	require.Equal(t, invitation.UserErased, detail.Reason)
}

// Whatever call of the store fails, a person is erased or is as before.
func TestEraseIsDoneWhollyOrNotAtAll(t *testing.T) {
	w, _ := knownPerson(t)
	before := w.journal()
	for left := 1; ; left++ {
		broken := &brokenStore{Storage: w.store, left: left}
		err := w.over(broken).EraseUser(w.ctx, w.by, "ann")
		if !broken.broke {
			require.NoError(t, err)
			require.Greater(t, left, 30)
			break
		}
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, before, w.journal())
		require.Contains(t, held(w.store), "canary-inventory")
	}
	require.NotContains(t, held(w.store), "canary-inventory")
}

func TestExportUserHasEverythingAndNoSecret(t *testing.T) {
	w, in := knownPerson(t)
	revealed, err := w.svc.Reveal(w.ctx, w.by, w.device(in.Device.ID).Invitation)
	require.NoError(t, err)
	export, err := w.svc.ExportUser(w.ctx, w.by, "ann")
	require.NoError(t, err)
	text, err := json.Marshal(export)
	require.NoError(t, err)
	for _, known := range personal {
		require.Contains(t, string(text), known)
	}
	for _, id := range []string{in.Device.ID, in.Device.Invitation, "renewal", "fetched", enrollment.EventLoginMailed, enrollment.EventUserExported} {
		require.Contains(t, string(text), id)
	}
	require.Len(t, export.Invitations, 2)
	require.Len(t, export.Devices, 2)
	require.NotNil(t, export.Login)
	for what, secret := range map[string]string{
		"link": revealed.URL.Reveal(), "PIN": revealed.PIN.Reveal(), "device token": in.Token.Reveal(), "token": w.token(in.Device.Invitation).Reveal(),
	} {
		require.NotEmpty(t, secret)
		require.NotContains(t, string(text), secret, what)
	}
	require.NotContains(t, strings.ToLower(string(text)), "bob")
	require.True(t, slices.IsSortedFunc(export.Events, func(a, b enrollment.ExportedEvent) int { return a.At.Compare(b.At) }))
	require.Equal(t, []string{enrollment.EventUserExported}, w.types(enrollment.UserSubject("ann")), "the journal has it")

	require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
	export, err = w.svc.ExportUser(w.ctx, w.by, "ann")
	require.NoError(t, err)
	text, err = json.Marshal(export)
	require.NoError(t, err)
	for _, known := range personal {
		require.NotContains(t, string(text), known)
	}
	require.Empty(t, export.Devices)
	require.Nil(t, export.Login)
}

// spending does something behind the try that a guess spends, and before what
// the guess leads to.
type spending struct {
	enrollment.Storage
	once sync.Once
	then func()
}

func (s *spending) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := s.Storage.Spend(ctx, now, gate, groups...)
	s.once.Do(s.then)
	return spent, err
}

// A right credential whose person is erased while it is compared is refused like
// a wrong one.
func TestACredentialThatIsErasedWhileItIsComparedIsRefused(t *testing.T) {
	for name, credential := range map[string]func(*world) enrollment.Presented{
		"a PIN": func(w *world) enrollment.Presented {
			return enrollment.Presented{Email: "ann@example.com", PIN: w.pin(w.invite("ann"))}
		},
		"a one-time login": func(w *world) enrollment.Presented {
			login := w.mailed("ann")
			return enrollment.Presented{Username: login.Username, Password: login.Password}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *enrollment.Config) { c.Directory = everybody{} })
			r := enrollment.EnrollRequest{EnrollmentID: "e-1", Credential: credential(w), Device: enrollment.Claim{Platform: device.Android}}
			late := &spending{Storage: w.store, then: func() { require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann")) }}
			_, err := w.over(late).Enroll(w.ctx, r)
			require.ErrorIs(t, err, enrollment.ErrCredentialRefused)
			require.NotErrorIs(t, err, enrollment.ErrNotFound)
			require.Empty(t, w.slots(), "no device came in")
			require.NotZero(t, w.mailed("ann"), "who asks for a login again gets one")
		})
		t.Run(name+", and made anew", func(t *testing.T) {
			w := newWorld(t, func(c *enrollment.Config) { c.Directory = everybody{} })
			r := enrollment.EnrollRequest{EnrollmentID: "e-1", Credential: credential(w), Device: enrollment.Claim{Platform: device.Android}}
			late := &spending{Storage: w.store, then: func() {
				require.NoError(t, w.svc.EraseUser(w.ctx, w.by, "ann"))
				w.invite("ann")
				w.mailed("ann")
			}}
			_, err := w.over(late).Enroll(w.ctx, r)
			require.ErrorIs(t, err, enrollment.ErrCredentialRefused, "the old one is not good for the new")
		})
	}
}
