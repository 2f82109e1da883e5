package verify

import (
	"context"
	"slices"
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

// broken has, for each rule, a change to a sound database that breaks it.
var broken = map[string]string{
	"foreign keys": `INSERT INTO ref_import_results (site, id, first, results) VALUES ('s1', 'imp_1', 0, '[]')`,
	"mailbox":      `DELETE FROM enroll_messages`,
	"sites known":  `DELETE FROM ref_sites`,
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
		found, err := Check(t.Context(), db, now)
		require.NoError(t, err)
		require.Empty(t, found, "a sound database")

		require.Len(t, broken, len(Names()))
		undo := assert.AnError
		for _, rule := range Names() {
			require.NotEmpty(t, broken[rule], rule)
			err := db.Update(t.Context(), func(ctx context.Context, c database.Conn) error {
				_, err := c.Exec(ctx, broken[rule])
				require.NoError(t, err, rule)
				found, err := Check(ctx, c, now)
				require.NoError(t, err, rule)
				assert.True(t, slices.ContainsFunc(found, func(v verify.Violation) bool { return v.Rule == rule }), "%s: %v", rule, found)
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
