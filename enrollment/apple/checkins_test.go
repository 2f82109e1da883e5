package apple_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/invitation"
)

func phone(udid string) apple.Authenticate {
	return apple.Authenticate{
		Identity: apple.Identity{UDID: udid}, Topic: topic,
		OSVersion: "18.2.1", BuildVersion: "22C161", ProductName: "iPhone12,1", SerialNumber: "F2L" + udid, IMEI: "35 123456 789012 3",
	}
}

func token(i apple.Identity) apple.TokenUpdate { return apple.TokenUpdate{Identity: i, Topic: topic} }

func info(i apple.Identity) apple.DeviceInformation {
	yes := false
	return apple.DeviceInformation{
		Identity: i, DeviceName: "Ann's iPhone", OSVersion: "18.2.1", ProductName: "iPhone12,1",
		SerialNumber: "F2L" + i.UDID, IsSupervised: &yes, More: map[string]any{"DeviceCapacity": 128},
	}
}

func TestAnInvitationEndsInAManagedDevice(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	next := w.accept(tok, device.IOS)
	assert.Equal(t, device.InstallProfile, next.Action)
	assert.Equal(t, "https://mdm.example.com/join/i/"+tok+"/apple/enroll.mobileconfig", next.URL)
	from := w.certified(tok)
	m := phone("00008030-001C2D3E4F50602E")

	status, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	assert.Equal(t, device.Pending, status.State, "Authenticate does not mean enrolled")
	assert.Equal(t, []device.Fact{device.ManagementProfile, device.InventoryReceived}, status.Missing)
	w.now = w.now.Add(time.Second)
	status, err = w.checkins.TokenUpdate(t.Context(), from, token(m.Identity), w.now)
	require.NoError(t, err)
	assert.Equal(t, []device.Fact{device.InventoryReceived}, status.Missing)
	status, err = w.checkins.DeviceInformation(t.Context(), from, info(m.Identity), w.now)
	require.NoError(t, err)
	assert.Equal(t, device.Active, status.State)

	d := w.device(status.Device)
	assert.Equal(t, inv, d.Invitation)
	assert.Equal(t, device.Personal, d.Ownership)
	assert.Equal(t, device.IOSUnsupervised, d.Mode)
	assert.Equal(t, "Ann's iPhone", d.Name)
	assert.JSONEq(t, `{"DeviceCapacity":128,"DeviceName":"Ann's iPhone","IsSupervised":false,"OSVersion":"18.2.1","ProductName":"iPhone12,1","SerialNumber":"F2L00008030-001C2D3E4F50602E","UDID":"00008030-001C2D3E4F50602E"}`, string(d.Inventory))
	assert.Equal(t, device.Hardware{UDID: "00008030-001C2D3E4F50602E", Serial: "F2L00008030-001C2D3E4F50602E", IMEI: "351234567890123"}, d.Hardware)
	assert.Equal(t, []device.Ref{{Source: "apple-enrollment", ID: from.Enrollment}, {Source: "apple", ID: "00008030-001C2D3E4F50602E"}}, d.Refs)
	seen := w.seen(inv)
	for _, e := range []invitation.Evidence{invitation.AcceptedByPerson, invitation.ProfileDownloaded, invitation.CertificateIssued, invitation.FirstContact, invitation.ManagementActive} {
		assert.Equal(t, int64(1), seen[e], e)
	}

	status, err = w.checkins.CheckOut(t.Context(), from, apple.CheckOut{Identity: m.Identity, Topic: topic}, w.now)
	require.NoError(t, err)
	assert.Equal(t, device.Unenrolled, status.State)
}

