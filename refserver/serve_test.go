package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/server"
	"example.com/enrollkit/refserver/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const token = "the-token-of-these-tests"

// place is a database with its key ring.
type place struct{ database, keyring string }

// flags are those of a command.
func (p place) flags(command string, more ...string) []string {
	return append([]string{command, "-database", p.database, "-keyring", p.keyring}, more...)
}

// eachPlace runs a test on every database that the server supports.
func eachPlace(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, name string) {
		test(t, place{name, filepath.Join(t.TempDir(), "test.keyring")})
	})
}

// serveAt runs a server until stop is called.
func serveAt(t *testing.T, p place) (base string, stop func()) {
	t.Helper()
	ready, ended := make(chan *url.URL, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Database: p.database, Keyring: p.keyring, MailFrom: "a@example.com", AdminEmail: "admin@localhost",
			AdminToken: credentials.SecretString(token), Out: io.Discard, Log: slog.New(slog.DiscardHandler), AnswerTime: -1,
			Ready: func(base *url.URL) { ready <- base },
		})
	}()
	select {
	case at := <-ready:
		base = at.String()
	case err := <-ended:
		cancel()
		require.NoError(t, err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return base, stop
}

// call sends a request with a bearer and reads the answer into v, if not nil.
func call(t *testing.T, bearer, method, address, body string, want int, v any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, want, response.StatusCode, "%s %s: %s", method, address, text)
	if v != nil {
		require.NoError(t, json.Unmarshal(text, v), string(text))
	}
}

// invited is a person with the credentials of an invitation.
type invited struct {
	ID, Email string
	Token     string
	PIN       string
}

func invite(t *testing.T, base, email string) invited {
	t.Helper()
	var answer struct {
		Results []struct {
			Invitation string `json:"invitation_id"`
		}
	}
	call(t, token, "POST", base+"/api/v1/invitations", `{"users":[{"email":"`+email+`","name":"Ann"}],"deliver":"send"}`, 201, &answer)
	require.Len(t, answer.Results, 1)
	i := invited{ID: answer.Results[0].Invitation, Email: email}
	var shown struct{ URL, PIN string }
	call(t, token, "POST", base+"/api/v1/invitations/"+i.ID+"/credentials", ``, 200, &shown)
	i.Token, i.PIN = shown.URL[strings.LastIndex(shown.URL, "/")+1:], shown.PIN
	return i
}

// enroll enrolls a device and returns its token.
func enroll(t *testing.T, base, credential, id string) string {
	t.Helper()
	var e struct {
		Token string `json:"device_token"`
	}
	call(t, "", "POST", base+"/device/v1/enroll", `{"enrollment_id":"`+id+`","credential":`+credential+`,"device":{"platform":"android","serial":"S`+id+`"}}`, 201, &e)
	return e.Token
}

// runCommand runs a command and returns what it said.
func runCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err := run(t.Context(), args, func(string) string { return "" }, &out, &errOut)
	return out.String() + errOut.String(), err
}

func TestVerifyOfASoundDatabaseSaysSoAndOfABrokenOneEndsWithThree(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		base, _ := serveAt(t, p)
		ann := invite(t, base, "ann@example.com")
		enroll(t, base, `{"type":"token","token":"`+ann.Token+`"}`, "one")
		said, err := runCommand(t, p.flags("verify")...)
		require.NoError(t, err, said)
		assert.Contains(t, said, " 0 violations")
		assert.Contains(t, said, "1 devices")
		if strings.HasPrefix(p.database, "sqlite") { // PostgreSQL needs an extension to look at its files
			assert.NotContains(t, said, "not looked at")
		}

		db := databasetest.Beside(t, p.database)
		_, err = db.Exec(t.Context(), `INSERT INTO ref_import_results (site, id, first, results) VALUES ('s', 'imp_1', 0, '[]')`)
		require.NoError(t, err)
		said, err = runCommand(t, p.flags("verify")...)
		assert.Equal(t, exitCode(3), err, "the server's own tables: %s", said)
		assert.Contains(t, said, "VIOLATION foreign keys")
		_, err = db.Exec(t.Context(), `DELETE FROM ref_import_results`)
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), `UPDATE enroll_invitations SET state = 'created'`)
		require.NoError(t, err)
		said, err = runCommand(t, p.flags("verify")...)
		assert.Equal(t, exitCode(3), err, said)
		assert.Contains(t, said, "VIOLATION")
		assert.NotContains(t, said, "ann@example.com")
	})
}
