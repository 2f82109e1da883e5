package verify

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// broken has, for each rule, a change to a sound database that breaks it, and the
// violations that there are then.
var broken = map[string]struct {
	change  string
	details []string
}{
	"foreign keys": {`INSERT INTO ref_import_results (site, id, first, results) VALUES ('s1', 'imp_1', 0, '[]')`, []string{"results of import imp_1"}},
	"mailbox":      {`DELETE FROM enroll_messages`, []string{"mail of no message: evt_1"}},
	"sites known":  {`DELETE FROM ref_sites`, []string{"invitation inv_1"}},
	"authorities":  {`DELETE FROM ref_authorities WHERE role = 'root'`, []string{"certificate apple 1f", "deputy apple signing"}},
}

func TestEveryRuleBitesOnEveryDatabase(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		db, now := databasetest.Open(t, name), time.Now().UTC().Truncate(time.Microsecond)
		_, err := db.Exec(t.Context(), `INSERT INTO ref_sites (id, name, settings, created_at, revision) VALUES ('s1', 'One', '{}', 0, 1)`)
		require.NoError(t, err)
		require.NoError(t, db.Store.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
			require.NoError(t, tx.Invitations().Create(ctx, invitation.Invitation{Site: "s1", ID: "inv_1", User: "u", State: invitation.Created, CreatedAt: now}))
			return tx.Outbox().Put(ctx, enrollment.Message{
				Site: "s1", ID: "evt_1", Kind: enrollment.MessageInvitation, Invitation: "inv_1", User: "u",
				CreatedAt: now, DueAt: now, Attempt: 1, Status: enrollment.MessageDone, EndedAt: now,
			})
		}))
		_, err = db.Exec(t.Context(), `INSERT INTO ref_mails (site, id, at, key_id, sealed) VALUES ('s1', 'evt_1', ?, 1, ?)`, now.UnixMicro(), []byte{})
		require.NoError(t, err)
		for _, role := range []string{"root", "signing"} {
			_, err = db.Exec(t.Context(), `INSERT INTO ref_authorities (name, generation, role, certificate, key_id, sealed, created_at)
				VALUES ('apple', 1, ?, ?, 1, ?, 0)`, role, []byte{}, []byte{})
			require.NoError(t, err)
		}
		_, err = db.Exec(t.Context(), `INSERT INTO ref_certificates
			(authority, serial, generation, site, enrollment, invitation, user_id, hash, confirmed, issued_at, expires_at)
			VALUES ('apple', '1f', 1, 's1', 'e1', 'inv_1', '', ?, 1, 0, 0)`, []byte{})
		require.NoError(t, err)
		found, err := Check(t.Context(), db, now)
		require.NoError(t, err)
		require.Empty(t, found, "a sound database")

		require.Len(t, broken, len(Names()))
		undo := assert.AnError
		for _, rule := range Names() {
			require.NotEmpty(t, broken[rule].details, rule)
			err := db.Update(t.Context(), func(ctx context.Context, c database.Conn) error {
				_, err := c.Exec(ctx, broken[rule].change)
				require.NoError(t, err, rule)
				found, err := Check(ctx, c, now)
				require.NoError(t, err, rule)
				var details []string
				for _, v := range found {
					if v.Rule == rule {
						details = append(details, v.Detail)
					}
				}
				assert.ElementsMatch(t, broken[rule].details, details, rule)
				return undo
			})
			require.ErrorIs(t, err, undo)
		}

		// The message of an old mail is forgotten before the mail.
		_, err = db.Exec(t.Context(), `DELETE FROM enroll_messages`)
		require.NoError(t, err)
		found, err = Check(t.Context(), db, now.Add(enrollment.OutboxKept+verify.DefaultSkew))
		require.NoError(t, err)
		require.Empty(t, found)
	})
}
