package enrollment_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// staff is a directory of many people with addresses at example.com.
type staff struct{}

func (staff) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Name of " + id, Email: id + "@example.com"}, nil
}

func (d staff) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	id, ok := strings.CutSuffix(email, "@example.com")
	if !ok || !strings.HasPrefix(id, "u") {
		return nil, nil
	}
	user, err := d.Lookup(ctx, "acme", id)
	return []enrollment.User{user}, err
}

func newOffice(t *testing.T) *world {
	w := newWorld(t, func(c *enrollment.Config) { c.Directory = staff{} })
	w.noPasscodePace()
	return w
}

func (w *world) noPasscodePace() {
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials.PasscodePace, s.Policy.Credentials.GlobalPace = credentials.Off, credentials.Off
	})
}

func (w *world) passcode() credentials.Secret {
	w.Helper()
	made, _, err := w.svc.GeneratePasscode(w.ctx, w.by)
	require.NoError(w, err)
	return made
}

func (w *world) passcodeDetail() enrollment.PasscodeDetail {
	w.Helper()
	detail, err := w.svc.Passcode(w.ctx, w.by)
	require.NoError(w, err)
	return detail
}

// knock asks for a login at the door.
func knock(svc *enrollment.Service, ctx context.Context, email string, passcode credentials.Secret, source int) error {
	return svc.RequestLogin(ctx, enrollment.LoginRequest{
		Email: email, Passcode: passcode, Source: netip.AddrFrom4([4]byte{203, 0, byte(source >> 8), byte(source)}),
	})
}

var wrongPasscode = credentials.SecretString("AAAAbbbb0000")

// logins returns the mails that carry a login.
func (w *world) logins() (list []enrollment.Mail) {
	w.Helper()
	w.deliver()
	for _, m := range w.mail.all() {
		if m.Login != nil {
			list = append(list, m)
		}
	}
	return list
}

func TestTheLifeOfACompanyPasscode(t *testing.T) {
	w := newOffice(t)
	assert.Equal(t, enrollment.PasscodeNone, w.passcodeDetail().Status)
	_, err := w.svc.RevealPasscode(w.ctx, w.by)
	assert.ErrorIs(t, err, enrollment.ErrNotFound)

	first := w.passcode()
	detail := w.passcodeDetail()
	assert.Equal(t, enrollment.PasscodeActive, detail.Status)
	assert.Equal(t, w.clock.Now(), detail.GeneratedAt)
	assert.Equal(t, "ada@acme.example", detail.GeneratedByEmail)
	shown, err := w.svc.RevealPasscode(w.ctx, w.by)
	require.NoError(t, err)
	assert.Equal(t, first.Reveal(), shown.Reveal())

	second := w.passcode()
	assert.NotEqual(t, first.Reveal(), second.Reveal())
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", first, 1))
	assert.Empty(t, w.logins(), "the old one stopped working")
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", second, 1))
	assert.Len(t, w.logins(), 1)

	_, err = w.svc.DisablePasscode(w.ctx, w.by)
	require.NoError(t, err)
	_, err = w.svc.DisablePasscode(w.ctx, w.by)
	require.NoError(t, err)
	require.NoError(t, knock(w.svc, w.ctx, "u2@example.com", second, 1))
	assert.Len(t, w.logins(), 1)
	_, err = w.svc.RevealPasscode(w.ctx, w.by)
	assert.ErrorIs(t, err, enrollment.ErrNotFound)
	assert.Equal(t, []string{
		enrollment.EventPasscodeGenerated, enrollment.EventPasscodeRevealed, enrollment.EventPasscodeGenerated, enrollment.EventPasscodeDisabled,
	}, w.types(enrollment.PasscodeSubject))
}

func TestADisabledDoorSaysSoWhereTheHostIsOneSitesAlone(t *testing.T) {
	w := newOffice(t)
	door, err := w.svc.SelfService(w.ctx, "acme.example")
	require.NoError(t, err)
	assert.True(t, door.Open, "nobody's business where several share the host")
	assert.Empty(t, door.Site.ID)
	w.sites.change("acme", func(s *enrollment.Site) { s.SoleHost = true; s.ID = "acme" })
	open := func() bool {
		door, err := w.svc.SelfService(w.ctx, "acme.example")
		require.NoError(t, err)
		return door.Open
	}
	assert.False(t, open())
	w.passcode()
	assert.True(t, open())
	_, err = w.svc.DisablePasscode(w.ctx, w.by)
	require.NoError(t, err)
	assert.False(t, open())
}

