package mailbox

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

// each runs a test with an empty mailbox in every database.
func each(t *testing.T, test func(t *testing.T, box *Mailbox, db *database.DB, ring **credentials.Keyring)) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db := databasetest.Open(t, name)
		key, err := credentials.NewKey(1, rand.Reader)
		require.NoError(t, err)
		ring, err := credentials.NewKeyring(key)
		require.NoError(t, err)
		test(t, New(db, func() *credentials.Keyring { return ring }), db, &ring)
	})
}

func TestMain(m *testing.M) { pgtest.Main(m) }

func message(site, id, text string) mailer.Message {
	return mailer.Message{
		ID: id, Site: site, Kind: enrollment.MessageInvitation, Date: time.Now(), Subject: "Hello",
		To: mailer.Address{Email: "ann@example.com"}, From: mailer.Address{Email: "it@example.com"}, Text: text,
		Inline: []mailer.Inline{{CID: "qr", Type: "image/png", Data: []byte("canary-image")}},
	}
}

func TestMailIsKeptForItsSiteAlone(t *testing.T) {
	each(t, func(t *testing.T, box *Mailbox, _ *database.DB, _ **credentials.Keyring) {
		require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "first")))
		require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "the same again")))
		mail, err := box.Get(t.Context(), "s1", "evt_1")
		require.NoError(t, err)
		assert.Equal(t, "the same again", mail.Text)
		_, err = box.Get(t.Context(), "s2", "evt_1")
		require.ErrorIs(t, err, enrollment.ErrNotFound)
		list, _, err := box.List(t.Context(), "s1", 0, 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Empty(t, list[0].Text, "a list has no content")
	})
}

func TestPagesGoFromTheNewestToTheOldest(t *testing.T) {
	each(t, func(t *testing.T, box *Mailbox, _ *database.DB, _ **credentials.Keyring) {
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
	})
}

func TestTheMailboxForgetsTheOldest(t *testing.T) {
	each(t, func(t *testing.T, box *Mailbox, db *database.DB, _ **credentials.Keyring) {
		for i := range maxMails + 2 {
			require.NoError(t, box.Send(t.Context(), message("s1", fmt.Sprint("evt_", i), "")))
		}
		var n int
		require.NoError(t, db.Row(t.Context(), `SELECT count(*) FROM ref_mails`, nil, &n))
		assert.Equal(t, maxMails, n)
		_, err := box.Get(t.Context(), "s1", "evt_1")
		require.ErrorIs(t, err, enrollment.ErrNotFound)
		_, err = box.Get(t.Context(), "s1", "evt_2")
		require.NoError(t, err)
	})
}

func TestTheDatabaseAloneDoesNotTellWhatMailSaid(t *testing.T) {
	each(t, func(t *testing.T, box *Mailbox, db *database.DB, _ **credentials.Keyring) {
		require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "canary-text")))
		require.NoError(t, db.Rows(t.Context(), `SELECT sealed FROM ref_mails`, nil, func(row database.Scanner) error {
			var sealed []byte
			require.NoError(t, row.Scan(&sealed))
			assert.False(t, bytes.Contains(sealed, []byte("canary")))
			return nil
		}))
		// Nor can a row be moved to another site.
		_, err := db.Exec(t.Context(), `UPDATE ref_mails SET site = 's2'`)
		require.NoError(t, err)
		_, err = box.Get(t.Context(), "s2", "evt_1")
		require.ErrorIs(t, err, credentials.ErrTampered)
	})
}

func TestAfterARotationNoMailNeedsTheOldKey(t *testing.T) {
	each(t, func(t *testing.T, box *Mailbox, _ *database.DB, ring **credentials.Keyring) {
		for i := range 5 {
			require.NoError(t, box.Send(t.Context(), message("s1", fmt.Sprint("evt_", i), "text")))
		}
		rotated, err := (*ring).Rotate(rand.Reader)
		require.NoError(t, err)
		*ring = rotated
		for left := 1; left > 0; {
			left, err = box.Rekey(t.Context(), 2)
			require.NoError(t, err)
		}
		*ring, err = rotated.Without(1)
		require.NoError(t, err)
		mail, err := box.Get(t.Context(), "s1", "evt_3")
		require.NoError(t, err)
		assert.Equal(t, "text", mail.Text)
	})
}

func TestMailToOnePersonCanBeForgotten(t *testing.T) {
	each(t, func(t *testing.T, box *Mailbox, _ *database.DB, _ **credentials.Keyring) {
		other := message("s1", "evt_2", "")
		other.To.Email = "bob@example.com"
		require.NoError(t, box.Send(t.Context(), message("s1", "evt_1", "")))
		require.NoError(t, box.Send(t.Context(), other))
		require.NoError(t, box.Send(t.Context(), message("s2", "evt_3", "")))
		require.NoError(t, box.Forget(t.Context(), "s1", "u_ann", map[string]bool{"ann@example.com": true}))
		_, err := box.Get(t.Context(), "s1", "evt_1")
		require.ErrorIs(t, err, enrollment.ErrNotFound)
		_, err = box.Get(t.Context(), "s1", "evt_2")
		require.NoError(t, err, "another person")
		_, err = box.Get(t.Context(), "s2", "evt_3")
		require.NoError(t, err, "another site")
	})
}
