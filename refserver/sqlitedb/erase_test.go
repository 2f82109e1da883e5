package sqlitedb_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore/verify"
)

// person is a directory of one.
type person struct{}

func (person) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	return enrollment.User{Site: site, ID: id, Name: "Ann Canary", Email: "ann@example.com"}, nil
}

func (p person) ByEmail(ctx context.Context, _ string) ([]enrollment.User, error) {
	user, err := p.Lookup(ctx, "acme", "u-1")
	return []enrollment.User{user}, err
}

// No row of any table has anything of a person who was erased: not the words
// that the list is searched by either.
func TestNoTableHasAnythingOfAPersonOnceErased(t *testing.T) {
	db, store := migrated(t)
	ctx := t.Context()
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	svc, err := enrollment.New(store, enrollment.Config{
		Keyring: ring, Directory: person{},
		Sites: enrollment.OneSite{ID: "acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}},
	})
	require.NoError(t, err)
	by := enrollment.Actor{Site: "acme", ID: "admin"}
	invited, err := svc.Invite(ctx, by, enrollment.InviteRequest{User: "u-1", Email: "ann.private@example.com", Send: true})
	require.NoError(t, err)
	shown, err := svc.Reveal(ctx, by, invited.Invitation)
	require.NoError(t, err)
	token, err := credentials.ParseDeploymentURL(shown.URL.Reveal())
	require.NoError(t, err)
	in, err := svc.Enroll(ctx, enrollment.EnrollRequest{
		EnrollmentID: "e-1", Credential: enrollment.Presented{Token: token},
		Device: enrollment.Claim{
			Platform: device.Android, Name: "HOLIDAY phone", Manufacturer: "Maker",
			Hardware: device.Hardware{Serial: "CANARY-SERIAL", UDID: "canary-udid", IMEI: "356938035643809"},
		},
	})
	require.NoError(t, err)
	_, err = svc.Report(ctx, in.Token, enrollment.Report{Seq: 1, Inventory: []byte(`{"owner":"canary-inventory"}`)})
	require.NoError(t, err)
	_, err = svc.Adopt(ctx, by, []enrollment.Adoption{{
		Ref: device.Ref{Source: "mdm", ID: "1"}, User: "u-1", Platform: device.IOS, State: device.Active, Name: "HOLIDAY tablet",
	}})
	require.NoError(t, err)
	passcode, _, err := svc.GeneratePasscode(ctx, by)
	require.NoError(t, err)
	require.NoError(t, svc.RequestLogin(ctx, enrollment.LoginRequest{Email: "ann@example.com", Passcode: passcode}))

	personal := []string{"ann@", "ann.private", "canary", "holiday", "356938035643809"}
	before := strings.ToLower(everything(t, db.DB))
	for _, text := range personal {
		require.Contains(t, before, text, "it is there to be found")
	}
	require.NoError(t, svc.EraseUser(ctx, by, "u-1"))
	after := strings.ToLower(everything(t, db.DB))
	for _, text := range personal {
		require.NotContains(t, after, text)
	}
	require.Contains(t, after, "user.erased")
	_, err = svc.Sequence(ctx)
	require.NoError(t, err)
	report, err := verify.Check(ctx, store, verify.Options{Keyring: ring})
	require.NoError(t, err)
	require.Empty(t, report.Violations)
}

// everything is every value of every table.
func everything(t *testing.T, db *sql.DB) string {
	t.Helper()
	tables, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table'")
	require.NoError(t, err)
	defer tables.Close()
	var names []string
	for tables.Next() {
		var name string
		require.NoError(t, tables.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, tables.Err())
	var all strings.Builder
	for _, name := range names {
		dump(t, db, name, &all)
	}
	return all.String()
}

func dump(t *testing.T, db *sql.DB, table string, into *strings.Builder) {
	t.Helper()
	list, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
	require.NoError(t, err)
	defer list.Close()
	columns, err := list.Columns()
	require.NoError(t, err)
	for list.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		require.NoError(t, list.Scan(targets...))
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			_, _ = fmt.Fprintln(into, table, v) // to memory
		}
	}
	require.NoError(t, list.Err())
}