func TestWhatAPersonCanMendIsSaidAndCountsNothing(t *testing.T) {
	w := newOffice(t)
	w.passcode()
	for _, c := range []struct{ email, passcode, want string }{
		{"", "AAAAbbbb0000", "email: required"},
		{"nobody", "AAAAbbbb0000", "email: malformed"},
		{"u1@example.com", "", "passcode: required"},
		{"u1@example.com", "AAAAbbbb000", "passcode: malformed"},
		{"u1@example.com", "AAAAbbbb00000", "passcode: malformed"},
		{"u1@example.com", "AAAA-bbb0000", "passcode: malformed"},
	} {
		err := knock(w.svc, w.ctx, c.email, credentials.SecretString(c.passcode), 1)
		var refused *enrollment.ValidationError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, c.want, refused.Fields[0].Field+": "+refused.Fields[0].Code)
	}
	assert.Zero(t, w.passcodeDetail().FailedAttempts)
}

// T12: knowing the passcode says nothing about who works there.
func TestTheAnswerIsTheSameWhateverWasWrong(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	assert.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 1))
	assert.NoError(t, knock(w.svc, w.ctx, "u1@example.com", wrongPasscode, 1))
	assert.NoError(t, knock(w.svc, w.ctx, "nobody@example.com", right, 1))
	assert.NoError(t, knock(w.svc, w.ctx, "nobody@example.com", wrongPasscode, 1))
	assert.Len(t, w.logins(), 1)
	assert.Equal(t, 1, w.passcodeDetail().FailedAttempts, "an address that no site knows is booked on none")
}

// Two nodes, many goroutines, many sources.
func TestExactlyTheLockLevelIsCounted(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	nodes := []*enrollment.Service{w.svc, w.over(w.store)}
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 4 {
				n := g*4 + i
				assert.NoError(t, knock(nodes[n%2], w.ctx, fmt.Sprintf("u%d@example.com", n), wrongPasscode, n))
			}
		})
	}
	wg.Wait()
	detail := w.passcodeDetail()
	assert.Equal(t, enrollment.PasscodeLocked, detail.Status)
	assert.Equal(t, 100, detail.FailedAttempts)
	types := w.types(enrollment.PasscodeSubject)
	assert.Equal(t, 1, count(types, enrollment.EventPasscodeLocked))
	assert.Equal(t, 1, count(types, enrollment.EventPasscodeAlert))
	w.deliver()
	told := map[string]int{}
	for _, m := range w.mail.all() {
		if m.Alert != nil {
			told[m.To+" "+m.Alert.Code]++
		}
	}
	assert.Equal(t, map[string]int{
		"ada@acme.example passcode.alert": 1, "ada@acme.example passcode.locked": 1,
		"bo@acme.example passcode.alert": 1, "bo@acme.example passcode.locked": 1,
	}, told)

	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 9999))
	assert.Empty(t, w.logins(), "locked, also for the right one")
	w.clock.Advance(48 * time.Hour)
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 9999))
	assert.Empty(t, w.logins(), "the window passes, the lock stays")
	assert.Equal(t, 100, w.passcodeDetail().FailedAttempts)
	fresh := w.passcode()
	assert.Zero(t, w.passcodeDetail().FailedAttempts)
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", fresh, 9999))
	assert.Len(t, w.logins(), 1, "only a new one opens again")
}

// T11: the lock is no weapon for one outsider; for enough of them it is one.
func TestOneSourceCannotLockAndTheConfiguredNumberCan(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	for i := range 2000 {
		require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", wrongPasscode, 1))
		if i%10 == 0 {
			w.clock.Advance(time.Minute)
		}
	}
	detail := w.passcodeDetail()
	assert.Equal(t, enrollment.PasscodeActive, detail.Status)
	assert.Greater(t, detail.FailedAttempts, 10, "its further tries are shown")
	require.NoError(t, knock(w.svc, w.ctx, "u2@example.com", right, 2))
	assert.Len(t, w.logins(), 1)
	for source := range 12 {
		for range 10 {
			require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", wrongPasscode, 10+source))
		}
	}
	assert.Equal(t, enrollment.PasscodeLocked, w.passcodeDetail().Status)
}

