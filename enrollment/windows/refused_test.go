package windows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestEachWayOfBeingRefusedHasItsFaultAndItsReason(t *testing.T) {
	for _, c := range []struct {
		what, fault, reason string
		arrange             func(w *world) (username, password string)
	}{
		{"a wrong password", "s:Authentication", "windows/enroll: credential_refused", func(w *world) (string, string) {
			username, _ := w.login("ann")
			return username, "AAAA-AAAA-AAAA-AAAA"
		}},
		{"an unknown login", "s:Authentication", "windows/enroll: credential_refused", func(*world) (string, string) {
			return "abcdefghjk", "AAAA-AAAA-AAAA-AAAA"
		}},
		{"what is no login", "s:Authentication", "windows/enroll: invalid", func(*world) (string, string) {
			return `ACME\ann`, "hunter2"
		}},
		{"a login that was used by another device", "s:Authentication", "windows/enroll: grant_used", func(w *world) (string, string) {
			username, password := w.login("ann")
			w.computer(2).enroll(username, password)
			return username, password
		}},
		{"a login that is over", "s:Authentication", "windows/enroll: login_expired", func(w *world) (string, string) {
			username, password := w.login("ann")
			w.pass(30 * 24 * time.Hour)
			return username, password
		}},
		{"self-service that is off", "s:Authorization", "windows/enroll: self_service_off", func(w *world) (string, string) {
			username, password := w.login("ann")
			_, err := w.svc.DisablePasscode(w.Context(), admin)
			require.NoError(w, err)
			return username, password
		}},
		{"an invitation that was deactivated", "s:Authorization", "windows/enroll: invitation_deactivated", func(w *world) (string, string) {
			id, _, next := w.invite("ann")
			_, err := w.svc.Deactivate(w.Context(), admin, id)
			require.NoError(w, err)
			return next.Username, next.Password.Reveal()
		}},
		{"an invitation that is over", "s:Authorization", "windows/enroll: invitation_expired", func(w *world) (string, string) {
			_, _, next := w.invite("ann", func(r *enrollment.InviteRequest) { r.ExpiresAt = w.now().Add(time.Hour) })
			w.pass(2 * time.Hour)
			return next.Username, next.Password.Reveal()
		}},
		{"an invitation whose places are taken", "s:Authorization DeviceCapReached", "windows/enroll: invitation_exhausted", func(w *world) (string, string) {
			_, token, next := w.invite("ann", func(r *enrollment.InviteRequest) { r.MaxDevices = 2 })
			w.computer(3).enroll(next.Username, next.Password.Reveal())
			second := w.accept(token)
			w.takePlace(token)
			return second.Username, second.Password.Reveal()
		}},
		{"a site that has its devices", "s:Authorization UserLicense", "windows/enroll: site_full", func(w *world) (string, string) {
			_, token, _ := w.invite("bob")
			w.takePlace(token)
			username, password := w.login("ann")
			w.site.Policy.MaxDevices = 1
			return username, password
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			username, password := c.arrange(w)
			before := len(w.devices())
			assert.Equal(t, c.fault, w.refused(w.soap("/enrollment", w.computer(1).request(username, password))))
			assert.Equal(t, []string{c.reason}, w.reasons(), "once")
			assert.Len(t, w.devices(), before)

			// Before it asks for a certificate. Who has proved something is in the journal
			// of that; anybody else in that of the host's own site, if it has one.
			for _, sole := range []bool{false, true} {
				w = newWorld(t)
				username, password = c.arrange(w)
				w.site.SoleHost = sole
				answer := w.computer(1).policies(username, password)
				if strings.HasSuffix(c.reason, "grant_used") || strings.HasSuffix(c.reason, "exhausted") || strings.HasSuffix(c.reason, "full") {
					assert.Contains(t, answer, "GetPoliciesResponse", "which computer it is, is not said yet")
					continue
				}
				assert.Equal(t, c.fault, w.refused(answer))
				var want []string
				if stranger := strings.HasSuffix(c.reason, "credential_refused") || strings.HasSuffix(c.reason, "invalid"); sole || !stranger {
					want = []string{strings.Replace(c.reason, "enroll", "policy", 1)}
				}
				assert.Equal(t, want, w.reasons(), "once")
			}
		})
	}
}

// takePlace enrolls a device of another kind by the invitation's token.
func (w *world) takePlace(token string) {
	w.Helper()
	_, err := w.svc.Enroll(w.Context(), enrollment.EnrollRequest{
		EnrollmentID: "e", Credential: enrollment.Presented{Token: credentials.SecretString(token)},
		Device: enrollment.Claim{Platform: device.Android},
	})
	require.NoError(w, err)
}

// A person in a hurry is told to wait, and whoever tries passwords is told nothing else.
func TestManyWrongTriesAreCountedAndLeaveTheLoginShut(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)
	for range 40 {
		assert.Equal(t, "s:Authentication", w.refused(w.soap("/enrollment", c.request(username, "AAAA-AAAA-AAAA-AAAA"))))
		w.pass(time.Minute)
	}
	assert.Equal(t, "s:Authentication", w.refused(w.soap("/enrollment", c.request(username, password))))
	assert.Empty(t, w.devices())
}
