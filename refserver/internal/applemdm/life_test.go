package applemdm_test

import (
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/databasetest"
)

func TestADeletedDeviceIsToldToGoAndItsSecretsGoWithIt(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, p := w.managed("ann", 1)
		d := w.deviceOf(inv)
		require.NoError(t, p.setBootstrapToken(t.Context(), "canary"))
		token, err := p.bootstrapToken(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "canary", token)
		require.NoError(t, w.svc.Delete(t.Context(), admin, d.ID))
		w.deliver()
		_, err = p.work(t.Context())
		assert.Equal(t, 403, statusOf(err))
		assert.ErrorContains(t, err, "com.apple.unrecognized.device")
		err = p.setBootstrapToken(t.Context(), "again")
		assert.Equal(t, 403, statusOf(err), "nothing comes back by what the Service is not told of")
		assert.ErrorContains(t, err, "com.apple.unrecognized.device")
		_, err = p.bootstrapToken(t.Context())
		assert.Equal(t, 403, statusOf(err))
		var n int
		require.NoError(t, w.db.Row(t.Context(), `SELECT count(*) FROM ref_apple_enrollments WHERE name <> '' OR sealed IS NOT NULL`, nil, &n))
		assert.Zero(t, n)
	})
}

func TestABootstrapTokenIsKeptForDevicesAlone(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, _, p := w.installed("ann", 1)
	assert.Equal(t, 400, statusOf(p.setBootstrapToken(t.Context(), "canary")), "it became no device yet")
	_, err := p.bootstrapToken(t.Context())
	assert.Equal(t, 400, statusOf(err))
	var n int
	require.NoError(t, w.db.Row(t.Context(), `SELECT count(*) FROM ref_apple_enrollments`, nil, &n))
	assert.Zero(t, n, "so that nobody has to take it away")

	require.NoError(t, p.authenticate(t.Context()))
	assert.Equal(t, 413, statusOf(p.setBootstrapToken(t.Context(), strings.Repeat("x", 16<<10+1))))
	require.NoError(t, p.setBootstrapToken(t.Context(), strings.Repeat("x", 16<<10)))
	token, err := p.bootstrapToken(t.Context())
	require.NoError(t, err)
	assert.Len(t, token, 16<<10)
	assert.Equal(t, []string{"apple/checkin: malformed", "apple/checkin: too_large"}, w.reasons(inv))
}

func TestWhoWritesOfADeviceThatWasDeletedMeanwhileComesTooLate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, p := w.managed("ann", 1)
		w.apple.BeforeNanoMDM(func() {
			require.NoError(t, w.svc.Delete(t.Context(), admin, w.deviceOf(inv).ID))
			w.deliver()
		})
		require.NoError(t, p.setBootstrapToken(t.Context(), "canary"))
		var n int
		require.NoError(t, w.db.Row(t.Context(), `SELECT count(*) FROM ref_apple_enrollments WHERE name <> '' OR sealed IS NOT NULL`, nil, &n))
		assert.Zero(t, n)
	})
}

func TestAProfileThatWasReplacedHasNoSayInTheDevice(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, page, old := w.installed("ann", 1)
		require.NoError(t, old.authenticate(t.Context()))
		require.NoError(t, old.tokenUpdate(t.Context()))
		latest := newPhone(w.server.Client(), 1)
		require.NoError(t, latest.install(t.Context(), w.accept(page, device.IOS)))
		require.NoError(t, latest.authenticate(t.Context()))
		require.NoError(t, latest.tokenUpdate(t.Context()))
		_, err := latest.work(t.Context())
		require.NoError(t, err)
		before := w.deviceOf(inv)
		require.Equal(t, device.Active, before.State)
		require.Equal(t, 2, before.Generation)

		for range 2 { // the second time, its grant is long forgotten
			kinds, err := old.work(t.Context())
			require.NoError(t, err, "it is no reason to drop a profile")
			assert.Empty(t, kinds)
			require.NoError(t, old.authenticate(t.Context()))
			require.NoError(t, old.tokenUpdate(t.Context()))
			require.NoError(t, old.checkOut(t.Context()))
			assert.Equal(t, before, w.deviceOf(inv))
			assert.Empty(t, w.reasons(inv))
			w.clock.Advance(3 * enrollment.MaxGrantLife)
		}

		require.NoError(t, w.svc.Delete(t.Context(), admin, before.ID))
		w.deliver()
		assert.Equal(t, 403, statusOf(old.tokenUpdate(t.Context())))
		assert.Equal(t, 403, statusOf(latest.authenticate(t.Context())))
		assert.Empty(t, w.devices(func(device.Device) bool { return true }), "no ghost")
	})
}

