package server

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/simulate"
)

var pinText = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// scan reads a QR code as it was delivered, not enlarged.
func scan(t *testing.T, file []byte) string {
	t.Helper()
	text, err := simulate.ReadQR(file)
	require.NoError(t, err)
	return text
}

func TestAnAdministratorInvitesTwoPeopleAndTheirDevicesGetActive(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		b := w.signIn(adminEmail, adminToken)
		assert.Contains(t, b.get("/devices"), "No devices yet")

		// Users are added by a form, and invited by another.
		ann := strings.TrimPrefix(b.post("/users/new", url.Values{"name": {"Ann Lee"}, "email": {"ann@example.com"}}, 303).header.Get("Location"), "/users/")
		bob := strings.TrimPrefix(b.post("/users/new", url.Values{"name": {"Bob Ray"}, "email": {"bob@example.com"}}, 303).header.Get("Location"), "/users/")
		assert.Contains(t, b.get("/invitations/new"), "Ann Lee")
		b.post("/invitations/new", url.Values{
			"user": {ann, bob}, "email_" + ann: {"ann@example.com"}, "email_" + bob: {"bob.ray@example.com"}, "deliver": {"send"},
		}, 303)
		assert.Contains(t, b.get("/invitations"), "Invitations made: 2.")
		page := b.get("/devices")
		assert.Equal(t, 2, strings.Count(page, `<span class="badge s-sent">Invitation sent</span>`))
		assert.Contains(t, page, "bob.ray@example.com", "the address that was edited when inviting")

		// Ann's mail has a QR code that scans, and says what the link says.
		mailAnn := w.mailTo(adminToken, "ann@example.com", "mail.invitation")
		require.Len(t, mailAnn.Inline, 1)
		link := scan(t, mailAnn.Inline[0].Data)
		assert.Contains(t, mailAnn.Text, link)
		assert.Contains(t, b.get("/mailbox/"+mailAnn.ID), "/mailbox/"+mailAnn.ID+"/html")
		assert.Equal(t, link, scan(t, []byte(b.get("/mailbox/"+mailAnn.ID+"/inline/0"))))
		token := strings.TrimPrefix(link, w.base+"/i/")
		phone := w.enroll(`{"type":"token","token":"`+token+`"}`, "ann-1", "Ann's phone", 201)
		assert.Equal(t, "pending", phone.State)
		assert.Contains(t, b.get("/devices"), `<span class="gray">Pending...</span>`)

		// Bob types address and PIN.
		mailBob := w.mailTo(adminToken, "bob.ray@example.com", "mail.invitation")
		pin := pinText.FindString(mailBob.Text)
		w.enroll(`{"type":"pin","email":"bob.ray@example.com","pin":"9999 9998"}`, "bob-0", "x", 401)
		tablet := w.enroll(`{"type":"pin","email":"bob.ray@example.com","pin":"`+pin+`"}`, "bob-1", "Bob's tablet", 201)

		assert.Equal(t, "active", w.report(phone))
		assert.Equal(t, "active", w.report(tablet))
		page = b.get("/devices")
		assert.Equal(t, 2, strings.Count(page, `<span class="badge s-active">Active MDM</span>`))
		assert.NotContains(t, page, "badge s-sent", "the slots have become devices")
		assert.Contains(t, b.get("/devices?q=bob"), "Bob&#39;s tablet")
		assert.NotContains(t, b.get("/devices?q=bob"), "Ann&#39;s phone")
		detail := b.get("/devices/" + phone.Device)
		assert.Contains(t, detail, "All 4 requirements are met")
		assert.Contains(t, detail, "Enrolled")

		// One is renewed, one deleted after asking, one invitation deactivated.
		b.post("/devices/"+phone.Device+"/renew", nil, 303)
		assert.Contains(t, b.get("/devices"), "Renewal mails on their way: 1.")
		renewal := w.mailTo(adminToken, "ann@example.com", "mail.renewal")
		assert.Equal(t, link, scan(t, renewal.Inline[0].Data), "renewing changes no credential")
		invitations := b.get("/invitations")
		invitation := regexp.MustCompile(`/invitations/(inv_\w+)"[^>]*>Ann Lee`).FindStringSubmatch(invitations)[1]
		shown := b.post("/invitations/"+invitation+"/credentials", nil, 200)
		assert.Contains(t, shown.body, link)
		assert.Contains(t, shown.body, pinText.FindString(mailAnn.Text))
		assert.Contains(t, shown.body, "<svg")
		assert.Equal(t, "no-store", shown.header.Get("Cache-Control"))
		assert.Contains(t, b.get("/invitations/"+invitation+"/deactivate"), "Ann Lee")
		b.post("/invitations/"+invitation+"/deactivate", nil, 303)
		assert.Contains(t, b.get("/invitations/"+invitation), "by an administrator")
		w.enroll(`{"type":"token","token":"`+token+`"}`, "ann-2", "Another", 410)
		b.post("/devices/"+tablet.Device+"/delete", nil, 303)
		assert.NotContains(t, b.get("/devices"), "Bob&#39;s tablet")

		// A new process over the same files finds everything, and the browser is
		// still signed in.
		w.stop()
		old := w.base
		w.run(on)
		from, err := url.Parse(old)
		require.NoError(t, err)
		to, err := url.Parse(w.base)
		require.NoError(t, err)
		b.client.Jar.SetCookies(to, b.client.Jar.Cookies(from))
		page = b.get("/devices")
		assert.Contains(t, page, "Ann&#39;s phone")
		assert.NotContains(t, page, "Bob&#39;s tablet")
		assert.Contains(t, b.get("/mailbox"), mailAnn.Subject)
		assert.Contains(t, b.get("/devices/"+phone.Device), "Renewed")
		w.api(phone.Token, http.MethodPost, "/device/v1/checkin", `{"seq":2}`, http.StatusNoContent)

		// Nothing of what passed by is in a log or, in the clear, in the database.
		w.stop()
		pinAnn := pinText.FindString(mailAnn.Text)
		secrets := []string{
			adminToken, operatorToken, token, phone.Token, tablet.Token,
			pin, strings.ReplaceAll(pin, " ", ""), pinAnn, strings.ReplaceAll(pinAnn, " ", ""),
		}
		for _, private := range []string{"ann@example.com", "Ann Lee"} {
			assert.NotContains(t, w.log.String(), private)
		}
		for _, secret := range secrets {
			assert.NotContains(t, w.log.String(), secret)
		}
		for _, name := range []string{"test.db", "test.db-wal"} {
			file, err := os.ReadFile(filepath.Join(w.dir, name))
			if err != nil {
				continue // the log is gone once the database was closed
			}
			for _, secret := range secrets {
				assert.False(t, bytes.Contains(file, []byte(secret)), "a secret is in %s", name)
			}
		}
		info, err := os.Stat(filepath.Join(w.dir, "test.keyring"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	})
}