func TestTheOrderOfTheFirstMessagesDoesNotMatter(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	from, m := w.certified(tok), phone("00008030-001C2D3E4F50602E")
	early := w.now
	w.now = w.now.Add(time.Second)
	first, err := w.checkins.TokenUpdate(t.Context(), from, token(m.Identity), w.now)
	require.NoError(t, err)
	assert.Equal(t, []device.Fact{device.InventoryReceived}, first.Missing)
	second, err := w.checkins.Authenticate(t.Context(), from, m, early)
	require.NoError(t, err)
	assert.Equal(t, first.Device, second.Device)
	assert.Equal(t, []device.Fact{device.InventoryReceived}, second.Missing, "a late Authenticate takes nothing away")
}

func TestBothOrdersOfTheFirstMessagesEndEqual(t *testing.T) {
	mac := apple.Authenticate{
		Identity: apple.Identity{UDID: "7B9B0A2C-0000-5000-8000-00000000AA01"}, Topic: topic,
		OSVersion: "15.1", ProductName: "Mac14,2", SerialNumber: "C02X", DeviceName: "Ann's Mac", Model: "MacBook Air", ModelName: "MacBook Air",
	}
	for name, c := range map[string]struct {
		accepted device.Platform
		mode     device.Mode // as invited
		m        apple.Authenticate
		late     bool // Authenticate is told late, with its own time
		platform device.Platform
		want     device.Mode
	}{
		"a phone":                          {device.IOS, "", phone("00008030-001C2D3E4F50602E"), false, device.IOS, device.IOSUnsupervised},
		"a phone, told late":               {device.IOS, "", phone("00008030-001C2D3E4F50602E"), true, device.IOS, device.IOSUnsupervised},
		"a phone that is supervised":       {device.IOS, device.IOSSupervised, phone("00008030-001C2D3E4F50602E"), false, device.IOS, device.IOSSupervised},
		"a Mac":                            {device.MacOS, "", mac, false, device.MacOS, device.MacOSMode},
		"a Mac, accepted as a phone":       {device.IOS, device.IOSSupervised, mac, false, device.MacOS, device.MacOSMode},
		"a phone, accepted as a Mac":       {device.MacOS, "", phone("00008030-001C2D3E4F50602E"), true, device.IOS, device.IOSUnsupervised},
		"a phone, accepted for an Android": {device.Android, "", phone("00008030-001C2D3E4F50602E"), false, device.IOS, device.IOSUnsupervised},
	} {
		t.Run(name, func(t *testing.T) {
			end := func(tokenFirst bool) device.Device {
				w := newWorld(t)
				_, tok := w.invite("ann", func(r *enrollment.InviteRequest) { r.Mode = c.mode })
				w.accept(tok, c.accepted)
				from, early := w.certified(tok), w.now
				w.now = w.now.Add(time.Second)
				var status enrollment.Status
				messages := []func(time.Time){
					func(at time.Time) {
						var err error
						status, err = w.checkins.Authenticate(t.Context(), from, c.m, at)
						require.NoError(t, err)
					},
					func(at time.Time) {
						var err error
						status, err = w.checkins.TokenUpdate(t.Context(), from, token(c.m.Identity), at)
						require.NoError(t, err)
					},
				}
				if tokenFirst {
					messages[1](w.now)
					if !c.late {
						w.now = w.now.Add(time.Second)
						early = w.now
					}
					messages[0](early)
				} else {
					messages[0](early)
					messages[1](w.now)
				}
				d := w.device(status.Device)
				assert.Equal(t, c.platform, d.Platform)
				assert.Equal(t, c.want, d.Mode)
				assert.Equal(t, status.Missing, d.Missing(nil))
				// What is left differs by the ids of the run, and by times.
				return device.Device{
					Platform: d.Platform, Mode: d.Mode, Ownership: d.Ownership, State: d.State, Reason: d.Reason, Generation: d.Generation,
					Hardware: d.Hardware, Name: d.Name, Manufacturer: d.Manufacturer, Model: d.Model, OSVersion: d.OSVersion, Refs: d.Refs[1:],
				}
			}
			assert.Equal(t, end(false), end(true))
		})
	}
}

