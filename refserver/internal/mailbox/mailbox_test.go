package mailbox

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/sqlitedb"
)

func open(t *testing.T) (*Mailbox, *sqlitedb.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sqlitedb.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	box, err := Open(t.Context(), db.DB, ring)
	require.NoError(t, err)
	return box, db, path
}

func message(site, id, text string) mailer.Message {
	return mailer.Message{
		ID: id, Site: site, Kind: enrollment.MessageInvitation, Date: time.Now(), Subject: "Hello",
		To: mailer.Address{Email: "ann@example.com"}, From: mailer.Address{Email: "it@example.com"}, Text: text,
		Inline: []mailer.Inline{{CID: "qr", Type: "image/png", Data: []byte("canary-image")}},
	}
}

func TestMailIsKeptForItsSiteAlone(t *testing.T) {
	box, _, _ := open(t)
	require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "first")))
	require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "the same again")))
	mail, err := box.Get(t.Context(), "s1", "evt_1")
	require.NoError(t, err)
	assert.Equal(t, "the same again", mail.Text)
	_, err = box.Get(t.Context(), "s2", "evt_1")
	assert.ErrorIs(t, err, enrollment.ErrNotFound)
	list, _, err := box.List(t.Context(), "s1", 0, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Empty(t, list[0].Text, "a list has no content")
}

func TestPagesGoFromTheNewestToTheOldest(t *testing.T) {
	box, _, _ := open(t)
	for i := range 5 {
		require.NoError(t, box.Send(t.Context(), message("s1", fmt.Sprint("evt_", i), "")))
	}
	var seen []string
	var before int64
	for {
		list, next, err := box.List(t.Context(), "s1", before, 2)
		require.NoError(t, err)
		for _, m := range list {
			seen = append(seen, m.ID)
		}
		if before = next; next == 0 {
			break
		}
	}
	assert.Equal(t, []string{"evt_4", "evt_3", "evt_2", "evt_1", "evt_0"}, seen)
}

func TestTheDatabaseAloneDoesNotTellWhatMailSaid(t *testing.T) {
	box, db, path := open(t)
	require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "canary-text")))
	for _, name := range []string{path, path + "-wal"} {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.False(t, bytes.Contains(file, []byte("canary")), name)
	}
	// Nor can a row be moved to another site.
	_, err := db.ExecContext(t.Context(), `UPDATE ref_mails SET site = 's2'`)
	require.NoError(t, err)
	_, err = box.Get(t.Context(), "s2", "evt_1")
	assert.ErrorIs(t, err, credentials.ErrTampered)
}
