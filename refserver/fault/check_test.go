package fault

import (
	"context"
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
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/internal/server"
	ownverify "example.com/enrollkit/refserver/internal/verify"
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

// broken has, for each rule of the server's own, one change to a sound database
// that breaks it. Those of package verify are broken in refserver/checks; one is
// here, to see that it is asked.
var broken = map[string]string{
	"foreign keys":    `PRAGMA foreign_keys = OFF; DELETE FROM ref_admins`,
	"mailbox":         `DELETE FROM enroll_messages`,
	"delivered":       `DELETE FROM ref_mails WHERE n = (SELECT min(n) FROM ref_mails)`,
	"evaluated tries": `UPDATE enroll_counters SET n = 99`,
	"authorities": `INSERT INTO ref_certificates
		(authority, serial, generation, site, enrollment, invitation, user_id, hash, confirmed, issued_at, expires_at)
		VALUES ('apple', '1', 99, 's', 'e', '', '', x'00', 1, 0, 0)`,
	"sites known": `PRAGMA foreign_keys = OFF; DELETE FROM ref_sites`,
	"counts":      `INSERT INTO enroll_slot_deltas (site, state, n) SELECT site, state, 1 FROM enroll_slots LIMIT 1`,
}

func TestEveryRuleOfTheServerBites(t *testing.T) {
	path, keyring, c := worked(t, 80)
	c.tell(t)
	ring := readKeyring(t, keyring)

	db, err := openCopy(path, t.TempDir())
	require.NoError(t, err)
	store, err := storeOf(db)
	require.NoError(t, err)
	s, err := readSnapshot(t.Context(), store, true)
	require.NoError(t, err)
	compare(c.history, c.offices, c.hands, s)
	c.tell(t)
	found, err := Check(t.Context(), db, ring)
	require.NoError(t, err)
	require.Empty(t, found, "a sound database")
	require.NoError(t, db.Close())
	t.Log(c.history.opNames())

	names := ownverify.Names()
	for _, r := range ownRules {
		names = append(names, r.name)
	}
	for _, name := range names {
		require.NotEmpty(t, broken[name], "nothing breaks the rule %q", name)
	}
	for name, change := range broken {
		t.Run(name, func(t *testing.T) {
			db, err := openCopy(path, t.TempDir())
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			db.SetMaxOpenConns(1)
			_, err = db.Exec(change)
			require.NoError(t, err)
			found, err := Check(t.Context(), db, ring)
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(found, func(v verify.Violation) bool { return v.Rule == name }), "%v", found)
		})
	}
}