func TestWhoHasLeftComesBackByAuthenticateAlone(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	from, m := w.certified(tok), phone("00008030-001C2D3E4F50602E")
	in, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	late := w.now.Add(time.Second)
	w.now = w.now.Add(time.Minute)
	_, err = w.checkins.CheckOut(t.Context(), from, apple.CheckOut{Identity: m.Identity, Topic: topic}, w.now)
	require.NoError(t, err)
	w.now = w.now.Add(time.Minute)

	for name, say := range map[string]func() (enrollment.Status, error){
		"a connect": func() (enrollment.Status, error) {
			return w.checkins.Connect(t.Context(), from, apple.Connect{Identity: m.Identity, Status: "Idle"}, w.now)
		},
		"a TokenUpdate": func() (enrollment.Status, error) {
			return w.checkins.TokenUpdate(t.Context(), from, token(m.Identity), w.now)
		},
		"an answer": func() (enrollment.Status, error) {
			return w.checkins.DeviceInformation(t.Context(), from, info(m.Identity), w.now)
		},
		"a late Authenticate": func() (enrollment.Status, error) { return w.checkins.Authenticate(t.Context(), from, m, late) },
	} {
		status, err := say()
		require.NoError(t, err, name)
		assert.Equal(t, device.Unenrolled, status.State, name)
	}
	again, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	assert.Equal(t, in.Device, again.Device)
	assert.Equal(t, device.Pending, again.State)
	assert.Equal(t, 2, w.device(in.Device).Generation)
}

func TestAProfileInstalledAnewIsTheSameDevice(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	m := phone("00008030-001C2D3E4F50602E")
	old := w.certified(tok)
	in, err := w.checkins.Authenticate(t.Context(), old, m, w.now)
	require.NoError(t, err)
	w.now = w.now.Add(time.Hour)
	from := w.certified(tok)
	again, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	assert.Equal(t, in.Device, again.Device)
	assert.Equal(t, from.Enrollment, w.device(in.Device).Refs[1].ID, "its enrollment is the new one")

	_, err = w.checkins.Authenticate(t.Context(), old, m, w.now.Add(-time.Minute))
	assert.ErrorIs(t, err, enrollment.ErrStale, "what the old enrollment still says is late")
	_, err = w.checkins.CheckOut(t.Context(), old, apple.CheckOut{Identity: m.Identity, Topic: topic}, w.now)
	assert.ErrorIs(t, err, enrollment.ErrNotFound)
	assert.Equal(t, device.Pending, w.device(in.Device).State)
}

func TestWhatAReplacedEnrollmentSaysChangesNothing(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	old, m := w.certified(tok), phone("00008030-001C2D3E4F50602E")
	in, err := w.checkins.Authenticate(t.Context(), old, m, w.now)
	require.NoError(t, err)
	old.Device = in.Device // as a server keeps it
	w.now = w.now.Add(time.Hour)
	_, err = w.checkins.Authenticate(t.Context(), w.certified(tok), m, w.now)
	require.NoError(t, err)
	before := w.device(in.Device)
	w.now = w.now.Add(time.Hour)

	messages := map[string]func() (enrollment.Status, error){
		"an Authenticate": func() (enrollment.Status, error) { return w.checkins.Authenticate(t.Context(), old, m, w.now) },
		"a TokenUpdate": func() (enrollment.Status, error) {
			return w.checkins.TokenUpdate(t.Context(), old, token(m.Identity), w.now)
		},
		"a connect": func() (enrollment.Status, error) {
			return w.checkins.Connect(t.Context(), old, apple.Connect{Identity: m.Identity, Status: "Idle"}, w.now)
		},
		"an answer": func() (enrollment.Status, error) {
			return w.checkins.DeviceInformation(t.Context(), old, info(m.Identity), w.now)
		},
		"a CheckOut": func() (enrollment.Status, error) {
			return w.checkins.CheckOut(t.Context(), old, apple.CheckOut{Identity: m.Identity, Topic: topic}, w.now)
		},
	}
	for range 2 { // and when the grant is long forgotten
		for name, say := range messages {
			_, err := say()
			require.ErrorIs(t, err, enrollment.ErrSuperseded, name)
			assert.Equal(t, 200, apple.AnswerTo(err).Status, name)
			assert.Equal(t, before, w.device(in.Device), name)
		}
		w.now = w.now.Add(3 * enrollment.MaxGrantLife)
	}
	assert.Empty(t, w.reasons(enrollment.PlatformSubject("mdm")))
	stranger := old
	stranger.Device = ""
	_, err = w.checkins.Authenticate(t.Context(), stranger, m, w.now)
	require.ErrorIs(t, err, enrollment.ErrGrantRefused, "who never was a device is nobody")
	require.NoError(t, w.svc.Delete(t.Context(), admin, in.Device))
	for name, say := range messages {
		_, err := say()
		require.ErrorIs(t, err, enrollment.ErrDeviceGone, name)
	}
}

