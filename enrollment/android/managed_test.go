package android_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/invitation"
)

// system is another system: it makes tokens and remembers what for.
type system struct {
	mu   sync.Mutex
	made []android.TokenRequest
	down bool

	codeless bool
	hangs    atomic.Bool
}

func (s *system) CreateToken(ctx context.Context, r android.TokenRequest) (android.Token, error) {
	if s.hangs.Load() {
		<-ctx.Done()
		return android.Token{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return android.Token{}, errors.New("503")
	}
	s.made = append(s.made, r)
	if s.codeless {
		return android.Token{Value: credentials.SecretString("TOKEN&1")}, nil
	}
	return android.Token{Value: credentials.SecretString("TOKEN&1"), QR: credentials.SecretString(`{"qr":"verbatim"}`)}, nil
}

// last is what the newest token carries.
func (s *system) last() string { return s.made[len(s.made)-1].AdditionalData.Reveal() }

func managed(t *testing.T) (*world, *android.Managed, *system) {
	t.Helper()
	other := &system{}
	m, err := android.NewManaged(android.ManagedConfig{Tokens: other})
	require.NoError(t, err)
	return newWorld(t, m), m, other
}

// phone is a device as the other system describes it.
func phone(data string, change ...func(map[string]any)) android.Notification {
	d := map[string]any{
		"name": "enterprises/LC0123/devices/abc", "appliedState": "PROVISIONING", "ownership": "PERSONALLY_OWNED",
		"managementMode": "PROFILE_OWNER", "enrollmentTokenData": data, "enrollmentTime": "2026-03-01T09:00:30Z",
		"hardwareInfo": map[string]any{"manufacturer": "Google", "model": "Pixel 8", "serialNumber": "ESID-1", "enterpriseSpecificId": "ESID-1"},
		"softwareInfo": map[string]any{"androidVersion": "14"},
	}
	for _, c := range change {
		c(d)
	}
	b, _ := json.Marshal(d) // maps and texts cannot fail
	return android.Notification{Type: "ENROLLMENT", ID: "1", Data: b}
}

func applied(state, at string) func(map[string]any) {
	return func(d map[string]any) { d["appliedState"], d["lastStatusReportTime"] = state, at }
}

func TestAnotherSystemsTokenEndsInOurDevice(t *testing.T) {
	w, m, other := managed(t)
	inv, tok := w.invite("ann", "")
	next := w.accept(tok, device.Personal).Next
	assert.Equal(t, device.CreateWorkProfile, next.Action)
	rec := w.follow(http.MethodGet, next.URL)
	require.Equal(t, http.StatusFound, rec.Code, rec.Body)
	assert.Equal(t, "https://enterprise.google.com/android/enroll?et=TOKEN%261", rec.Header().Get("Location"))
	assert.Equal(t, "PERSONAL_USAGE_ALLOWED", other.made[0].PersonalUsage())
	assert.LessOrEqual(t, len(other.last()), 1024)
	assert.NotContains(t, other.last(), tok)

	w.now = w.now.Add(time.Minute)
	status, err := m.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err)
	assert.Equal(t, device.Pending, status.State)
	assert.Equal(t, []device.Fact{device.WorkProfile, device.Permissions}, status.Missing)
	again, err := m.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err, "it is told at least once")
	assert.Equal(t, status, again)

	status, err = m.Notify(t.Context(), "acme", phone(other.last(), applied("ACTIVE", "2026-03-01T09:00:50Z")))
	require.NoError(t, err)
	assert.Equal(t, device.Active, status.State)
	d := w.device(status.Device)
	assert.Equal(t, inv, d.Invitation)
	assert.Equal(t, device.Hardware{ESID: "ESID-1"}, d.Hardware)
	assert.Equal(t, []device.Ref{{Source: "amapi", ID: "enterprises/LC0123/devices/abc"}}, d.Refs)

	_, err = w.svc.Deactivate(t.Context(), admin, inv)
	require.NoError(t, err)
	w.now = w.now.Add(48 * time.Hour)
	status, err = m.Notify(t.Context(), "acme", phone(other.last(), applied("DELETED", "2026-03-03T09:00:00Z")))
	require.NoError(t, err, "what is enrolled needs its invitation no more")
	assert.Equal(t, device.Unenrolled, status.State)
	status, err = m.Notify(t.Context(), "acme", phone(other.last(), applied("ACTIVE", "2026-03-03T09:00:01Z")))
	require.NoError(t, err)
	assert.Equal(t, device.Unenrolled, status.State, "a late message brings nobody back")
}

