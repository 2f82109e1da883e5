package applemdm_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/refserver/internal/databasetest"
)

// installed is a phone with a certificate, on SQLite.
func (w *world) installed(user string, n int) (inv, page string, p *phone) {
	w.Helper()
	inv, page = w.invite(user)
	p = newPhone(w.server.Client(), n)
	require.NoError(w, p.install(w.Context(), w.accept(page, device.IOS)))
	return inv, page, p
}

// managed is a phone that is active.
func (w *world) managed(user string, n int) (inv string, p *phone) {
	w.Helper()
	inv, _, p = w.installed(user, n)
	require.NoError(w, p.authenticate(w.Context()))
	require.NoError(w, p.tokenUpdate(w.Context()))
	_, err := p.work(w.Context())
	require.NoError(w, err)
	require.Equal(w, device.Active, w.deviceOf(inv).State)
	return inv, p
}

func (p *phone) mdm() (server, checkIn string) {
	m := p.profile.PayloadContent[p.profile.of("com.apple.mdm")]
	return m.ServerURL, m.CheckInURL
}

func TestAReplayedChallengeGetsNoCertificate(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, _, p := w.installed("ann", 1)
	old := p.cert
	err := p.certify(t.Context())
	require.ErrorContains(t, err, "scep: 2", "a CertRep that says FAILURE")
	assert.Equal(t, old, p.cert)
	assert.Equal(t, []string{"apple/certificate: grant_used"}, w.reasons(inv))
}

func TestAnOutageDoesNotBurnAChallenge(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, page := w.invite("ann")
	p := newPhone(w.server.Client(), 1)
	require.NoError(t, p.download(t.Context(), w.accept(page, device.IOS)))
	w.down.Store(true)
	require.ErrorIs(t, p.certify(t.Context()), errStatus(503), "which is no refusal: the device asks again")
	w.down.Store(false)
	require.NoError(t, p.certify(t.Context()))
	assert.Empty(t, w.reasons(inv), "nobody was turned away")
}

func TestADownloadedProfileOfADeactivatedInvitationGetsNoCertificate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		inv, page := w.invite("ann")
		link := w.accept(page, device.IOS)
		p, late := newPhone(w.server.Client(), 1), newPhone(w.server.Client(), 2)
		require.NoError(t, p.download(t.Context(), link))
		require.NoError(t, late.install(t.Context(), link))
		_, err := w.svc.Deactivate(t.Context(), admin, inv)
		require.NoError(t, err)

		require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
		assert.Equal(t, 403, statusOf(late.authenticate(t.Context())), "who has a certificate is not let in either")
		assert.Equal(t, 403, statusOf(late.tokenUpdate(t.Context())))
		assert.Equal(t, 410, statusOf(newPhone(w.server.Client(), 3).download(t.Context(), link)))
		assert.Equal(t, []string{"apple/certificate: invitation_deactivated", "mdm/enroll: invitation_deactivated"}, w.reasons(inv))
		assert.Empty(t, w.devices(func(device.Device) bool { return true }))
	})
}

func TestSomeoneElsesCertificateIsRefused(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	annInv, ann := w.managed("ann", 1)
	bobInv, bob := w.managed("bob", 2)
	_, annCheckIn := ann.mdm()
	_, bobCheckIn := bob.mdm()

	t.Run("with the address of another profile", func(t *testing.T) {
		body, err := io.ReadAll(text("MessageType", "CheckOut", "Topic", ann.topic(), "UDID", bob.udid))
		require.NoError(t, err)
		assert.Equal(t, 400, statusOf(bob.signed(t.Context(), annCheckIn, "application/x-apple-aspen-mdm-checkin", body)))
	})
	t.Run("with the name of another device", func(t *testing.T) {
		body, err := io.ReadAll(text("MessageType", "CheckOut", "Topic", ann.topic(), "UDID", ann.udid))
		require.NoError(t, err)
		assert.Equal(t, 400, statusOf(bob.signed(t.Context(), bobCheckIn, "application/x-apple-aspen-mdm-checkin", body)))
		server, _ := bob.mdm()
		body, err = io.ReadAll(text("Status", "Idle", "UDID", ann.udid))
		require.NoError(t, err)
		assert.Equal(t, 400, statusOf(bob.signed(t.Context(), server, "application/x-apple-aspen-mdm", body)))
	})
	assert.Equal(t, device.Active, w.deviceOf(annInv).State)
	assert.Equal(t, []string{"apple/checkin: certificate_of_another", "apple/mdm: certificate_of_another"}, w.reasons(bobInv), "each of one grant once")

	t.Run("of another authority", func(t *testing.T) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		template := &x509.Certificate{
			SerialNumber: ann.cert.SerialNumber, Subject: ann.cert.Subject, NotBefore: ann.cert.NotBefore, NotAfter: ann.cert.NotAfter,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		require.NoError(t, err)
		thief := *ann
		thief.key = key
		thief.cert, err = x509.ParseCertificate(der)
		require.NoError(t, err)
		require.NoError(t, thief.ready())
		assert.Equal(t, 400, statusOf(thief.checkOut(t.Context())))
		assert.Equal(t, device.Active, w.deviceOf(annInv).State)
		assert.Contains(t, w.log.String(), "code=certificate_unknown")
		assert.Equal(t, []string{"apple/checkin: certificate_unknown"}, w.reasons("platform/apple"), "of nobody's grant, so of the site")
	})
}

