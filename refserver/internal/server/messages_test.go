package server

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAMessageIsEditedPreviewedSentAndReset(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		b := w.signIn(adminEmail, adminToken)
		w.user(adminToken, "Ann Lee", "ann@example.com")
		passcode := w.passcode(adminToken)
		const here = "/messages/self_service/en"
		list := b.get("/messages")
		assert.Contains(t, list, here)
		assert.NotContains(t, list, "Edited")
		page := b.get(here)
		assert.Contains(t, page, "{{.Username}}")
		assert.Contains(t, page, "The one-time password, in groups.")
		edited := url.Values{
			"subject": {"Your key for {{.Site}}"},
			"text":    {"Hello {{.Name}}\r\n{{.Username}}\r\n{{.Password}}\r\n{{.URL}}"},
			"html":    {`<p>Hello <b>{{.Name}}</b>: {{.Username}} {{.Password}} <a href="{{.URL}}">go</a></p>`},
		}

		// A preview has made-up values, stands in a sandbox, and keeps nothing.
		preview := b.post(here+"/preview", edited, http.StatusOK)
		assert.Contains(t, preview.body, "Your key for My company")
		assert.Contains(t, preview.header.Get("Content-Security-Policy"), "sandbox allow-popups")
		assert.NotContains(t, preview.body, "ann@example.com")
		assert.NotContains(t, b.get("/messages"), "Edited")
		assert.Contains(t, b.get(here+"/html"), "</html>")

		b.post(here, edited, http.StatusSeeOther)
		assert.Contains(t, b.get("/messages"), "Edited")
		assert.Contains(t, b.get(here), "Your key for {{.Site}}")
		w.ask("ann@example.com", passcode)
		m := w.mailTo(adminToken, "ann@example.com", "mail.self_service")
		assert.Equal(t, "Your key for My company", m.Subject)
		assert.Contains(t, m.Text, "Hello Ann Lee\n")
		assert.Contains(t, m.HTML, "<b>Ann Lee</b>")

		b.post(here+"/reset", nil, http.StatusSeeOther)
		assert.NotContains(t, b.get("/messages"), "Edited")
		assert.NotContains(t, b.get(here), "Your key for {{.Site}}")
	})
}

func TestAMessageThatCannotBeSentIsRefusedAtItsField(t *testing.T) {
	w := start(t)
	b := w.signIn(adminEmail, adminToken)
	const here = "/messages/self_service/en"
	good := map[string]string{"subject": "Hello", "text": "{{.Username}} {{.Password}}", "html": "<p>{{.Username}} {{.Password}}</p>"}
	for _, c := range []struct{ field, text, want string }{
		{"subject", "{{.Password}}", "A secret may not stand in the subject"},
		{"subject", "", "This is empty"},
		{"text", "{{.Username}} {{.Password}}\n{{.Secret}}", "There is no variable {{.Secret}} in this message. Line 2."},
		{"text", "{{.Username}}", "{{.Password}} is missing"},
		{"text", "{{.Username}} {{.Password}} {{range .Name}}x{{end}}", "not allowed"},
		{"text", "{{.Username}} {{.Password}} {{printf .Name}}", "printf"},
		{"html", "<p>{{.Username}} {{.Password}}</p><script>alert(1)</script>", "not allowed"},
		{"html", `<p>{{.Username}} {{.Password}}</p><img src="https://evil.test/x.png">`, "loaded from elsewhere"},
		{"html", "{{if .Name}}<p>{{.Username}} {{.Password}}</p>", "no valid template"},
	} {
		t.Run(c.field+" "+c.text, func(t *testing.T) {
			form := url.Values{}
			for field, text := range good {
				form.Set(field, text)
			}
			form.Set(c.field, c.text)
			page := b.post(here, form, http.StatusUnprocessableEntity).body
			wrong := regexp.MustCompile(`name="(\w+)"[^§]*?(?:</textarea>|required>)</label><p class="wrong" role="alert">([^<]*)</p>`).FindAllStringSubmatch(page, -1)
			require.Len(t, wrong, 1, page)
			assert.Contains(t, wrong[0][2], c.want)
			assert.NotContains(t, page, "<script>alert")
			got := b.post(here+"/preview", form, http.StatusUnprocessableEntity)
			assert.Contains(t, got.body, "There is nothing to preview")
			assert.NotContains(t, got.body, "<script>")
			assert.NotContains(t, b.get("/messages"), "Edited")
		})
	}
	b.send(b.client, http.MethodGet, "/messages/nonsense/en", nil, "")
	for _, path := range []string{"/messages/nonsense/en", "/messages/alert/xx", "/messages/alert/xx/html"} {
		assert.Equal(t, http.StatusNotFound, b.send(b.client, http.MethodGet, path, nil, "").status, path)
	}
}

func TestASiteEditsTheLanguagesItHas(t *testing.T) {
	w := start(t)
	w.api(adminToken, http.MethodPut, "/api/v1/site", `{"languages":["pt-BR","en"]}`, http.StatusOK)
	var list struct {
		Messages []struct {
			Kind, Language string
			Edited         bool
		}
	}
	w.api(adminToken, http.MethodGet, "/api/v1/messages", "", http.StatusOK).decode(t, &list)
	require.NotEmpty(t, list.Messages)
	assert.Equal(t, "pt-br", list.Messages[0].Language)
	w.api(adminToken, http.MethodPut, "/api/v1/messages/invitation/pt-br", `{"subject":"Convite","text":"Entre: {{.URL}}","html":"<p>Entre: {{.URL}}</p>"}`, http.StatusOK)
	w.invite(adminToken, w.user(adminToken, "Ana", "ana@example.com"))
	assert.Equal(t, "Convite", w.mailTo(adminToken, "ana@example.com", "mail.invitation").Subject)

	// Another site sends what it sent before.
	var other struct {
		Token string `json:"admin_token"`
	}
	w.api(operatorToken, http.MethodPost, "/api/v1/sites", `{"name":"Other","admin_email":"root@other.example"}`, http.StatusCreated).decode(t, &other)
	w.api(other.Token, http.MethodPut, "/api/v1/site", `{"languages":["pt-BR"]}`, http.StatusOK)
	w.invite(other.Token, w.user(other.Token, "Bea", "bea@example.com"))
	assert.NotEqual(t, "Convite", w.mailTo(other.Token, "bea@example.com", "mail.invitation").Subject)
	w.api(adminToken, http.MethodDelete, "/api/v1/messages/invitation/pt-br", "", http.StatusNoContent)
}