func TestTheFirstMessageMayBeAnyOfThem(t *testing.T) {
	w, m, other := managed(t)
	_, tok := w.invite("ann", "")
	w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
	w.now = w.now.Add(time.Minute)
	report := phone(other.last(), applied("ACTIVE", "2026-03-01T09:00:50Z"))
	report.Type = "STATUS_REPORT"
	status, err := m.Notify(t.Context(), "acme", report)
	require.NoError(t, err)
	assert.Equal(t, device.Active, status.State)
	status, err = m.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err)
	assert.Equal(t, device.Active, status.State, "what is older takes nothing away")
}

func TestACompanysDeviceScansTheOtherSystemsCode(t *testing.T) {
	for mode, usage := range map[device.Mode]string{
		device.AndroidFullyManaged:       "PERSONAL_USAGE_DISALLOWED",
		device.AndroidDedicated:          "PERSONAL_USAGE_DISALLOWED_USERLESS",
		device.AndroidCompanyWorkProfile: "PERSONAL_USAGE_ALLOWED",
	} {
		w, m, other := managed(t)
		_, tok := w.invite("ann", mode)
		for range 3 {
			next := w.accept(tok, device.Company).Next
			assert.Equal(t, device.ProvisionDevice, next.Action)
			assert.Equal(t, `{"qr":"verbatim"}`, next.Scan.Reveal())
			assert.Empty(t, next.URL)
		}
		require.Len(t, other.made, 1, "a form is sent more than once")
		assert.Equal(t, usage, other.made[0].PersonalUsage())
		w.now = w.now.Add(android.DefaultTokenLife / 2)
		w.accept(tok, device.Company)
		require.Len(t, other.made, 2, "what ends soon is not shown")

		status, err := m.Notify(t.Context(), "acme", phone(other.last(), applied("ACTIVE", "2026-03-01T09:29:00Z"), func(d map[string]any) {
			d["ownership"], d["managementMode"] = "COMPANY_OWNED", "DEVICE_OWNER"
			if mode == device.AndroidCompanyWorkProfile {
				d["managementMode"] = "PROFILE_OWNER"
			}
			d["hardwareInfo"] = map[string]any{"brand": "samsung", "model": "SM-X910", "serialNumber": "R52"}
		}))
		require.NoError(t, err)
		d := w.device(status.Device)
		assert.Equal(t, mode, d.Mode)
		assert.Equal(t, device.Active, d.State, mode)
		assert.Equal(t, device.Company, d.Ownership)
		assert.Equal(t, "R52", d.Hardware.Serial)
	}
}

func TestADeviceWhoseInvitationEndedMeanwhileIsRefused(t *testing.T) {
	w, m, other := managed(t)
	inv, tok := w.invite("ann", "")
	w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
	_, err := w.svc.Deactivate(t.Context(), admin, inv)
	require.NoError(t, err)
	for range 2 {
		_, err = m.Notify(t.Context(), "acme", phone(other.last()))
		require.Error(t, err)
		assert.True(t, android.Refused(err), "%v", err)
	}
	_, err = m.Notify(t.Context(), "acme", phone("android_work_profile:forged"))
	assert.ErrorIs(t, err, enrollment.ErrGrantRefused)
	_, err = m.Notify(t.Context(), "acme", phone(""))
	assert.ErrorIs(t, err, enrollment.ErrNotFound, "one that nobody of ours invited")
	assert.False(t, android.Refused(err))
}

