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
)

var (
	shownPasscode = regexp.MustCompile(`value="([0-9A-Za-z]{12})" aria-label="Company passcode"`)
	shownLevel    = regexp.MustCompile(`name="generation" value="(\d+)"`)
)

// ask fills in the enrollment page as anybody does.
func (w *world) ask(email, passcode string) answer {
	w.t.Helper()
	return w.send(plain, http.MethodPost, "/enroll", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {w.base}, "Accept": {"text/html"},
	}, url.Values{"email": {email}, "passcode": {passcode}}.Encode())
}

// change sends the form of a page that asks before the passcode is changed.
func (b *browser) change(action string, want int) answer {
	b.t.Helper()
	generation := shownLevel.FindStringSubmatch(b.get("/self-service/" + action))[1]
	return b.post("/self-service/"+action, url.Values{"generation": {generation}}, want)
}

// loginIn reads the one-time login out of a mail's text.
func loginIn(t *testing.T, m mail) (username, password string) {
	t.Helper()
	found := regexp.MustCompile(`User name: *(\S+)\s+Password: *([0-9A-Za-z -]+)\n`).FindStringSubmatch(m.Text)
	require.NotNil(t, found, m.Text)
	return found[1], strings.TrimSpace(found[2])
}

func TestSomebodyEnrollsWithoutAnAdministrator(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		b := w.signIn(adminEmail, adminToken)
		w.user(adminToken, "Ann Lee", "ann@example.com")
		assert.Contains(t, b.get("/self-service"), "There is no company passcode yet")

		// The administrator generates a passcode, and shares the page.
		made := b.change("generate", http.StatusOK)
		passcode := shownPasscode.FindStringSubmatch(made.body)[1]
		assert.Equal(t, "no-store", made.header.Get("Cache-Control"))
		page := b.get("/self-service")
		assert.NotContains(t, page, passcode, "it is shown when somebody asks, and that is noted")
		assert.Contains(t, page, w.base+"/enroll")
		assert.Contains(t, page, adminEmail)
		assert.Contains(t, b.post("/self-service/reveal", nil, http.StatusOK).body, passcode)
		page = b.get("/self-service")
		assert.Contains(t, page, "Passcode generated")
		assert.Contains(t, page, "Passcode shown")

		// Ann asks for a login. Wrong passcodes and strangers get the same answer.
		right := w.ask("ann@example.com", passcode)
		require.Equal(t, http.StatusOK, right.status, right.body)
		wrong := w.ask("ann@example.com", "000000aaaAAA")
		assert.Equal(t, right.body, wrong.body)
		assert.Equal(t, right.body, w.ask("stranger@example.com", passcode).body)
		malformed := w.ask("ann@example.com", "too short")
		assert.Equal(t, http.StatusUnprocessableEntity, malformed.status)
		w.eventually("the wrong try is counted", func() bool {
			return strings.Contains(b.get("/self-service"), "1 of 100</meter>")
		})

		// The mail is in the mailbox, under its kind.
		m := w.mailTo(adminToken, "ann@example.com", "mail.self_service")
		assert.Contains(t, b.get("/mailbox"), "One-time login")
		username, password := loginIn(t, m)
		assert.Contains(t, m.Text, w.base+"/enroll/login")

		// "Enroll now" leads to the page of the platform, which uses nothing up.
		next := w.send(plain, http.MethodPost, "/enroll/login/accept", http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {w.base}, "Accept": {"text/html"},
		}, url.Values{"username": {username}, "password": {password}, "platform": {"android"}, "ownership": {"personal"}}.Encode())
		require.Equal(t, http.StatusOK, next.status, next.body)

		// Her phone enrolls once.
		phone := w.enroll(`{"type":"one_time","username":"`+username+`","password":"`+password+`"}`, "ann-1", "Ann's phone", 201)
		assert.Equal(t, "active", w.report(phone))
		w.enroll(`{"type":"one_time","username":"`+username+`","password":"`+password+`"}`, "ann-2", "Another phone", 401)
		list := b.get("/devices")
		assert.Contains(t, list, "Ann&#39;s phone")
		assert.NotContains(t, list, "Another phone")
		assert.Contains(t, list, "<small>By self-service</small>", "one sees how the device came in")
		assert.Contains(t, b.get("/devices/"+phone.Device), "<dt>Came in by</dt><dd>Self-service</dd>")
		assert.Contains(t, b.get("/invitations"), "No invitations yet", "self-service makes no invitation")

		// Disabled, the page says so, and a login that was mailed is of no use.
		again := w.ask("ann@example.com", passcode)
		assert.Equal(t, right.body, again.body)
		b.change("disable", http.StatusSeeOther)
		assert.Contains(t, b.get("/self-service"), "Self-service is off")
		closed := w.send(plain, http.MethodGet, "/enroll", http.Header{"Accept": {"text/html"}}, "")
		assert.NotContains(t, closed.body, `name="passcode"`)
		b.post("/self-service/reveal", nil, http.StatusNotFound)

		// Nothing of it is in a log or, in the clear, in the database.
		w.stop()
		secrets := []string{passcode, password, strings.NewReplacer(" ", "", "-", "").Replace(password), phone.Token}
		for _, secret := range secrets {
			assert.NotContains(t, w.log.String(), secret)
			assert.NotContains(t, w.out.String(), secret)
		}
		for _, private := range []string{"ann@example.com", "Ann Lee", username} {
			assert.NotContains(t, w.log.String(), private)
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
	})
}