func TestAnotherUsersUDIDIsARowOfItsOwnInConflict(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	annInv, ann := w.managed("ann", 1)
	bobInv, _, bob := w.installed("bob", 2)
	bob.udid = ann.udid
	require.NoError(t, bob.authenticate(t.Context()))
	require.NoError(t, bob.tokenUpdate(t.Context()))
	assert.Equal(t, w.deviceOf(annInv).ID, w.deviceOf(bobInv).Conflict)
	require.NoError(t, bob.checkOut(t.Context()))
	assert.Equal(t, device.Active, w.deviceOf(annInv).State, "what one says changes nothing of the other")
	_, err := ann.work(t.Context())
	require.NoError(t, err)
}

func TestMalformedMessagesAreRefusedAndNever401(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, p := w.managed("ann", 1)
	server, checkIn := p.mdm()
	scepURL := p.profile.PayloadContent[p.profile.of("com.apple.security.scep")].PayloadContent.URL
	const checkInType = "application/x-apple-aspen-mdm-checkin"
	good, err := io.ReadAll(text("MessageType", "CheckOut", "Topic", p.topic(), "UDID", p.udid))
	require.NoError(t, err)
	signature, err := p.channel.SignMessage(t.Context(), good)
	require.NoError(t, err)
	large := append(bytes.Repeat([]byte(" "), 1<<20), good...)

	for name, c := range map[string]struct {
		send func() error
		want int
	}{
		"no signature":           {func() error { return p.raw(t.Context(), checkIn, checkInType, "", good) }, 400},
		"a signature of nothing": {func() error { return p.raw(t.Context(), checkIn, checkInType, "AAAA", good) }, 400},
		"no base64":              {func() error { return p.raw(t.Context(), checkIn, checkInType, "%%%", good) }, 400},
		"of another body":        {func() error { return p.raw(t.Context(), checkIn, checkInType, signature, append(good, ' ')) }, 400},
		"cut":                    {func() error { return p.raw(t.Context(), checkIn, checkInType, signature[:len(signature)/2], good) }, 400},
		"no plist":               {func() error { return p.signed(t.Context(), checkIn, checkInType, []byte("<plist><dict>")) }, 400},
		"nothing":                {func() error { return p.signed(t.Context(), checkIn, checkInType, nil) }, 400},
		"an answer of nothing":   {func() error { return p.signed(t.Context(), server, "application/x-apple-aspen-mdm", []byte("{}")) }, 400},
		"no such message": {func() error {
			return p.signed(t.Context(), checkIn, checkInType, plistOf("MessageType", "Hello", "UDID", p.udid))
		}, 400},
		"no device": {func() error {
			return p.signed(t.Context(), checkIn, checkInType, plistOf("MessageType", "CheckOut", "Topic", p.topic()))
		}, 400},
		"an unknown topic": {func() error {
			return p.signed(t.Context(), checkIn, checkInType, plistOf("MessageType", "Authenticate", "Topic", "com.apple.mgmt.other", "UDID", p.udid))
		}, 400},
		"too large": {func() error { return p.signed(t.Context(), checkIn, checkInType, large) }, 413},
		"a user": {func() error {
			return p.signed(t.Context(), checkIn, checkInType, plistOf("MessageType", "UserAuthenticate", "UDID", p.udid, "UserID", "u"))
		}, 410},
		"declarations": {func() error {
			return p.signed(t.Context(), checkIn, checkInType, plistOf("MessageType", "DeclarativeManagement", "UDID", p.udid, "Endpoint", "tokens"))
		}, 404},
		"another method": {func() error { _, err := p.do(t.Context(), http.MethodPost, checkIn, good); return err }, 405},
		"another path": {func() error {
			return p.raw(t.Context(), w.server.URL+"/platform/apple/other", checkInType, signature, good)
		}, 404},
		"SCEP without operation": {func() error { _, err := p.do(t.Context(), http.MethodGet, scepURL, nil); return err }, 400},
		"SCEP of the future": {func() error {
			_, err := p.do(t.Context(), http.MethodGet, scepURL+"?operation=GetNextCACert", nil)
			return err
		}, 400},
		"no SCEP message": {func() error {
			_, err := p.do(t.Context(), http.MethodPost, scepURL+"?operation=PKIOperation", []byte("x"))
			return err
		}, 400},
		"a large SCEP message": {func() error {
			_, err := p.do(t.Context(), http.MethodPost, scepURL+"?operation=PKIOperation", large)
			return err
		}, 413},
		"SCEP with another verb": {func() error { _, err := p.do(t.Context(), http.MethodDelete, scepURL, nil); return err }, 405},
		"SCEP by GET, no base64": {func() error {
			_, err := p.do(t.Context(), http.MethodGet, scepURL+"?operation=PKIOperation&message=%25zz", nil)
			return err
		}, 400},
		"a signature, not of us": {func() error {
			_, err := p.do(t.Context(), http.MethodPost, scepURL+"?operation=PKIOperation", decode(t, signature))
			return err
		}, 400},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, statusOf(c.send())) })
	}
	assert.Equal(t, device.Active, w.deviceOf(inv).State)
	assert.ElementsMatch(t, []string{"apple/checkin: malformed", "apple/mdm: malformed", "apple/checkin: topic_unknown", "apple/checkin: certificate_of_another"}, w.reasons(inv))
	assert.ElementsMatch(t, []string{
		"apple/checkin: signature_malformed", "apple/checkin: too_large", "apple/certificate: malformed", "apple/certificate: too_large",
	}, w.reasons("platform/apple"), "each once, however often")
	assert.NotContains(t, w.log.String(), "panic")
	assert.NotContains(t, w.log.String(), p.udid)
}