// 200 people behind one address, 5 % of whose tries are mistyped.
func TestACrowdedOfficeGetsIn(t *testing.T) {
	for seed := range uint64(5) {
		w := newOffice(t)
		right := w.passcode()
		r := rand.New(rand.NewPCG(seed, 1))
		waiting := map[int]bool{}
		for i := range 200 {
			waiting[i] = true
		}
		in := map[string]bool{}
		for range 60 {
			for i := range 200 {
				if !waiting[i] || r.IntN(10) > 3 && len(waiting) > 20 {
					continue
				}
				typed := right
				if r.IntN(100) < 5 {
					typed = wrongPasscode
				}
				require.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("u%d@example.com", i), typed, 1))
				for _, m := range w.logins()[len(in):] {
					in[m.To] = true
				}
				if in[fmt.Sprintf("u%d@example.com", i)] {
					delete(waiting, i)
				}
			}
			w.clock.Advance(time.Minute)
		}
		assert.Len(t, in, 200, "seed %d", seed)
		assert.Equal(t, enrollment.PasscodeActive, w.passcodeDetail().Status)
	}
}

// T39: nobody's mailbox is bombed, and nobody else's is shut.
func TestAMailboxGetsItsShareAndNoMore(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	for i := range 10_000 {
		spelling := []string{"u1@example.com", "U1@Example.COM", " u1@example.com "}[i%3]
		require.NoError(t, knock(w.svc, w.ctx, spelling, right, i%1000))
	}
	require.NoError(t, knock(w.svc, w.ctx, "u2@example.com", right, 1))
	to := map[string]int{}
	for _, m := range w.outbox("") {
		if m.Kind == enrollment.MessageLogin {
			to[m.User]++
		}
	}
	assert.Equal(t, map[string]int{"u1": 3, "u2": 1}, to)
	w.clock.Advance(time.Hour)
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 1))
	assert.Len(t, w.logins(), 2, "of u1's four the three older ones were replaced")
}

func TestARightPasscodeThatChangesMeanwhileMailsNothing(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	svc := w.over(hangUp{w.store, func() { _, err := w.svc.DisablePasscode(w.ctx, w.by); require.NoError(t, err) }})
	require.NoError(t, knock(svc, w.ctx, "u1@example.com", right, 1))
	assert.Empty(t, w.logins())
}

func TestTheStoresTroubleIsNoNeutralAnswer(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	svc := w.over(mute{w.store})
	assert.Error(t, knock(svc, w.ctx, "u1@example.com", right, 1), "a mail that will never come must not be promised")
	assert.NoError(t, knock(svc, w.ctx, "u1@example.com", wrongPasscode, 1))
}

// mailed asks for a login and returns what the mail says.
func (w *world) mailed(user string) enrollment.Login {
	w.Helper()
	if w.passcodeDetail().Status != enrollment.PasscodeActive {
		w.passcode()
	}
	shown, err := w.svc.RevealPasscode(w.ctx, w.by)
	require.NoError(w, err)
	require.NoError(w, knock(w.svc, w.ctx, user+"@example.com", shown, 1))
	mails := w.logins()
	require.NotEmpty(w, mails)
	last := mails[len(mails)-1]
	assert.Equal(w, "https://acme.example/join/enroll/login", last.Login.URL)
	return enrollment.Login{Username: last.Login.Username, Password: last.Login.Password}
}

func byLogin(l enrollment.Login, id, serial string) enrollment.EnrollRequest {
	return enrollment.EnrollRequest{
		EnrollmentID: id, Credential: enrollment.Presented{Username: l.Username, Password: l.Password},
		Device: enrollment.Claim{Platform: device.Windows, Hardware: device.Hardware{Serial: serial}},
	}
}