func TestWrongPINsAlertTheAdministrator(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.api(adminToken, http.MethodPut, "/api/v1/site", `{"policy":{"pin_alert":2,"pin_pace":0,"source_pace":0}}`, http.StatusOK)
		w.invite(adminToken, w.user(adminToken, "Ann Lee", "ann@example.com"))
		for range 2 {
			w.enroll(`{"type":"pin","email":"ann@example.com","pin":"99999998"}`, "x", "x", 401)
		}
		alert := w.mailTo(adminToken, "admin@localhost", "mail.alert")
		assert.Contains(t, alert.Text, "Ann Lee")
	})
}

func TestAMobileUserOutsideTheDirectoryIsInvited(t *testing.T) {
	w := start(t)
	b := w.signIn(adminEmail, adminToken)
	b.post("/invitations/outside", url.Values{"name": {"Zed"}, "email": {"not an address"}, "deliver": {"send"}}, 422)
	b.post("/invitations/outside", url.Values{"name": {"Zed"}, "email": {"zed@example.com"}, "deliver": {"none"}}, 303)
	assert.Contains(t, b.get("/devices"), "Invitation created")
}

func TestAPreviewDoesNothing(t *testing.T) {
	w := start(t)
	ann := w.user(adminToken, "Ann Lee", "ann@example.com")
	b := w.signIn(adminEmail, adminToken)
	page := b.post("/invitations/new", url.Values{"user": {ann}, "email_" + ann: {"ann@example.com"}, "deliver": {"preview"}}, 200)
	assert.Contains(t, page.body, "1 new, 0 replace")
	assert.Contains(t, b.get("/invitations"), "No invitations yet")
}

func TestAMintedTokenIsPrintedOnceAndTheConfiguredOneIsNot(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on, func(c *Config) { c.AdminToken = noSecret })
		token := regexp.MustCompile(`token +(\S{43})\n`).FindStringSubmatch(w.out.String())
		require.NotNil(t, token, w.out.String())
		w.api(token[1], http.MethodGet, "/api/v1/site", "", http.StatusOK)
		w.stop()
		printed := len(w.out.String())
		w.run(on, func(c *Config) { c.AdminToken = noSecret })
		assert.NotContains(t, w.out.String()[printed:], "token")
		w.api(token[1], http.MethodGet, "/api/v1/site", "", http.StatusOK)
		w.stop()
		w.run(on) // with a token from the configuration
		w.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK)
		assert.NotContains(t, w.out.String(), adminToken)
		assert.NotContains(t, w.log.String(), token[1])
	})
}

func TestALostKeyRingIsNotReplaced(t *testing.T) {
	w := start(t)
	w.stop()
	require.NoError(t, os.Remove(filepath.Join(w.dir, "test.keyring")))
	err := Run(t.Context(), Config{
		Listen: "127.0.0.1:0", Database: filepath.Join(w.dir, "test.db"), Keyring: filepath.Join(w.dir, "test.keyring"),
		MailFrom: "a@example.com", AdminEmail: adminEmail, Out: w.out, Log: discard,
	})
	require.ErrorContains(t, err, "is missing")
}
