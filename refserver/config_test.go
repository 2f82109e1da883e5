package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/server"
)

func configOf(env map[string]string, args ...string) (server.Config, error) {
	o, err := readOptions(args, func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		return server.Config{}, err
	}
	return o.config()
}

func TestWithoutAnySettingTheServerIsForThisMachine(t *testing.T) {
	cfg, err := configOf(nil)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", cfg.Listen)
	assert.Nil(t, cfg.PublicURL)
	assert.Equal(t, "sqlite:enrollkit.db", cfg.Database)
	assert.Equal(t, "enrollkit.keyring", cfg.Keyring)
	assert.Equal(t, "admin@localhost", cfg.AdminEmail)
	assert.True(t, cfg.SMTP.IsZero())
	assert.False(t, cfg.Demo)
}

func TestMistakesAreToldInOneLineThatQuotesNoSecret(t *testing.T) {
	const secret = "canary-secret"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":            {[]string{"-lisen", "x"}, "flag provided but not defined: -lisen"},
		"argument":                {[]string{"-demo", "extra"}, `unexpected argument "extra"`},
		"listen":                  {[]string{"-listen", "8080"}, "-listen: want host:port"},
		"listen for all":          {[]string{"-listen", ":8080"}, "-public-url: required when -listen is not loopback"},
		"listen elsewhere":        {[]string{"-listen", "10.0.0.1:8080"}, "-public-url: required when -listen is not loopback"},
		"plain http":              {[]string{"-public-url", "http://enroll.example.com"}, "-public-url: want https, or http on loopback, with a host and nothing else"},
		"url with a path":         {[]string{"-public-url", "https://enroll.example.com/x"}, "-public-url: a path is not supported"},
		"url with a query":        {[]string{"-public-url", "https://enroll.example.com?x=1"}, "-public-url: want https, or http on loopback, with a host and nothing else"},
		"url with a password":     {[]string{"-public-url", "https://a:" + secret + "@enroll.example.com"}, "-public-url: want https, or http on loopback, with a host and nothing else"},
		"not a url":               {[]string{"-public-url", "https://[" + secret}, "-public-url: want a URL such as https://enroll.example.com"},
		"database":                {[]string{"-database", "mysql://u:" + secret + "@h/db"}, "-database: want sqlite:PATH or postgres://user:password@host/name"},
		"no path":                 {[]string{"-database", "sqlite:"}, "-database: want sqlite:PATH or postgres://user:password@host/name"},
		"linger":                  {[]string{"-linger", "1m"}, "-linger: want a time from 0s to 2.5s"},
		"metrics-listen":          {[]string{"-metrics-listen", "9100"}, "-metrics-listen: want host:port"},
		"log-format":              {[]string{"-log-format", "xml"}, "-log-format: want text or json"},
		"smtp scheme":             {[]string{"-smtp", "http://u:" + secret + "@h"}, "-smtp: want smtp://user:password@host:port, or smtps://"},
		"smtp port":               {[]string{"-smtp", "smtp://h:99999", "-mail-from", "a@example.com"}, "-smtp: the port is no port"},
		"smtp without from":       {[]string{"-smtp", "smtp://u:" + secret + "@h:25"}, "-mail-from: required with -smtp"},
		"mail-from":               {[]string{"-mail-from", "Nobody <a@example.com>"}, "-mail-from: want one plain e-mail address"},
		"admin-email":             {[]string{"-admin-email", "root"}, "-admin-email: want one plain e-mail address"},
		"admin-email without who": {[]string{"-admin-email", "@localhost"}, "-admin-email: want one plain e-mail address"},
		"short token in public":   {[]string{"-public-url", "https://enroll.example.com", "-admin-token", "short"}, "-admin-token: want at least 16 characters"},
		"token with spaces":       {[]string{"-operator-token", secret + " x"}, "-operator-token: want visible ASCII characters only"},
		"one token for both":      {[]string{"-operator-token", secret, "-admin-token", secret}, "-operator-token: want another than -admin-token"},
		"trusted-proxies":         {[]string{"-trusted-proxies", "10.0.0.1"}, "-trusted-proxies: want networks such as 10.0.0.0/8, separated by commas"},
		"log-level":               {[]string{"-log-level", "loud"}, "-log-level: want debug, info, warn or error"},
		"demo":                    {[]string{"-demo=maybe"}, "-demo: want true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configOf(nil, c.args...)
			require.EqualError(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestWhatIsGoodIsTaken(t *testing.T) {
	for _, args := range [][]string{
		{"-listen", "[::1]:0"},
		{"-listen", "0.0.0.0:8080", "-public-url", "https://enroll.example.com"},
		{"-listen", "0.0.0.0:8080", "-public-url", "http://localhost:8080/"},
		{"-public-url", "https://enroll.example.com:8443", "-admin-token", strings.Repeat("x", 16)},
		{"-smtp", "smtps://u:p@mail.example.com", "-mail-from", "enroll@example.com"},
		{"-trusted-proxies", "10.0.0.0/8, fd00::/8"},
		{"-demo", "-log-level", "DEBUG", "-log-format", "json"},
		{"-database", "postgres://u:p@127.0.0.1:5432/enrollkit?sslmode=disable", "-linger", "0s", "-metrics-listen", "127.0.0.1:0"},
	} {
		_, err := configOf(nil, args...)
		assert.NoError(t, err, args)
	}
}

func TestTheEnvironmentIsReadAndFlagsWin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("from-a-file\n"), 0o600))
	env := map[string]string{
		"ENROLLKIT_LISTEN": "127.0.0.1:1", "ENROLLKIT_ADMIN_TOKEN_FILE": file, "ENROLLKIT_DEMO": "true", "ENROLLKIT_DATABASE": "sqlite:a.db",
	}
	cfg, err := configOf(env, "-database", "sqlite:b.db")
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:1", cfg.Listen)
	assert.Equal(t, "sqlite:b.db", cfg.Database)
	assert.Equal(t, "from-a-file", cfg.AdminToken.Reveal())
	assert.True(t, cfg.Demo)

	env["ENROLLKIT_ADMIN_TOKEN"] = "too"
	_, err = configOf(env)
	assert.EqualError(t, err, "ENROLLKIT_ADMIN_TOKEN and ENROLLKIT_ADMIN_TOKEN_FILE are both set")
	_, err = configOf(map[string]string{"ENROLLKIT_SMTP_FILE": file + ".none"})
	assert.ErrorContains(t, err, "ENROLLKIT_SMTP_FILE")
}

