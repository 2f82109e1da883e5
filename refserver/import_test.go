package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/server"
)

func TestTheCommandImportsAList(t *testing.T) {
	dir := t.TempDir()
	ready := make(chan *url.URL, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Database: filepath.Join(dir, "x.db"), Keyring: filepath.Join(dir, "x.keyring"),
			MailFrom: "a@example.com", AdminEmail: "admin@localhost", AdminToken: credentials.SecretString("the-token-of-this-test"),
			Out: new(bytes.Buffer), Log: slog.New(slog.DiscardHandler), Ready: func(base *url.URL) { ready <- base },
		})
	}()
	defer func() {
		stop()
		require.NoError(t, <-ended)
	}()
	base := (<-ready).String()

	for _, c := range []struct {
		name, list string
		args       []string
		out, err   string
	}{
		{"a dry run", "email,name\nann@example.com,Ann\nwrong,Bob\n", []string{"-dry-run"},
			"row 3: email: malformed\nwould be: 1 created, 0 updated, 0 unchanged, 1 not taken\n", "exit code 1"},
		{"an import", "email,name\nann@example.com,Ann\n", nil, "1 created, 0 updated, 0 unchanged, 0 not taken\n", ""},
		{"and again", "email,name\nann@example.com,Ann Lee\n", nil, "0 created, 1 updated, 0 unchanged, 0 not taken\n", ""},
		{"no list", "hello\n", nil, "", "The first row has to name the columns, and those are email, name, language, external_id. It is row 1."},
		{"a wrong token", "name\nAnn\n", []string{"-token", "wrong"}, "", "401 Unauthorized: A valid token is required."},
		{"a server that would see the token", "name\nAnn\n", []string{"-url", "http://example.com"}, "", "-url: want https, or http on loopback, with a host and nothing else"},
		{"an unknown flag", "name\nAnn\n", []string{"-force"}, "", "exit code 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "users.csv")
			require.NoError(t, os.WriteFile(file, []byte(c.list), 0o600))
			var out, errOut bytes.Buffer
			args := append([]string{"import-users", "-url", base, "-token", "the-token-of-this-test"}, append(c.args, file)...)
			err := run(t.Context(), args, func(string) string { return "" }, &out, &errOut)
			assert.Equal(t, c.out, out.String())
			if c.err == "" {
				require.NoError(t, err)
				assert.Contains(t, errOut.String(), "1 of 1\n", "how far it has come")
			} else {
				require.EqualError(t, err, c.err)
			}
			assert.NotContains(t, errOut.String(), "the-token-of-this-test")
		})
	}
}