func TestADeviceForWhichThereIsNoRoomYetStaysInTheOtherSystem(t *testing.T) {
	w, m, other := managed(t)
	inv, tok := w.invite("ann", "")
	w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
	_, err := w.svc.Adopt(t.Context(), admin, []enrollment.Adoption{{
		Ref: device.Ref{Source: "was", ID: "1"}, User: "bob", Platform: device.Android, State: device.Active,
	}})
	require.NoError(t, err)
	w.site.Policy.MaxDevices = 1
	for range 3 {
		_, err := m.Notify(t.Context(), "acme", phone(other.last()))
		require.ErrorIs(t, err, enrollment.ErrSiteFull)
		assert.False(t, android.Refused(err), "a number that is too low wipes nobody's phone")
	}
	// Days later it is no other error than that of a message that comes late.
	now := w.now
	w.now = now.Add(3 * enrollment.MaxGrantLife)
	_, err = m.Notify(t.Context(), "acme", phone(other.last()))
	require.ErrorIs(t, err, enrollment.ErrGrantExpired)
	assert.False(t, android.Refused(err))
	w.now = now.Add(enrollment.MaxGrantLife)
	w.site.Policy.MaxDevices = 2
	status, err := m.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err, "its next report, when there is room")
	assert.Equal(t, inv, w.device(status.Device).Invitation)
}

func TestOneCodeAdmitsOneOfSeveralPhones(t *testing.T) {
	w, m, other := managed(t)
	_, tok := w.invite("ann", device.AndroidFullyManaged)
	w.accept(tok, device.Company)
	scan := func(name, serial string) (enrollment.Status, error) {
		return m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) {
			d["name"], d["ownership"], d["managementMode"] = "enterprises/LC0123/devices/"+name, "COMPANY_OWNED", "DEVICE_OWNER"
			d["hardwareInfo"] = map[string]any{"manufacturer": "Google", "serialNumber": serial}
		}))
	}
	first, err := scan("one", "R1")
	require.NoError(t, err)
	for range 2 {
		_, err = scan("two", "R2")
		require.ErrorIs(t, err, enrollment.ErrGrantUsed)
		assert.True(t, android.Refused(err), "the caller has it deleted there")
	}
	again, err := scan("one", "R1")
	require.NoError(t, err)
	assert.Equal(t, first.Device, again.Device)

	w.accept(tok, device.Company)
	require.Len(t, other.made, 2, "what admits nobody any more is not shown")
	next, err := scan("two", "R2")
	require.NoError(t, err, "the invitation has room for it")
	assert.NotEqual(t, first.Device, next.Device)
}

func TestTheOtherSystemsLinkFromAOneTimeLogin(t *testing.T) {
	w, m, other := managed(t)
	next, _ := w.login("ann")
	require.Equal(t, http.StatusFound, w.follow(http.MethodGet, next.URL).Code)
	status, err := m.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err)
	assert.Equal(t, device.BySelfService, w.device(status.Device).Origin)
	_, err = m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) {
		d["name"], d["hardwareInfo"] = "enterprises/LC0123/devices/second", nil
	}))
	assert.ErrorIs(t, err, enrollment.ErrGrantUsed, "one device")
	assert.True(t, android.Refused(err))
}