func TestAPersonsOwnDeviceKeepsItsIdsToItself(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann", func(r *enrollment.InviteRequest) { r.Mode = device.IOSUserEnrollment })
	w.accept(tok, device.IOS)
	from := w.certified(tok)
	m := phone("")
	m.Identity = apple.Identity{EnrollmentID: "0E9C9F0A-3B1E-4A77-9D5B-5E6B7C8D9E0F"}
	_, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	_, err = w.checkins.TokenUpdate(t.Context(), from, token(m.Identity), w.now)
	require.NoError(t, err)
	answer := info(m.Identity)
	answer.SerialNumber = "F2LX"
	status, err := w.checkins.DeviceInformation(t.Context(), from, answer, w.now)
	require.NoError(t, err)
	d := w.device(status.Device)
	assert.Equal(t, device.Active, d.State)
	assert.Equal(t, device.IOSUserEnrollment, d.Mode)
	assert.Zero(t, d.Hardware)
	assert.NotContains(t, string(d.Inventory), "F2LX")
}

func TestADeviceHidesItsUDIDOnlyIfItIsInvitedSo(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	from, byLogin := w.certified(tok), apple.Sender{}
	_, carls := w.invite("carl")
	w.accept(carls, device.MacOS)
	_, doras := w.invite("dora", func(r *enrollment.InviteRequest) { r.Mode = device.IOSUserEnrollment })
	w.accept(doras, device.IOS)
	aMac, asUser := w.certified(carls), w.certified(doras)
	rec := w.get(strings.TrimPrefix(w.login("bob", device.IOS), "https://mdm.example.com/join/platform/apple"), "")
	profile := readPlist(t, rec.Body.Bytes())
	_, err := w.svc.UseGrant(t.Context(), apple.ChallengeUse, challenge(profile), invitation.CertificateIssued)
	require.NoError(t, err)
	byLogin = w.sender(profile)

	m := phone("")
	m.Identity = apple.Identity{EnrollmentID: "0E9C9F0A-3B1E-4A77-9D5B-5E6B7C8D9E0F"}
	for _, s := range []apple.Sender{from, byLogin} {
		_, err := w.checkins.Authenticate(t.Context(), s, m, w.now)
		require.ErrorIs(t, err, apple.ErrIdentity)
		assert.Equal(t, 400, apple.AnswerTo(err).Status)
		_, err = w.checkins.TokenUpdate(t.Context(), s, token(m.Identity), w.now)
		require.ErrorIs(t, err, apple.ErrIdentity)
	}
	m.ProductName = "Mac14,2"
	for _, s := range []apple.Sender{from, byLogin, aMac, asUser} {
		_, err := w.checkins.Authenticate(t.Context(), s, m, w.now)
		require.ErrorIs(t, err, apple.ErrIdentity, "nor by calling oneself a Mac")
	}
	_, err = w.checkins.TokenUpdate(t.Context(), aMac, token(m.Identity), w.now)
	require.ErrorIs(t, err, apple.ErrIdentity)
	assert.Empty(t, w.devices(), "nothing is enrolled")
	_, err = w.checkins.Authenticate(t.Context(), from, phone("00008030-001C2D3E4F50602E"), w.now)
	require.NoError(t, err, "and the enrollment is still good for a device that says who it is")
}