func TestThePrintedConfigurationHasNoSecret(t *testing.T) {
	var out, errOut bytes.Buffer
	err := run(t.Context(), []string{"-print-config", "-admin-token", "canary-a", "-smtp", "smtp://u:canary-b@h:25", "-mail-from", "a@example.com"},
		func(name string) string { return map[string]string{"ENROLLKIT_OPERATOR_TOKEN": "canary-c"}[name] }, &out, &errOut)
	require.NoError(t, err)
	assert.Contains(t, out.String(), "listen=127.0.0.1:8080\n")
	assert.Contains(t, out.String(), "admin-token=[redacted]\n")
	assert.NotContains(t, out.String()+errOut.String(), "canary")
}

func TestAPrintedDatabaseHasNeitherPasswordNorOptions(t *testing.T) {
	var out, errOut bytes.Buffer
	err := run(t.Context(), []string{"-print-config", "-database", "postgres://enroll:canary-d@db.example.com:5432/fleet?password=canary-e"},
		func(string) string { return "" }, &out, &errOut)
	require.NoError(t, err)
	assert.Contains(t, out.String(), "database=postgres://enroll:xxxxx@db.example.com:5432/fleet\n")
	assert.NotContains(t, out.String()+errOut.String(), "canary")
}

func TestCommands(t *testing.T) {
	none := func(string) string { return "" }
	var out, errOut bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"version"}, none, &out, &errOut))
	assert.Contains(t, out.String(), "refserver ")
	require.NoError(t, run(t.Context(), []string{"-help"}, none, &out, &errOut))
	for _, s := range settings {
		assert.Contains(t, errOut.String(), "-"+s.name)
	}
	for name := range commands {
		if name != "serve" {
			assert.Contains(t, names, name)
		}
	}
	assert.ErrorContains(t, run(t.Context(), []string{"frobnicate"}, none, &out, &errOut), "unknown command")
}
