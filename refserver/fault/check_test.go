package fault

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/server"
)

// worked runs a server in this process, lets all hands work on it, stops it, and
// returns its files.
func worked(t *testing.T, ops int) (path, keyring string, c *crew) {
	t.Helper()
	dir := t.TempDir()
	path, keyring = filepath.Join(dir, "fault.db"), filepath.Join(dir, "fault.keyring")
	ready := make(chan *url.URL, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Database: path, Keyring: keyring, MailFrom: "enroll@fault.example", AdminEmail: "admin@localhost",
			AdminToken: credentials.SecretString(adminToken), OperatorToken: credentials.SecretString(operatorToken),
			Out: io.Discard, Log: slog.New(slog.DiscardHandler), Ready: func(base *url.URL) { ready <- base },
		})
	}()
	finish := sync.OnceFunc(func() {
		stop()
		require.NoError(t, <-ended)
	})
	select {
	case base := <-ready:
		defer finish()
		c = hire(t, base.String(), 1, newHistory(io.Discard))
	case err := <-ended:
		stop()
		t.Fatal(err)
	}
	var hands sync.WaitGroup
	for _, hand := range c.hands {
		hands.Go(func() {
			hand.work(ops)
			hand.http.CloseIdleConnections()
		})
	}
	hands.Wait()
	return path, keyring, c
}

func readKeyring(t *testing.T, path string) *credentials.Keyring {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	ring, err := credentials.ParseKeyring(text)
	require.NoError(t, err)
	return ring
}

// broken has, for each rule, one change to a sound database that breaks it.
var broken = map[string]string{
	"foreign keys": `PRAGMA foreign_keys = OFF; DELETE FROM ref_admins`,
	"one active invitation": `DROP INDEX enroll_invitations_active;
		UPDATE enroll_invitations SET state = 'opened' WHERE user_id = (SELECT user_id FROM enroll_invitations GROUP BY user_id HAVING count(*) > 1 LIMIT 1)`,
	"one device per hardware":    `DROP INDEX enroll_devices_identity; UPDATE enroll_devices SET identity = 'same', site = 'same', deleted_at = 0`,
	"one device per enrollment":  `UPDATE enroll_devices SET enrollment_id = 'same', site = 'same', user_id = 'same'`,
	"enrollment kept":            `DELETE FROM enroll_records WHERE scope LIKE 'enroll/%'`,
	"invitations kept":           `DELETE FROM enroll_invitations WHERE state = 'deactivated'`,
	"journal without gap":        `DELETE FROM enroll_events WHERE pos = (SELECT min(pos) FROM enroll_events)`,
	"journal leads to the state": `UPDATE enroll_devices SET state = 'impaired' WHERE state = 'pending'`,
	"site order without gap":     `UPDATE enroll_events SET site_seq = site_seq + 100000 WHERE site_seq = 3`,
	"slots":                      `DELETE FROM enroll_slots WHERE id = (SELECT min(id) FROM enroll_slots)`,
	"counts":                     `INSERT INTO enroll_slot_deltas (site, state, n) SELECT site, state, 1 FROM enroll_slots LIMIT 1`,
	"live devices":               `UPDATE enroll_invitations SET live = live + 1 WHERE live > 0`,
	"credentials":                `UPDATE enroll_credentials SET sealed = NULL WHERE kind = 'invitation'`,
	"credentials open":           `UPDATE enroll_credentials SET sealed = randomblob(length(sealed)) WHERE kind = 'invitation' AND sealed IS NOT NULL`,
	"device tokens":              `UPDATE enroll_devices SET nonce = randomblob(16) WHERE nonce IS NOT NULL`,
	"outbox":                     `DELETE FROM enroll_messages WHERE kind = 'mail.invitation'`,
	"message ends":               `UPDATE enroll_messages SET ended_at = 0 WHERE status = 'done'`,
	"mailbox":                    `DELETE FROM ref_mails WHERE n = (SELECT min(n) FROM ref_mails)`,
	"alerts": `INSERT INTO enroll_events SELECT NULL, site, id || 'x', subject, seq + 100000, 0, 'invitation.pin_alert', at, actor, '', '', reason,
		ref_source, ref_id, user_id, invitation, device, data FROM enroll_events
		WHERE subject = (SELECT id FROM enroll_invitations WHERE pin_generation = 1 AND events > 1 LIMIT 1)`,
	"budgets": `UPDATE enroll_counters SET n = 1000`,
	"sites":   `UPDATE enroll_devices SET site = 'another'`,
}

func TestEveryRuleBites(t *testing.T) {
	path, keyring, c := worked(t, 80)
	c.tell(t)
	ring := readKeyring(t, keyring)

	db, err := openCopy(path, t.TempDir())
	require.NoError(t, err)
	s, err := readSnapshot(t.Context(), db)
	require.NoError(t, err)
	compare(c.history, c.offices, c.hands, s)
	c.tell(t)
	found, err := Check(t.Context(), db, ring)
	require.NoError(t, err)
	require.Empty(t, found, "a sound database")
	require.NoError(t, db.Close())
	t.Log(c.history.opNames())

	for _, r := range rules {
		change, ok := broken[r.name]
		if !ok {
			require.Equal(t, "integrity", r.name, "no change that breaks this rule")
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			db, err := openCopy(path, t.TempDir())
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			db.SetMaxOpenConns(1)
			_, err = db.Exec(change)
			require.NoError(t, err)
			found, err := Check(t.Context(), db, ring)
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == r.name }), "%v", found)
		})
	}
	t.Run("integrity", func(t *testing.T) {
		dir := t.TempDir()
		db, err := openCopy(path, dir)
		require.NoError(t, err)
		_, err = db.Exec(`PRAGMA journal_mode = DELETE`) // everything into one file
		require.NoError(t, err)
		var root int
		require.NoError(t, db.QueryRow(`SELECT rootpage FROM sqlite_master WHERE name = 'enroll_slots_name'`).Scan(&root))
		require.NoError(t, db.Close())
		file, err := os.OpenFile(filepath.Join(dir, "copy.db"), os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = file.WriteAt(make([]byte, 512), int64(root-1)*4096) // the header of a page
		require.NoError(t, err)
		require.NoError(t, file.Close())
		db, err = sql.Open("sqlite", filepath.Join(dir, "copy.db"))
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		found, err := rules[0].find(t.Context(), &checker{db, ring})
		require.NoError(t, err)
		require.NotEmpty(t, found)
	})
}
