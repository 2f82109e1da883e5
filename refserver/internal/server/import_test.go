package server

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// choose sends a file by the form of the import page.
func (b *browser) choose(file string, want int) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(b.t, form.WriteField("form_token", formToken.FindStringSubmatch(b.get("/users/import"))[1]))
	part, err := form.CreateFormFile("file", "users.csv")
	require.NoError(b.t, err)
	_, err = part.Write([]byte(file))
	require.NoError(b.t, err)
	require.NoError(b.t, form.Close())
	got := b.send(b.client, http.MethodPost, "/users/import", http.Header{
		"Content-Type": {form.FormDataContentType()}, "Origin": {b.base}, "Sec-Fetch-Site": {"same-origin"},
	}, body.String())
	require.Equal(b.t, want, got.status, got.body)
	return got
}

var refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="1">`)

// until fetches a page again for as long as it says so, as a browser does.
func (b *browser) until(path, what string) string {
	b.t.Helper()
	var page string
	b.eventually(what, func() bool {
		page = b.get(path)
		return !refresh.MatchString(page)
	})
	assert.Contains(b.t, page, what)
	return page
}

func TestAListIsCheckedShownAndImported(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		b := w.signIn(adminEmail, adminToken)
		w.user(adminToken, "Ann", "ann@example.com")
		var list strings.Builder
		list.WriteString("email;name\r\nann@example.com;Ann Lee\r\nwrong;Bob\r\n")
		for i := range 1200 {
			fmt.Fprintf(&list, "user%d@example.com;User %d\r\n", i, i)
		}
		path := b.choose(list.String(), http.StatusSeeOther).header.Get("Location")
		page := b.until(path, "Checked")
		assert.Contains(t, page, "Nothing has been changed yet")
		assert.Contains(t, page, "Import 1201 users")
		assert.Contains(t, page, "E-mail address: This is malformed.")
		assert.Less(t, strings.Index(page, "This is malformed."), strings.Index(page, "New user"), "what is wrong comes first")
		assert.Contains(t, page, "And 1002 more rows")
		assert.NotContains(t, b.get("/users?q=user7"), "user7@example.com")

		b.post(path, nil, http.StatusSeeOther)
		page = b.until(path, "Imported")
		assert.Contains(t, page, "<dt>Added</dt><dd><b>1200</b></dd>")
		assert.Contains(t, b.get("/users?q=user7"), "user7@example.com")
		assert.Contains(t, b.get("/users?q=ann"), "Ann Lee")
		b.post(path, nil, http.StatusSeeOther) // started again, it stays as it is
		assert.Contains(t, b.get(path), "<dt>Added</dt><dd><b>1200</b></dd>")
		assert.Contains(t, b.get("/users/import"), "1200 created, 1 updated, 0 unchanged, 1 not taken")
		assert.NotContains(t, w.log.String(), "@example.com")
	})
}

func TestAListThatIsRefusedIsSaidAtTheField(t *testing.T) {
	w := start(t)
	b := w.signIn(adminEmail, adminToken)
	for file, want := range map[string]string{
		"":                          "The file is empty.",
		"a@example.com,Ann\n":       "The first row has to name the columns",
		"name\n\"Ann\n":             "quotation mark",
		"name\nAndr\xe9\n":          "not UTF-8",
		"name\n\n" + long(1001):     "more than 1000 bytes. It is row 3, column name.",
		"<script>alert(1)</script>": "The first row has to name the columns",
	} {
		got := b.choose(file, http.StatusUnprocessableEntity)
		assert.Contains(t, got.body, want)
		assert.NotContains(t, got.body, "<script>alert")
	}
	assert.Contains(t, b.choose("name\n"+strings.Repeat("x\n", 50_001), http.StatusRequestEntityTooLarge).body, "more than 50000 users")
	assert.Contains(t, b.choose("name\n"+long(10<<20), http.StatusRequestEntityTooLarge).body, "larger than 10 MiB")
	got := b.send(b.client, http.MethodPost, "/users/import", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {b.base},
	}, url.Values{"form_token": {formToken.FindStringSubmatch(b.get("/users/import"))[1]}}.Encode())
	assert.Equal(t, http.StatusUnprocessableEntity, got.status)
}

func long(n int) string { return strings.Repeat("x", n) }

func TestAnImportGoesOnAfterARestart(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		var list strings.Builder
		list.WriteString("email\n")
		for i := range 3000 {
			fmt.Fprintf(&list, "user%d@example.com,\n", i)
		}
		var job struct {
			ID, State string
			Done      int
			Counts    map[string]int
			Results   []struct{ Row int }
		}
		w.upload(adminToken, "?background=true", strings.ReplaceAll(list.String(), ",", ""), http.StatusAccepted).decode(t, &job)
		w.stop()
		w.run(on)
		w.eventually("the import is done", func() bool {
			w.api(adminToken, http.MethodGet, "/api/v1/users/imports/"+job.ID, "", http.StatusOK).decode(t, &job)
			return job.State == "imported"
		})
		assert.Equal(t, 3000, job.Done)
		assert.Equal(t, 3000, job.Counts["created"])
		require.Len(t, job.Results, 3000)
		for i, r := range job.Results {
			require.Equal(t, i+2, r.Row)
		}
	})
}