func TestAOneTimeLoginLetsOneDeviceIn(t *testing.T) {
	w := newOffice(t)
	login := w.mailed("u1")
	for range 3 { // Windows presents it twice before the device is in
		offer, err := w.svc.CheckLogin(w.ctx, signsIn, login)
		require.NoError(t, err)
		assert.Equal(t, "u1", offer.User.ID)
	}
	accepted, err := w.svc.AcceptLogin(w.ctx, login, enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	require.NoError(t, err)
	assert.Equal(t, device.WindowsMode, accepted.Next.Mode)

	in, err := w.svc.Enroll(w.ctx, byLogin(login, "1", "S1"))
	require.NoError(t, err)
	assert.Equal(t, device.BySelfService, in.Device.Origin)
	assert.Empty(t, in.Device.Invitation)
	assert.Equal(t, "u1", in.Device.User)
	assert.Equal(t, device.Company, in.Device.Ownership, "as chosen on the page")
	assert.Equal(t, "device", string(w.slots()[in.Device.ID].Kind))
	assert.Len(t, w.slots(), 1, "it makes no invitation")

	_, err = w.svc.Enroll(w.ctx, byLogin(login, "2", "S2"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	_, err = w.svc.CheckLogin(w.ctx, signsIn, login)
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	again, err := w.svc.Enroll(w.ctx, byLogin(login, "1", "S1"))
	require.NoError(t, err, "a lost answer")
	assert.True(t, again.Replayed)
	assert.Equal(t, in.Token.Reveal(), again.Token.Reveal())
	assert.Equal(t, []string{enrollment.EventLoginMailed, enrollment.EventLoginUsed, enrollment.EventRefused}, w.types(enrollment.LoginSubject("u1")))
}

// T17: one success under any concurrency, many times over.
func TestOfManyRightUsesAtOnceOneSucceeds(t *testing.T) {
	for round := range 200 {
		w := newOffice(t)
		w.sites.change("acme", func(s *enrollment.Site) {
			s.Policy.Credentials.OneTimePace, s.Policy.Credentials.OneTimeBudget = credentials.Off, 100
		})
		login := w.mailed("u1")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 64 {
			wg.Go(func() {
				_, err := w.svc.Enroll(w.ctx, byLogin(login, fmt.Sprint(i), fmt.Sprint("S", i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, enrollment.ErrCredentialRefused) {
					t.Errorf("answer %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, won, "round %d", round)
		require.Len(t, w.slots(), 1)
	}
}

func TestALoginEndsOnTimeUnlessItIsReserved(t *testing.T) {
	w := newOffice(t)
	login := w.mailed("u1")
	w.clock.Advance(24*time.Hour - time.Second)
	_, err := w.svc.CheckLogin(w.ctx, signsIn, login)
	require.NoError(t, err)
	w.clock.Advance(time.Minute)
	_, err = w.svc.Enroll(w.ctx, byLogin(login, "1", "S1"))
	assert.NoError(t, err, "reserved")

	w = newOffice(t)
	login = w.mailed("u1")
	w.clock.Advance(24*time.Hour - time.Minute)
	for range 20 { // a reservation does not renew itself for ever
		_, err = w.svc.CheckLogin(w.ctx, signsIn, login)
		w.clock.Advance(5 * time.Minute)
	}
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)

	w = newOffice(t)
	login = w.mailed("u1")
	w.clock.Advance(24 * time.Hour)
	_, err = w.svc.Enroll(w.ctx, byLogin(login, "1", "S1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
}

func TestANewRequestReplacesTheLogin(t *testing.T) {
	w := newOffice(t)
	first := w.mailed("u1")
	w.clock.Advance(time.Second)
	second := w.mailed("u1")
	assert.NotEqual(t, first.Username, second.Username)
	_, err := w.svc.Enroll(w.ctx, byLogin(first, "1", "S1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	_, err = w.svc.Enroll(w.ctx, byLogin(second, "1", "S1"))
	assert.NoError(t, err)
}

func TestDisablingSelfServiceStopsLoginsThatWereMailed(t *testing.T) {
	w := newOffice(t)
	login := w.mailed("u1")
	_, err := w.svc.DisablePasscode(w.ctx, w.by)
	require.NoError(t, err)
	_, err = w.svc.Enroll(w.ctx, byLogin(login, "1", "S1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
}

func TestGuessingALoginIsCountedAndTellsNothing(t *testing.T) {
	w := newOffice(t)
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials.OneTimePace = credentials.Off
		s.Policy.Credentials.SourcePace = credentials.Off
	})
	login := w.mailed("u1")
	guess := login
	guess.Password = credentials.SecretString("0000000000000000")
	unknown := guess
	unknown.Username = "a000000000"
	for i := range 12 {
		_, err := w.svc.Enroll(w.ctx, byLogin(guess, fmt.Sprint(i), "S1"))
		assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
		_, err = w.svc.Enroll(w.ctx, byLogin(unknown, fmt.Sprint(i), "S1"))
		assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	}
	_, err := w.svc.Enroll(w.ctx, byLogin(login, "right", "S1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, "its budget is spent")
	_, err = w.svc.Enroll(w.ctx, byLogin(enrollment.Login{Username: "x", Password: guess.Password}, "1", "S1"))
	assert.Equal(t, "invalid", enrollment.Code(err))
}

func TestTheSameHardwareKeepsItsDeviceWhicheverDoorItComesBy(t *testing.T) {
	w := newOffice(t)
	id := w.invite("u1")
	first := w.enroll(id, func(r *enrollment.EnrollRequest) {
		r.Device.Platform, r.Device.Hardware.Serial, r.Device.Manufacturer = device.Windows, "S1", ""
	})
	again, err := w.svc.Enroll(w.ctx, byLogin(w.mailed("u1"), "1", "S1"))
	require.NoError(t, err)
	assert.Equal(t, first.Device.ID, again.Device.ID)
	assert.Equal(t, 2, again.Device.Generation)
	rows := w.slots()
	assert.Contains(t, rows, id, "the invitation has no live device any more, so it is a slot again")
	w.checkHistory(first.Device.ID)
}

func TestARenewalOfASelfServiceDeviceLeadsToTheDoor(t *testing.T) {
	w := newOffice(t)
	in, err := w.svc.Enroll(w.ctx, byLogin(w.mailed("u1"), "1", "S1"))
	require.NoError(t, err)
	result, err := w.svc.Renew(w.ctx, w.by, in.Device.ID)
	require.NoError(t, err)
	assert.True(t, result.WithoutCodes)
	w.deliver()
	mails := w.mail.all()
	last := mails[len(mails)-1]
	assert.Equal(t, "https://acme.example/join/enroll", last.Renewal.SelfService)
	assert.True(t, last.Renewal.Codes.URL.IsZero())
}

// Everybody of an office tries in the same moment.
func TestACrowdThatTriesAtOnceGetsIn(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { assert.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("u%d@example.com", i), right, 1)) })
	}
	wg.Wait()
	assert.Len(t, w.logins(), 200)
	assert.Zero(t, w.passcodeDetail().FailedAttempts)
}

// One address in two sites: the right passcode of one is no guess at the other.
func TestARightPasscodeCostsNoSiteAnything(t *testing.T) {
	w := newWorld(t, func(c *enrollment.Config) { c.Directory = everywhere{} })
	w.noPasscodePace()
	mine := w.passcode()
	_, _, err := w.svc.GeneratePasscode(w.ctx, enrollment.Actor{Site: "other", ID: "x"})
	require.NoError(t, err)
	for i := range 200 {
		require.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("u%d@example.com", i), mine, i))
	}
	detail, err := w.svc.Passcode(w.ctx, enrollment.Actor{Site: "other", ID: "x"})
	require.NoError(t, err)
	assert.Equal(t, enrollment.PasscodeActive, detail.Status)
	assert.Zero(t, detail.FailedAttempts)
}

// everywhere knows its people in both sites.
type everywhere struct{ staff }

func (d everywhere) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	users, err := d.staff.ByEmail(ctx, email)
	for _, u := range users {
		u.Site = "other"
		users = append(users, u)
	}
	return users, err
}

// Whatever fails after a right passcode costs nobody a try.
func TestARightPasscodeWhoseMailFailsCostsNothing(t *testing.T) {
	w := newOffice(t)
	right := w.passcode()
	w.cfg.Rand = &failing{}
	svc := w.over(w.store)
	for i := range 150 {
		require.Error(t, knock(svc, w.ctx, fmt.Sprintf("u%d@example.com", i), right, i))
	}
	assert.Equal(t, enrollment.PasscodeActive, w.passcodeDetail().Status)
	for i := range 150 {
		require.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("u%d@example.com", i), right, i))
	}
	assert.Len(t, w.logins(), 150)
}

// failing is a source of randomness that has run dry.
type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errBroken }

func TestHangingUpKeepsNoAlertFromBeingRaised(t *testing.T) {
	w := newOffice(t)
	w.passcode()
	for i := range 10 {
		ctx, cancel := context.WithCancel(w.ctx)
		_ = knock(w.over(hangUp{w.store, cancel}), ctx, "u1@example.com", wrongPasscode, i)
	}
	assert.Equal(t, 1, count(w.types(enrollment.PasscodeSubject), enrollment.EventPasscodeAlert))
}

func TestOneSourceCannotUseTheWholeHostsCeiling(t *testing.T) {
	w := newWorld(t, func(c *enrollment.Config) { c.Directory = staff{} })
	right := w.passcode()
	for i := range 500 {
		require.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("nobody%d@example.org", i), wrongPasscode, 1))
	}
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 2))
	assert.Len(t, w.logins(), 1)
}

func TestAnAddressIsPacedWhetherAnybodyHasItOrNot(t *testing.T) {
	w := newWorld(t, func(c *enrollment.Config) { c.Directory = staff{} })
	right := w.passcode()
	for i := range 5 {
		require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", wrongPasscode, i))
	}
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 9))
	assert.Empty(t, w.logins(), "paced, and nobody is told")
	w.clock.Advance(15 * time.Minute)
	require.NoError(t, knock(w.svc, w.ctx, "u1@example.com", right, 9))
	assert.Len(t, w.logins(), 1)
}