func plistOf(pairs ...string) []byte {
	body, _ := io.ReadAll(text(pairs...))
	return body
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestADeviceThatHidesItsUDIDIsRefusedUnlessItIsInvitedSo(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, _, p := w.installed("ann", 1)
	_, checkIn := p.mdm()
	say := func(pairs ...string) int {
		body := plistOf(append([]string{"Topic", p.topic(), "EnrollmentID", "0E9C9F0A-3B1E-4A77-9D5B-5E6B7C8D9E0F"}, pairs...)...)
		return statusOf(p.signed(t.Context(), checkIn, "application/x-apple-aspen-mdm-checkin", body))
	}
	assert.Equal(t, 400, say("MessageType", "Authenticate"))
	assert.Equal(t, 400, say("MessageType", "TokenUpdate", "PushMagic", "m", "Token", "<data>dG9rZW4=</data>"))
	assert.Equal(t, []string{"apple/checkin: identity_malformed"}, w.reasons(inv))
	assert.Empty(t, w.devices(func(device.Device) bool { return true }))
	require.NoError(t, p.authenticate(t.Context()), "its own name is not spent")
}

func TestACertificateThatIsOutOfItsTimeIsRefused(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, p := w.managed("ann", 1)
	w.clock.Advance(11 * 365 * 24 * time.Hour)
	_, err := p.work(t.Context())
	assert.Equal(t, 400, statusOf(err))
	assert.Equal(t, []string{"apple/mdm: certificate_expired"}, w.reasons(inv))
}

func TestAnAuthorityThatHasExpiredGivesNoCertificates(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	w.clock.Advance(21 * 365 * 24 * time.Hour)
	inv, page := w.invite("ann")
	p := newPhone(w.server.Client(), 1)
	require.NoError(t, p.download(t.Context(), w.accept(page, device.IOS)))
	require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
	assert.Equal(t, []string{"apple/certificate: authority_expired"}, w.reasons(inv))
}

func TestTheProfileIsOnlyForWhoAccepted(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	_, page := w.invite("ann")
	client := *w.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := newPhone(&client, 1)
	_, err := p.do(t.Context(), http.MethodGet, page+"/apple/enroll.mobileconfig", nil)
	assert.Equal(t, 303, statusOf(err))
	link := w.accept(page, device.IOS)
	u, err := url.Parse(link)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(u.Path, "/apple/enroll.mobileconfig"))
	_, err = p.do(t.Context(), http.MethodPost, link, nil)
	assert.Equal(t, 405, statusOf(err))
}

func TestARequestForACertificateThatIsNoneSpendsNoChallenge(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t))
	inv, page := w.invite("ann")
	p := newPhone(w.server.Client(), 1)
	require.NoError(t, p.download(t.Context(), w.accept(page, device.IOS)))
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	select {
	case <-keys:
	default:
	}
	keys <- small
	require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
	p.spoil = func(request []byte) { request[len(request)-1] ^= 1 } // of its signature
	require.ErrorContains(t, p.certify(t.Context()), "scep: 2")
	p.spoil = nil
	assert.Equal(t, []string{"apple/certificate: request_malformed"}, w.reasons(inv), "noted once")
	require.NoError(t, p.certify(t.Context()), "the challenge is still good")
	assert.NotEqual(t, pkix.Name{}, p.cert.Subject)
	assert.Positive(t, p.cert.SerialNumber.Cmp(big.NewInt(0)))
}