func TestAMacIsActiveOnceSomebodyApproved(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.MacOS)
	from := w.certified(tok)
	m := apple.Authenticate{
		Identity: apple.Identity{UDID: "7B9B0A2C-0000-5000-8000-00000000AA01"}, Topic: topic,
		OSVersion: "15.1", ProductName: "Mac14,2", SerialNumber: "C02X", DeviceName: "Ann's Mac", Model: "MacBook Air", ModelName: "MacBook Air",
	}
	_, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	_, err = w.checkins.TokenUpdate(t.Context(), from, token(m.Identity), w.now)
	require.NoError(t, err)
	user := m.Identity
	user.UserID = "0B1C2D3E-0000-5000-8000-00000000AA02"
	_, err = w.checkins.TokenUpdate(t.Context(), from, token(user), w.now)
	require.NoError(t, err, "a user's channel is a sign of life")
	yes := true
	_, err = w.checkins.DeviceInformation(t.Context(), from, apple.DeviceInformation{Identity: m.Identity, DeviceName: "Ann's Mac", IsSupervised: &yes}, w.now)
	require.NoError(t, err)
	no := false
	status, err := w.checkins.SecurityInfo(t.Context(), from, apple.SecurityInfo{Identity: m.Identity, UserApprovedEnrollment: &no}, w.now)
	require.NoError(t, err)
	assert.Equal(t, []device.Fact{device.UserApproved}, status.Missing)
	assert.Equal(t, device.ApproveProfile, status.Next)
	w.now = w.now.Add(time.Minute)
	status, err = w.checkins.SecurityInfo(t.Context(), from, apple.SecurityInfo{Identity: m.Identity, UserApprovedEnrollment: &yes}, w.now)
	require.NoError(t, err)
	assert.Equal(t, device.Active, status.State)
	assert.Equal(t, device.MacOS, w.device(status.Device).Platform)
	assert.True(t, w.device(status.Device).Facts.Holds(device.Supervised))

	_, err = w.checkins.CheckOut(t.Context(), from, apple.CheckOut{Identity: user, Topic: topic}, w.now)
	require.NoError(t, err)
	assert.Equal(t, device.Active, w.device(status.Device).State, "a user's goodbye is not the computer's")
}

func TestTheWholeWayFromAOneTimeLogin(t *testing.T) {
	w := newWorld(t)
	link := w.login("ann", device.MacOS)
	path := strings.TrimPrefix(link, "https://mdm.example.com/join/platform/apple")
	require.NotEqual(t, link, path)
	two := []apple.Sender{}
	for range 2 {
		rec := w.get(path, "")
		require.Equal(t, 200, rec.Code, rec.Body)
		profile := readPlist(t, rec.Body.Bytes())
		assert.Equal(t, "System", profile["PayloadScope"])
		_, err := w.svc.UseGrant(t.Context(), apple.ChallengeUse, challenge(profile), invitation.CertificateIssued)
		require.NoError(t, err)
		two = append(two, w.sender(profile))
	}
	i := apple.Identity{UDID: "7B9B0A2C-0000-5000-8000-00000000AA01"}
	status, err := w.checkins.TokenUpdate(t.Context(), two[0], token(i), w.now)
	require.NoError(t, err)
	d := w.device(status.Device)
	assert.Equal(t, device.BySelfService, d.Origin)
	assert.Equal(t, device.Company, d.Ownership)
	assert.Equal(t, device.MacOS, d.Platform)

	_, err = w.checkins.Authenticate(t.Context(), two[1], phone("00008030-001C2D3E4F50602F"), w.now)
	assert.ErrorIs(t, err, enrollment.ErrCredentialRefused, "one device")
	assert.Equal(t, 410, w.get(path, "").Code, "and then the login is over")
	assert.Equal(t, []string{"mdm/enroll: login_used"}, w.reasons(enrollment.LoginSubject("ann")))
	_, err = w.checkins.Authenticate(t.Context(), two[0], apple.Authenticate{Identity: i, Topic: topic, ProductName: "Mac14,2"}, w.now)
	assert.NoError(t, err, "what is enrolled stays so")
}