func TestASiteWithAHostOfItsOwnCountsUnknownAddressesToo(t *testing.T) {
	w := newOffice(t)
	w.sites.change("acme", func(s *enrollment.Site) { s.ID, s.SoleHost = "acme", true })
	right := w.passcode()
	for i := range 3 {
		require.NoError(t, knock(w.svc, w.ctx, fmt.Sprintf("nobody%d@example.org", i), wrongPasscode, i))
	}
	assert.Equal(t, 3, w.passcodeDetail().FailedAttempts)
	require.NoError(t, knock(w.svc, w.ctx, "nobody@example.org", right, 9))
	assert.Equal(t, 3, w.passcodeDetail().FailedAttempts)
	assert.Empty(t, w.logins())
}

func TestLoginsFromBeforeSelfServiceWasOffStayDead(t *testing.T) {
	w := newOffice(t)
	login := w.mailed("u1")
	w.clock.Advance(time.Second)
	_, err := w.svc.DisablePasscode(w.ctx, w.by)
	require.NoError(t, err)
	w.clock.Advance(time.Second)
	w.passcode()
	_, err = w.svc.Enroll(w.ctx, byLogin(login, "1", "S1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
	_, err = w.svc.Enroll(w.ctx, byLogin(w.mailed("u1"), "2", "S1"))
	assert.NoError(t, err)
}

// T31: a node that lacks the passcode's key counts nothing.
func TestAMissingKeyCostsNoPasscodeTry(t *testing.T) {
	w := newOffice(t)
	old := w.svc
	rotated, err := w.cfg.Keyring.Rotate(zeroReader{})
	require.NoError(t, err)
	w.cfg.Keyring = rotated
	w.svc = w.over(w.store)
	right := w.passcode()
	for i := range 30 {
		require.ErrorIs(t, knock(old, w.ctx, "u1@example.com", right, i), credentials.ErrUnknownKey)
	}
	assert.Zero(t, w.passcodeDetail().FailedAttempts)
}

func TestWhoHasLeftDoesNotComeInByAnOldMail(t *testing.T) {
	w := newOffice(t)
	login := w.mailed("u1")
	w.cfg.Directory = directory{} // which knows no u1
	_, err := w.over(w.store).Enroll(w.ctx, byLogin(login, "1", "S1"))
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused)
}