func TestWhenTheOtherSystemIsDownThePersonComesBack(t *testing.T) {
	w, _, other := managed(t)
	inv, tok := w.invite("ann", "")
	other.down = true
	_, err := w.svc.Accept(t.Context(), tok, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
	assert.Equal(t, "unavailable", enrollment.Code(err))
	assert.NotContains(t, w.seen(inv), invitation.StoreRedirected)
	other.down = false
	assert.NotEmpty(t, w.accept(tok, device.Personal).Next.URL, "and gets on")
}

func TestAPushIsReadAsPubSubSendsIt(t *testing.T) {
	n, err := android.ParsePush([]byte(`{"message":{"attributes":{"notificationType":"ENROLLMENT"},"messageId":"1","data":"eyJuYW1lIjoiZW50ZXJwcmlzZXMvTEMwMTIzL2RldmljZXMvYWJjIiwic3RhdGUiOiJBQ1RJVkUiLCJhcHBsaWVkU3RhdGUiOiJQUk9WSVNJT05JTkciLCJvd25lcnNoaXAiOiJQRVJTT05BTExZX09XTkVEIiwiZW5yb2xsbWVudFRva2VuRGF0YSI6ImludjoxMjMifQ=="},"subscription":"projects/p/subscriptions/s"}`))
	require.NoError(t, err)
	assert.Equal(t, "ENROLLMENT", n.Type)
	assert.JSONEq(t, `{"name":"enterprises/LC0123/devices/abc","state":"ACTIVE","appliedState":"PROVISIONING","ownership":"PERSONALLY_OWNED","enrollmentTokenData":"inv:123"}`, string(n.Data))
	for _, body := range []string{"", "{}", `{"message":{"messageId":"1","data":"***"}}`, "\xff", strings.Repeat(" ", android.MaxNotification+1)} {
		_, err := android.ParsePush([]byte(body))
		assert.ErrorIs(t, err, android.ErrNotification)
	}
}

func TestMessagesThatSayNothingAreTaken(t *testing.T) {
	_, m, _ := managed(t)
	_, err := m.Notify(t.Context(), "acme", android.Notification{Type: "COMMAND", ID: "1", Data: []byte("{}")})
	assert.NoError(t, err)
	for _, data := range []string{"", "[]", `{"name":"x"}`, `{"name":"enterprises/a\u0000"}`, `{"name":7}`} {
		_, err := m.Notify(t.Context(), "acme", android.Notification{Type: "STATUS_REPORT", ID: "1", Data: []byte(data)})
		assert.ErrorIs(t, err, android.ErrNotification, data)
	}
}

func FuzzParsePush(f *testing.F) {
	f.Add([]byte(`{"message":{"attributes":{"notificationType":"ENROLLMENT"},"messageId":"1","data":"e30="}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := android.ParsePush(body)
		if err != nil {
			require.ErrorIs(t, err, android.ErrNotification)
			return
		}
		require.NotEmpty(t, n.ID)
	})
}

func FuzzNotify(f *testing.F) {
	f.Add("STATUS_REPORT", phone("android_work_profile:x").Data)
	f.Add("ENROLLMENT", []byte(base64.StdEncoding.EncodeToString([]byte("{}"))))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		_, m, _ := managed(t)
		// Nobody carries a grant of ours here, so nothing can come of it.
		status, err := m.Notify(t.Context(), "acme", android.Notification{Type: kind, ID: "1", Data: data})
		require.Empty(t, status.Device)
		if kind == "ENROLLMENT" || kind == "STATUS_REPORT" {
			require.Error(t, err)
		}
	})
}

func TestWhatIsHeardLateIsJudgedByWhenTheDeviceEnrolled(t *testing.T) {
	w, m, other := managed(t)
	_, tok := w.invite("ann", "")
	w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
	outage := func(d time.Duration) { w.now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).Add(d) }
	untimed := phone(other.last(), func(d map[string]any) { delete(d, "enrollmentTime") })

	outage(2*enrollment.MaxGrantLife + time.Second)
	_, err := m.Notify(t.Context(), "acme", phone(other.last()))
	assert.ErrorIs(t, err, enrollment.ErrGrantExpired, "its use would be forgotten too early")
	assert.False(t, android.Refused(err), "an outage of ours deletes nobody's device")
	outage(enrollment.MaxGrantLife + time.Second)
	_, err = m.Notify(t.Context(), "acme", untimed)
	assert.ErrorIs(t, err, enrollment.ErrGrantExpired)
	_, err = m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) { d["enrollmentTime"] = "2026-03-02T09:00:00Z" }))
	assert.ErrorIs(t, err, enrollment.ErrGrantExpired, "who came when it was over")

	status, err := m.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err)
	assert.Equal(t, device.Pending, status.State)
}

// The sweeper has come by in the second case: the invitation is deactivated.
func TestADeviceThatEnrolledBeforeItsInvitationExpiredIsNotRefused(t *testing.T) {
	for _, swept := range []bool{false, true} {
		w, m, other := managed(t)
		end := w.now.Add(time.Hour)
		_, tok := w.invite("ann", "", func(r *enrollment.InviteRequest) { r.ExpiresAt = end })
		w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
		w.now = end.Add(time.Hour)
		if swept {
			_, err := w.svc.Sweep(t.Context())
			require.NoError(t, err)
		}
		at := func(enrolled string) error {
			_, err := m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) { d["enrollmentTime"] = enrolled }))
			return err
		}
		for range 2 {
			err := at("2026-03-01T09:59:59.999Z")
			require.ErrorIs(t, err, enrollment.ErrGrantExpired)
			assert.False(t, android.Refused(err), "what is in the other system by right stays there")
		}
		for _, later := range []string{"2026-03-01T10:00:00Z", "2026-03-01T10:30:00Z"} {
			err := at(later)
			require.ErrorIs(t, err, invitation.ErrExpired)
			assert.True(t, android.Refused(err))
		}
		_, err := m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) { delete(d, "enrollmentTime") }))
		assert.True(t, android.Refused(err), "nothing says that it was in time")
	}
}

func TestADeviceThatEnrolledBeforeItsLoginExpiredIsNotRefused(t *testing.T) {
	w, m, other := managed(t)
	w.now = w.now.Add(-23 * time.Hour)
	mailed := w.mailed("ann")
	w.now = w.now.Add(23 * time.Hour)
	w.acceptLogin(mailed) // in the last hour of the login, which ends at ten
	w.now = w.now.Add(3 * time.Hour)
	at := func(enrolled string) error {
		_, err := m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) { d["enrollmentTime"] = enrolled }))
		return err
	}
	for range 2 {
		err := at("2026-03-01T09:59:59Z")
		require.ErrorIs(t, err, enrollment.ErrGrantExpired)
		assert.False(t, android.Refused(err))
	}
	for _, later := range []string{"2026-03-01T10:00:00Z", "2026-03-01T11:45:00Z"} {
		err := at(later)
		require.ErrorIs(t, err, enrollment.ErrLoginExpired)
		assert.True(t, android.Refused(err), "its time was up by then")
	}
	_, err := m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) { delete(d, "enrollmentTime") }))
	assert.True(t, android.Refused(err), "nothing says that it was in time")
}

func TestWithoutATimeAGrantOutlivesItsTokenByADay(t *testing.T) {
	w, m, other := managed(t)
	_, tok := w.invite("ann", "")
	w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
	w.now = w.now.Add(enrollment.MaxGrantLife - time.Second)
	_, err := m.Notify(t.Context(), "acme", phone(other.last(), func(d map[string]any) { delete(d, "enrollmentTime") }))
	assert.NoError(t, err)
}

func TestAnotherSitesNotificationSpendsNoGrant(t *testing.T) {
	w, m, other := managed(t)
	_, tok := w.invite("ann", "")
	w.follow(http.MethodGet, w.accept(tok, device.Personal).Next.URL)
	w.others = []string{"other"}
	_, err := m.Notify(t.Context(), "other", phone(other.last()))
	require.ErrorIs(t, err, enrollment.ErrGrantRefused)
	_, text, _ := strings.Cut(other.last(), ":")
	_, err = w.svc.UseGrant(t.Context(), android.TokenUse, credentials.SecretString(text), "")
	assert.NoError(t, err, "it is as good as before")
}

func TestAfterANewPINAFreshCodeIsShown(t *testing.T) {
	w, m, other := managed(t)
	inv, tok := w.invite("ann", device.AndroidFullyManaged)
	w.accept(tok, device.Company)
	_, err := w.svc.NewPIN(t.Context(), admin, inv)
	require.NoError(t, err)
	w.accept(tok, device.Company)
	require.Len(t, other.made, 2, "what the first carries is refused by now")
	_, err = m.Notify(t.Context(), "acme", phone(other.last()))
	assert.NoError(t, err)
}