func TestAFormThatIsSentAgainGeneratesNothing(t *testing.T) {
	w := start(t)
	b := w.signIn(adminEmail, adminToken)
	first := shownPasscode.FindStringSubmatch(b.change("generate", http.StatusOK).body)[1]
	b.post("/self-service/generate", url.Values{"generation": {"0"}}, http.StatusSeeOther)
	b.post("/self-service/disable", url.Values{"generation": {"0"}}, http.StatusSeeOther)
	assert.Contains(t, b.get("/self-service"), "Nothing was done")
	assert.Equal(t, first, w.reveal(adminToken))
	second := shownPasscode.FindStringSubmatch(b.change("generate", http.StatusOK).body)[1]
	assert.NotEqual(t, first, second)
}

func TestTheLevelsOfTheSiteAlertAndLock(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		w.user(adminToken, "Ann Lee", "ann@example.com")
		w.api(adminToken, http.MethodPut, "/api/v1/site", `{"policy":{"passcode_alert":3,"passcode_lock":10,"passcode_source_cap":0,"passcode_pace":0,"global_pace":0}}`, http.StatusOK)
		passcode := w.passcode(adminToken)
		for range 3 {
			w.ask("ann@example.com", "000000aaaAAA")
		}
		alert := w.mailTo(adminToken, adminEmail, "mail.alert")
		assert.NotContains(t, alert.Text+alert.HTML, passcode)
		for range 7 {
			w.ask("ann@example.com", "000000aaaAAA")
		}
		b := w.signIn(adminEmail, adminToken)
		w.eventually("it is locked", func() bool { return strings.Contains(b.get("/self-service"), "<b>Locked.</b>") })
		assert.Contains(t, b.get("/self-service"), "after 10 failed attempts")
		assert.Equal(t, http.StatusOK, w.ask("ann@example.com", passcode).status)
		b.change("generate", http.StatusOK)
		assert.Contains(t, b.get("/self-service"), "0 of 10</meter>")
		w.ask("ann@example.com", w.reveal(adminToken))
		w.mailTo(adminToken, "ann@example.com", "mail.self_service")
	})
}

func TestTheDemoTellsItsPasscode(t *testing.T) {
	demo := func(c *Config) { c.Demo = true }
	w := start(t, demo)
	passcode := regexp.MustCompile(`passcode +([0-9A-Za-z]{12})\n`).FindStringSubmatch(w.out.String())
	require.NotNil(t, passcode, w.out.String())
	assert.Contains(t, w.out.String(), w.base+"/enroll\n")
	w.ask("maria.santos@demo.example", passcode[1])
	w.mailTo(adminToken, "maria.santos@demo.example", "mail.self_service")
	w.stop()
	printed := len(w.out.String())
	w.run(demo)
	assert.Contains(t, w.out.String()[printed:], passcode[1], "and again at the next start")
	assert.NotContains(t, w.log.String(), passcode[1])
}
