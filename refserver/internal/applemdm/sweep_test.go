package applemdm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/databasetest"
)

// Whoever may download a profile may do so as often as he likes.
func TestAnInvitationHasSoManyCertificatesThatBecameNoDevice(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, page := w.invite("ann")
		link := w.accept(page, device.IOS)
		fresh := func() *phone {
			p := newPhone(w.server.Client(), 1)
			p.reuse = newKey()
			require.NoError(t, p.download(t.Context(), link))
			newKeyBack(&phone{key: p.reuse})
			return p
		}
		const most = 20
		first := fresh()
		require.NoError(t, first.certify(t.Context()))
		for range most - 1 {
			require.NoError(t, fresh().certify(t.Context()))
		}
		late := fresh()
		require.ErrorContains(t, late.certify(t.Context()), "scep: 2")
		for range 30 {
			require.ErrorContains(t, fresh().certify(t.Context()), "scep: 2")
		}
		assert.Equal(t, most, w.certificates("1 = 1"))
		reasons := w.reasons(inv)
		assert.Len(t, reasons, 20, "nor does it fill its journal")
		assert.Equal(t, "apple/certificate: certificates_unfinished", reasons[0])
		_, bobs := w.invite("bob")
		bob := newPhone(w.server.Client(), 2)
		require.NoError(t, bob.install(t.Context(), w.accept(bobs, device.IOS)), "it is nobody else's limit")

		require.NoError(t, first.certify(t.Context()), "what was given is given again")
		require.NoError(t, first.ready())
		require.NoError(t, first.authenticate(t.Context()))
		require.NoError(t, late.certify(t.Context()), "one became a device, so there is room, and the challenge is as good as before")
		require.ErrorContains(t, fresh().certify(t.Context()), "scep: 2")
		w.clock.Advance(3*enrollment.MaxGrantLife + time.Second)
		require.NoError(t, fresh().certify(t.Context()), "those before can become no device any more")
	})
}

func TestACertificateThatBecameNoDeviceIsForgottenAndThoseOfDevicesStay(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		_, page, old := w.installed("ann", 1)
		require.NoError(t, old.authenticate(t.Context()))
		latest := newPhone(w.server.Client(), 1) // the same phone, enrolled anew
		require.NoError(t, latest.install(t.Context(), w.accept(page, device.IOS)))
		require.NoError(t, latest.authenticate(t.Context()))
		deletedInv, deleted := w.managed("bob", 2)
		require.NoError(t, w.svc.Delete(t.Context(), admin, w.deviceOf(deletedInv).ID))
		w.deliver()
		_, _, unnoted := w.installed("carl", 3)
		require.NoError(t, unnoted.authenticate(t.Context()))
		_, err := w.db.Exec(t.Context(), `DELETE FROM ref_apple_enrollments WHERE name = ?`, unnoted.udid) // the server fell over
		require.NoError(t, err)
		unusedInv, _, unused := w.installed("dora", 4)
		_, err = w.db.Exec(t.Context(), `INSERT INTO ref_certificates
			(authority, serial, generation, site, enrollment, invitation, user_id, hash, confirmed, issued_at, expires_at)
			VALUES ('windows', '1f', 1, 'acme', 'e1', 'inv_1', '', ?, 1, 0, 0)`, []byte{})
		require.NoError(t, err)

		require.NoError(t, w.apple.Sweep(t.Context()))
		assert.Equal(t, 6, w.certificates("1 = 1"), "it may still become one")
		w.clock.Advance(3*enrollment.MaxGrantLife + time.Second)
		require.NoError(t, w.apple.Sweep(t.Context()))
		assert.Equal(t, 5, w.certificates("1 = 1"), "one became none, and Windows devices are no business of this")
		assert.Equal(t, 400, statusOf(unused.authenticate(t.Context())))
		assert.Empty(t, w.reasons(unusedInv))
		_, err = old.work(t.Context())
		require.NoError(t, err)
		_, err = latest.work(t.Context())
		require.NoError(t, err)
		_, err = unnoted.work(t.Context())
		require.NoError(t, err)
		_, err = deleted.work(t.Context())
		assert.Equal(t, 403, statusOf(err), "it is still told to go")
	})
}