func TestDeactivationIsLookedAtAgainAtEachStep(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	downloaded, certified := w.profile(tok), w.certified(tok)
	stays := w.certified(tok)
	in, err := w.checkins.Authenticate(t.Context(), stays, phone("00008030-001C2D3E4F506001"), w.now)
	require.NoError(t, err)
	_, err = w.svc.Deactivate(t.Context(), admin, inv)
	require.NoError(t, err)

	assert.Equal(t, 410, w.get("/enroll.mobileconfig", tok).Code)
	_, err = w.svc.UseGrant(t.Context(), apple.ChallengeUse, challenge(downloaded), invitation.CertificateIssued)
	assert.ErrorIs(t, err, invitation.ErrDeactivated, "a profile that is out gets no certificate")
	for range 3 {
		_, err = w.checkins.Authenticate(t.Context(), certified, phone("00008030-001C2D3E4F506002"), w.now)
		assert.ErrorIs(t, err, invitation.ErrDeactivated)
		assert.Equal(t, 403, apple.AnswerTo(err).Status)
	}
	assert.Equal(t, []string{"apple/certificate: invitation_deactivated", "mdm/enroll: invitation_deactivated"}, w.reasons(inv))
	_, err = w.checkins.Authenticate(t.Context(), stays, phone("00008030-001C2D3E4F506001"), w.now)
	require.NoError(t, err, "an enrolled device never needs its invitation again")
	status, err := w.checkins.TokenUpdate(t.Context(), stays, token(apple.Identity{UDID: "00008030-001C2D3E4F506001"}), w.now)
	require.NoError(t, err)
	assert.Equal(t, in.Device, status.Device)
}

func TestADeviceForWhichTheSiteHasNoRoomIsTurnedAway(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	here, comes := w.certified(tok), w.certified(tok)
	in, err := w.checkins.Authenticate(t.Context(), here, phone("00008030-001C2D3E4F506001"), w.now)
	require.NoError(t, err)
	w.most = 1
	for range 3 {
		_, err = w.checkins.Authenticate(t.Context(), comes, phone("00008030-001C2D3E4F506002"), w.now)
		require.ErrorIs(t, err, enrollment.ErrSiteFull)
		assert.True(t, apple.Refused(err))
		assert.Equal(t, 403, apple.AnswerTo(err).Status)
		assert.Equal(t, "site_full", apple.AnswerTo(err).Code)
	}
	assert.Equal(t, []string{"mdm/enroll: site_full"}, w.reasons(inv))
	status, err := w.checkins.TokenUpdate(t.Context(), here, token(apple.Identity{UDID: "00008030-001C2D3E4F506001"}), w.now)
	require.NoError(t, err, "who is here stays")
	assert.Equal(t, in.Device, status.Device)
	_, err = w.checkins.Authenticate(t.Context(), w.certified(tok), phone("00008030-001C2D3E4F506001"), w.now)
	require.NoError(t, err, "and enrolls again")
	w.most = 2
	_, err = w.checkins.Authenticate(t.Context(), comes, phone("00008030-001C2D3E4F506002"), w.now)
	require.NoError(t, err)
}

