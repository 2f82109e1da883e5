package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlagsOfWindowsDevices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.pem")
	require.NoError(t, os.WriteFile(path, selfSigned(t, 1), 0o600))
	public := []string{"-listen", "10.0.0.1:8080", "-public-url", "https://enroll.example.com"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-windows-listen", "8443"}, "-windows-listen: want host:port, auto or off"},
		{append(public, "-windows-listen", ":0"), "-windows-listen: want host:port, auto or off"},
		{append(public, "-windows-url", "https://mdm.example.com"), "-windows-url: want -windows-listen too"},
		{[]string{"-windows-listen", "off", "-windows-certificate", path}, "-windows-certificate: want -windows-listen too"},
		{[]string{"-windows-url", "http://mdm.example.com"}, "-windows-url: want https with a host and nothing else"},
		{[]string{"-windows-url", "https://mdm.example.com/x"}, "-windows-url: want https with a host and nothing else"},
		{[]string{"-windows-url", "https://u:canary@mdm.example.com"}, "-windows-url: want https with a host and nothing else"},
		{[]string{"-windows-certificate", path + ".not"}, "-windows-certificate: want a PEM file with a certificate and its key"},
	} {
		_, err := configOf(nil, c.args...)
		assert.EqualError(t, err, c.want, c.args)
	}
	cfg, err := configOf(nil, append(public, "-windows-listen", ":8443", "-windows-url", "https://mdm.example.com:443/", "-windows-certificate", path)...)
	require.NoError(t, err)
	assert.Equal(t, ":8443", cfg.Windows.Listen)
	assert.Equal(t, "https://mdm.example.com:443", cfg.Windows.URL.String())
	assert.NotNil(t, cfg.Windows.Certificate)
	cfg, err = configOf(nil)
	require.NoError(t, err)
	assert.Zero(t, cfg.Windows.Listen)
	assert.False(t, cfg.Windows.Off)
	cfg, err = configOf(nil, "-windows-listen", "off")
	require.NoError(t, err)
	assert.True(t, cfg.Windows.Off)
}

func TestTheCertificateOfSessionsIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.pem")
	require.NoError(t, os.WriteFile(path, selfSigned(t, 1), 0o600))
	cfg, err := configOf(nil, "-windows-certificate", path)
	require.NoError(t, err)
	var lines strings.Builder
	log := slog.New(slog.NewTextHandler(&lines, nil))
	warned := func() int { return strings.Count(lines.String(), "level=WARN") }
	serial := func() int64 {
		cert, err := cfg.Windows.Certificate.Get(t.Context(), log)
		require.NoError(t, err)
		return cert.Leaf.SerialNumber.Int64()
	}
	assert.EqualValues(t, 1, serial())
	require.NoError(t, os.WriteFile(path, selfSigned(t, 2), 0o600))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)))
	assert.EqualValues(t, 2, serial())
	require.NoError(t, os.WriteFile(path, []byte("half"), 0o600))
	require.Zero(t, warned())
	for range 3 {
		assert.EqualValues(t, 2, serial(), "a file that is being written")
	}
	assert.Equal(t, 1, warned(), "once, and not for each handshake")
	assert.Contains(t, lines.String(), path)
	require.NoError(t, os.WriteFile(path, []byte("and another half"), 0o600))
	serial()
	assert.Equal(t, 2, warned(), "and again when it has changed")
	require.NoError(t, os.Remove(path))
	for range 3 {
		assert.EqualValues(t, 2, serial())
	}
	assert.Equal(t, 3, warned())
	require.NoError(t, os.WriteFile(path, selfSigned(t, 3), 0o600))
	assert.EqualValues(t, 3, serial())
	assert.Equal(t, 3, warned())
}