func TestACertificateThatWasNotUsedIsForgottenInTheEnd(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, _, p := w.installed("ann", 1)
	w.clock.Advance(3 * enrollment.MaxGrantLife)
	assert.Equal(t, 403, statusOf(p.authenticate(t.Context())))
	assert.Equal(t, 403, statusOf(p.tokenUpdate(t.Context())))
	assert.Equal(t, []string{"apple/checkin: grant_refused"}, w.reasons(inv), "the invitation says why")
	assert.Empty(t, w.devices(func(device.Device) bool { return true }))
}

func TestAnErasedPersonLeavesNothingHere(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		_, p := w.managed("ann", 1)
		require.NoError(t, w.svc.EraseUser(t.Context(), admin, "ann"))
		w.deliver()
		var n int
		require.NoError(t, w.db.Row(t.Context(), `SELECT count(*) FROM ref_apple_enrollments WHERE name <> '' OR sealed IS NOT NULL`, nil, &n))
		assert.Zero(t, n)
		_, err := p.work(t.Context())
		assert.Equal(t, 403, statusOf(err))
	})
}

func TestADeviceThatIsToLeaveIsToldAtItsNextConnect(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, p := w.managed("ann", 1)
	_, err := w.svc.Remove(t.Context(), admin, w.deviceOf(inv).ID)
	require.NoError(t, err)
	kinds, err := p.work(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"RemoveProfile"}, kinds)
	require.NoError(t, p.checkOut(t.Context()))
	assert.Equal(t, device.Unenrolled, w.deviceOf(inv).State)

	inv, p = w.managed("bob", 2)
	_, err = w.svc.Remove(t.Context(), admin, w.deviceOf(inv).ID)
	require.NoError(t, err)
	answer, err := p.channel.DoReportResultsAndFetchNext(t.Context(), text("Status", "Idle", "UDID", p.udid))
	require.NoError(t, status(answer, err), "it takes the command, and goes by itself")
	require.NoError(t, p.checkOut(t.Context()))
	kinds, err = p.work(t.Context())
	require.NoError(t, err)
	assert.Empty(t, kinds, "who has left is told nothing")
}

func TestNothingInTheDatabaseOpensADevice(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	_, p := w.managed("ann", 1)
	require.NoError(t, p.signed(t.Context(), func() string { _, c := p.mdm(); return c }(), "application/x-apple-aspen-mdm-checkin",
		plistOf("MessageType", "TokenUpdate", "Topic", p.topic(), "UDID", p.udid, "PushMagic", "canary-magic",
			"Token", "<data>Y2FuYXJ5LXRva2Vu</data>", "UnlockToken", "<data>Y2FuYXJ5LXVubG9jaw==</data>")))
	var stored []byte
	require.NoError(t, w.db.Row(t.Context(), `SELECT sealed FROM ref_apple_enrollments`, nil, &stored))
	for _, canary := range []string{"canary-magic", "canary-token", "canary-unlock", "Y2FuYXJ5"} {
		assert.NotContains(t, string(stored), canary)
		assert.NotContains(t, w.log.String(), canary)
	}
	require.NoError(t, w.db.Row(t.Context(), `SELECT sealed FROM ref_authorities WHERE role = 'root'`, nil, &stored))
	_, err := x509.ParsePKCS8PrivateKey(stored)
	assert.Error(t, err)
}

func TestEveryNodeHasTheSameAuthorityAfterKeysRotate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		_, p := w.managed("ann", 1)
		key, err := credentials.NewKey(2, rand.Reader)
		require.NoError(t, err)
		ring, err := w.ring.Add(key)
		require.NoError(t, err)
		ring, err = ring.Promote(2)
		require.NoError(t, err)
		_, err = authority.Rekey(t.Context(), w.db, ring)
		require.NoError(t, err)
		for n := 1; n > 0; {
			n, err = applemdm.Rekey(t.Context(), w.db, ring, 1)
			require.NoError(t, err)
			if uses, err := applemdm.KeyUses(t.Context(), w.db); err == nil && uses[1] == 0 {
				break
			}
		}
		without, err := ring.Without(1)
		require.NoError(t, err)
		other, err := applemdm.Open(t.Context(), applemdm.Options{
			Database: w.db, Keyring: func() *credentials.Keyring { return without }, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		w.ring = ring
		other.Use(w.svc)
		_, err = p.work(t.Context())
		require.NoError(t, err, "the row is readable")
	})
}
