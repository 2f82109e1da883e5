package applemdm_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/databasetest"
)

func TestThirtyOfThirtyInvitationsEndInADeviceThatIsActiveAndLeaves(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		for n := range 30 {
			inv, page := w.invite(fmt.Sprintf("user%02d", n))
			p := newPhone(w.server.Client(), n+1)
			require.NoError(t, p.install(t.Context(), w.accept(page, device.IOS)), n)
			require.NoError(t, p.authenticate(t.Context()))
			assert.Equal(t, device.Pending, w.deviceOf(inv).State)
			require.NoError(t, p.tokenUpdate(t.Context()))
			kinds, err := p.work(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{"DeviceInformation", "SecurityInfo"}, kinds)
			d := w.deviceOf(inv)
			require.Equal(t, device.Active, d.State, d.Reason)
			assert.Equal(t, fmt.Sprintf("user%02d", n), d.User)
			assert.Equal(t, p.udid, d.Hardware.UDID)
			assert.Contains(t, string(d.Inventory), `"DeviceCapacity":119.2`)
			require.NoError(t, p.checkOut(t.Context()))
			assert.Equal(t, device.Unenrolled, w.deviceOf(inv).State)
			kinds, err = p.work(t.Context())
			require.NoError(t, err)
			assert.Empty(t, kinds)
			assert.Equal(t, device.Unenrolled, w.deviceOf(inv).State, "a connect after the goodbye brings nothing back")
			newKeyBack(p)
		}
	})
}

// newKeyBack lends the key of a phone that is done to the next.
func newKeyBack(p *phone) {
	select {
	case keys <- p.key:
	default:
	}
}

// byLogin goes through self-service for a Mac of Ann's, and returns the address of
// the profile.
func (w *world) byLogin() string {
	w.Helper()
	passcode, _, err := w.svc.GeneratePasscode(w.Context(), admin)
	require.NoError(w, err)
	require.NoError(w, w.svc.RequestLogin(w.Context(), enrollment.LoginRequest{Email: "ann@example.com", Passcode: passcode}))
	w.deliver()
	mail := <-w.mails
	return w.follow(w.server.URL+"/enroll/login/accept", url.Values{
		"username": {mail.Login.Username}, "password": {mail.Login.Password.Reveal()}, "ownership": {"company"}, "platform": {"macos"},
	})
}

func TestTheWholeWayFromAOneTimeLogin(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		link := w.byLogin()
		p := newPhone(w.server.Client(), 1)
		p.product = "Mac14,2"
		require.NoError(t, p.install(t.Context(), link))
		require.NoError(t, p.tokenUpdate(t.Context()), "the first message may be any")
		require.NoError(t, p.authenticate(t.Context()))
		require.NoError(t, p.tokenUpdate(t.Context()))
		_, err := p.work(t.Context())
		require.NoError(t, err)
		list := w.devices(func(device.Device) bool { return true })
		require.Len(t, list, 1)
		assert.Equal(t, device.Active, list[0].State, list[0].Reason)
		assert.Equal(t, device.MacOS, list[0].Platform)
		assert.Equal(t, device.BySelfService, list[0].Origin)
		assert.Equal(t, device.Company, list[0].Ownership)

		_, err = p.do(t.Context(), "GET", link, nil)
		assert.Equal(t, 410, statusOf(err), "a login is for one device")
	})
}

func TestWhatADeviceSaysLateCorrectsWhatWasAssumed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, _, p := w.installed("ann", 1) // accepted for an iPhone
		p.product = "Mac14,2"
		require.NoError(t, p.tokenUpdate(t.Context()))
		require.Equal(t, device.IOS, w.deviceOf(inv).Platform)
		require.NoError(t, p.authenticate(t.Context()))
		require.NoError(t, p.tokenUpdate(t.Context()))
		d := w.deviceOf(inv)
		assert.Equal(t, device.MacOS, d.Platform)
		assert.Equal(t, device.MacOSMode, d.Mode)
		assert.Equal(t, "Mac14,2", d.Model)
		assert.Equal(t, p.serial, d.Hardware.Serial)
		_, err := p.work(t.Context())
		require.NoError(t, err)
		assert.Equal(t, device.Active, w.deviceOf(inv).State)

		other, _, again := w.installed("bob", 2)
		again.product, again.udid = "Mac14,2", p.udid
		require.NoError(t, again.tokenUpdate(t.Context()))
		assert.Empty(t, w.deviceOf(other).Conflict, "no iPhone has this name")
		require.NoError(t, again.authenticate(t.Context()))
		assert.Equal(t, d.ID, w.deviceOf(other).Conflict, "but a Mac does")
	})
}
