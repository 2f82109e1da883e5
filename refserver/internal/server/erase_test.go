package server

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/keyfile"
	"example.com/enrollkit/refserver/internal/mailbox"
)

func (w *world) isPostgres() bool { return database.IsPostgres(w.database) }

// told is everything that the server says of a person, by every way there is.
func (w *world) told(t *testing.T, b *browser) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/users", "/devices", "/invitations", "/mailbox", "/users/import"} {
		all.WriteString(b.get(path))
	}
	for _, path := range []string{"/api/v1/users", "/api/v1/slots", "/api/v1/invitations", "/api/v1/events", "/api/v1/users/export", "/mailbox"} {
		all.WriteString(w.api(adminToken, http.MethodGet, path, "", http.StatusOK).body)
	}
	return all.String()
}

func TestWhoIsErasedIsNowhere(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		b := w.signIn(adminEmail, adminToken)
		enrolled := func(name, email, id string) (user string, phone enrolled) {
			user = w.user(adminToken, name, email)
			w.invite(adminToken, user)
			m := w.mailTo(adminToken, email, "mail.invitation")
			token := strings.TrimPrefix(scan(t, m.Inline[0].Data), w.base+"/i/")
			return user, w.enroll(`{"type":"token","token":"`+token+`"}`, id, name+"'s phone", 201)
		}
		ann, phone := enrolled("Ann Canary", "ann.canary@example.com", "one")
		bob, other := enrolled("Bob Ray", "bob@example.com", "two")
		var job struct{ ID string }
		w.upload(adminToken, "?background=true&dry_run=true", "email,name\nann.canary@example.com,Ann Canary\n", http.StatusAccepted).decode(t, &job)
		list := func() string { return b.send(b.client, http.MethodGet, "/users/import/"+job.ID, nil, "").body }
		w.eventually("the list is checked", func() bool { return strings.Contains(list(), "Checked") })
		require.Contains(t, strings.ToLower(list()), "canary")
		require.Contains(t, w.told(t, b), "Canary")

		held := b.post("/users/"+ann+"/held", nil, http.StatusOK)
		assert.Contains(t, held.header.Get("Content-Disposition"), "attachment")
		assert.Contains(t, held.body, "ann.canary@example.com")
		assert.Contains(t, held.body, phone.Device)
		assert.NotContains(t, held.body, phone.Token)
		assert.Contains(t, b.get("/users/"+ann+"/erase"), "Ann Canary")
		b.post("/users/"+ann+"/erase", nil, http.StatusSeeOther)

		said := strings.ToLower(w.told(t, b) + list())
		assert.NotContains(t, said, "canary")
		assert.Contains(t, said, "bob@example.com", "others stay")
		b.send(b.client, http.MethodGet, "/users/"+ann, nil, "")
		w.api(phone.Token, http.MethodPost, "/device/v1/checkin", `{"seq":1}`, http.StatusGone)
		w.api(other.Token, http.MethodPost, "/device/v1/checkin", `{"seq":1}`, http.StatusNoContent)

		// By the API, also of somebody who was never invited; twice is no such person.
		w.api(adminToken, http.MethodPost, "/api/v1/users/"+bob+"/erase", "", http.StatusNoContent)
		eve := w.user(adminToken, "Eve Canary", "eve.canary@example.com")
		w.api(adminToken, http.MethodPost, "/api/v1/users/"+eve+"/erase", "", http.StatusNoContent)
		w.api(adminToken, http.MethodPost, "/api/v1/users/"+eve+"/erase", "", http.StatusNotFound)
		assert.NotContains(t, strings.ToLower(w.told(t, b)), "canary")

		// The tables themselves hold none of it.
		db := databasetest.Beside(t, w.database)
		for _, column := range []string{
			"ref_users.name", "ref_users.email", "enroll_users.name", "enroll_users.email", "enroll_invitations.email",
			"enroll_devices.name", "enroll_slots.name", "enroll_slots.email", "ref_imports.by",
		} {
			table, name, _ := strings.Cut(column, ".")
			err := db.Rows(context.Background(), `SELECT `+name+` FROM `+table, nil, func(row database.Scanner) error {
				var text string
				err := row.Scan(&text)
				assert.NotContains(t, strings.ToLower(text), "canary", column)
				return err
			})
			require.NoError(t, err, column)
		}
	})
}

// Mail went to an address that nobody knows any more, to one that does not open,
// and is handed over after the erasure.
func TestMailAboutWhoIsErasedIsNowhere(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*Config)) {
		w := start(t, on)
		ann := w.user(adminToken, "Ann Canary", "former.canary@example.com")
		inv := w.invite(adminToken, ann)
		former := w.mailTo(adminToken, "former.canary@example.com", "mail.invitation")
		w.api(adminToken, http.MethodPatch, "/api/v1/users/"+ann, `{"email":"now@example.com"}`, http.StatusOK)
		db := databasetest.Beside(t, w.database)
		for _, statement := range []string{
			`UPDATE enroll_users SET email = 'now@example.com', email_key = 'now@example.com'`,
			`UPDATE enroll_invitations SET email = 'now@example.com', email_key = 'now@example.com'`,
			`INSERT INTO ref_mails (site, id, at, key_id, sealed) SELECT site, 'evt_torn', at, key_id, sealed FROM ref_mails`,
		} {
			_, err := db.Exec(t.Context(), statement)
			require.NoError(t, err, inv)
		}
		bob := w.user(adminToken, "Bob Ray", "bob@example.com")
		w.invite(adminToken, bob)

		w.api(adminToken, http.MethodPost, "/api/v1/users/"+ann+"/erase", "", http.StatusNoContent)
		var left int
		w.mailTo(adminToken, "bob@example.com", "mail.invitation") // another's stays
		require.NoError(t, db.Row(t.Context(), `SELECT count(*) FROM ref_mails`, nil, &left))
		assert.Equal(t, 1, left)

		ring, err := keyfile.Read(filepath.Join(w.dir, "test.keyring"))
		require.NoError(t, err)
		box := mailbox.New(db, func() *credentials.Keyring { return ring })
		var site string
		require.NoError(t, db.Row(t.Context(), `SELECT id FROM ref_sites`, nil, &site))
		require.NoError(t, box.Send(t.Context(), mailer.Message{ID: former.ID, Site: site, To: mailer.Address{Email: "late@example.com"}}))
		_, err = box.Get(t.Context(), site, former.ID)
		require.ErrorIs(t, err, enrollment.ErrNotFound, "it was under way")

		// Nobody is called by a text that no database keeps.
		for _, r := range []struct{ method, path string }{
			{"POST", "/api/v1/users/%00/erase"}, {"POST", "/api/v1/users/%ff/erase"}, {"POST", "/api/v1/users/%00/export"},
			{"PATCH", "/api/v1/users/%00"}, {"POST", "/api/v1/users/imports/%00/start"}, {"GET", "/mailbox/%00"},
			{"GET", "/api/v1/invitations/%00"}, {"POST", "/api/v1/invitations/%00/deactivate"}, {"GET", "/api/v1/devices/%00"},
		} {
			w.api(adminToken, r.method, r.path, "", http.StatusNotFound)
		}
	})
}