func TestAChallengeIsGoodOnce(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	c := challenge(w.profile(tok))
	_, err := w.svc.UseGrant(t.Context(), apple.ChallengeUse, c, invitation.CertificateIssued)
	require.NoError(t, err)
	for range 2 {
		_, err = w.svc.UseGrant(t.Context(), apple.ChallengeUse, c, invitation.CertificateIssued)
		assert.ErrorIs(t, err, enrollment.ErrGrantUsed)
	}
	assert.Equal(t, []string{"apple/certificate: grant_used"}, w.reasons(inv))
	assert.Equal(t, int64(1), w.seen(inv)[invitation.CertificateIssued])

	late := challenge(w.profile(tok))
	w.now = w.now.Add(apple.DefaultChallengeLife)
	_, err = w.svc.UseGrant(t.Context(), apple.ChallengeUse, late, invitation.CertificateIssued)
	assert.ErrorIs(t, err, enrollment.ErrGrantExpired)
}

func TestAnEnrollmentThatNobodyCertifiedAdmitsNobody(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	from := w.sender(w.profile(tok))
	_, err := w.checkins.Authenticate(t.Context(), from, phone("00008030-001C2D3E4F50602E"), w.now)
	assert.ErrorIs(t, err, enrollment.ErrGrantRefused)
	assert.Equal(t, 403, apple.AnswerTo(err).Status)
	assert.Equal(t, []string{"mdm/enroll: grant_refused"}, w.reasons(enrollment.PlatformSubject("mdm")), "of nobody's invitation, so of the platform")
}

func TestANewPINEndsProfilesAndNoCertificates(t *testing.T) {
	w := newWorld(t)
	inv, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	downloaded, certified := w.profile(tok), w.certified(tok)
	_, err := w.svc.NewPIN(t.Context(), admin, inv)
	require.NoError(t, err)
	_, err = w.svc.UseGrant(t.Context(), apple.ChallengeUse, challenge(downloaded), invitation.CertificateIssued)
	require.ErrorIs(t, err, enrollment.ErrGrantRefused)
	_, err = w.checkins.Authenticate(t.Context(), certified, phone("00008030-001C2D3E4F506002"), w.now)
	require.NoError(t, err, "who has a certificate is past the PIN: deactivating the invitation is what stops it")
}

func TestMessagesThatNobodyCanMeanAreRefused(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	from := w.certified(tok)
	other := phone("00008030-001C2D3E4F50602E")
	other.Topic = "com.apple.mgmt.External.other"
	_, err := w.checkins.Authenticate(t.Context(), from, other, w.now)
	require.ErrorIs(t, err, apple.ErrTopic)
	assert.Equal(t, apple.Answer{Status: 400, Code: "topic_unknown"}, apple.AnswerTo(err))
	for _, i := range []apple.Identity{{}, {UDID: "a\nb"}, {UDID: strings.Repeat("x", 129)}, {EnrollmentID: "\xff"}} {
		_, err := w.checkins.TokenUpdate(t.Context(), from, token(i), w.now)
		require.ErrorIs(t, err, apple.ErrIdentity)
		assert.Equal(t, 400, apple.AnswerTo(err).Status)
	}
}

func TestADeviceThatWasDeletedIsToldToGo(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	from, m := w.certified(tok), phone("00008030-001C2D3E4F50602E")
	in, err := w.checkins.Authenticate(t.Context(), from, m, w.now)
	require.NoError(t, err)
	require.NoError(t, w.svc.Delete(t.Context(), admin, in.Device))
	from.Device = in.Device
	_, err = w.checkins.Connect(t.Context(), from, apple.Connect{Identity: m.Identity, Status: "Idle"}, w.now)
	require.ErrorIs(t, err, enrollment.ErrDeviceGone)
	answer := apple.AnswerTo(err)
	assert.Equal(t, 403, answer.Status)
	assert.Equal(t, "com.apple.unrecognized.device", readPlist(t, answer.Body)["code"])
}

func TestAnAccidentMakesNoDeviceDropItsProfile(t *testing.T) {
	for _, err := range []error{enrollment.ErrNotFound, enrollment.ErrStale, enrollment.ErrForbidden, t.Context().Err(), &url.Error{}} {
		if err != nil {
			assert.Equal(t, 503, apple.AnswerTo(err).Status, err)
		}
	}
	assert.Equal(t, 200, apple.AnswerTo(nil).Status)
}
