package simulate

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/server"
)

func TestTheReferenceServerMeetsNothingUnexpected(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	dir := t.TempDir()
	ready, stopped := make(chan *url.URL, 1), make(chan error, 1)
	go func() {
		stopped <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Database: filepath.Join(dir, "enrollkit.db"), Keyring: filepath.Join(dir, "keyring"),
			AdminEmail: "admin@localhost", AdminToken: credentials.SecretString(adminToken), MailFrom: "mdm@localhost",
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Out:            io.Discard, Log: slog.New(slog.DiscardHandler),
			Ready: func(base *url.URL) { ready <- base },
		})
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-stopped)
	})
	var base *url.URL
	select {
	case base = <-ready:
	case err := <-stopped:
		stopped <- nil
		require.NoError(t, err)
	}

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base.JoinPath("/api/v1/passcode/generate").String(), nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	for how, logins := range map[string]int{"invitation": 0, "self_service": 1} {
		report, err := Run(t.Context(), Options{BaseURL: base.String(), AdminToken: adminToken, Seed: seedWith(SignIn, how), Label: how, Pace: 500_000})
		require.NoError(t, err)
		assert.Empty(t, report.Unexpected)
		assert.Equal(t, report.People, report.Events["users created"])
		assert.Equal(t, report.People-1, report.Events["mails read"]) // all but the one whose invitation was not sent
		assert.Positive(t, report.Verified)
		assert.Equal(t, 1, report.Events["enrolled by signing in"], how)
		assert.Positive(t, report.Events["sessions of computers"])
		assert.Equal(t, logins, report.Events["logins asked for"])
	}
}

// seedWith is the first seed by which somebody does something in a way.
func seedWith(do Verb, how string) uint64 {
	for seed := uint64(1); ; seed++ {
		for _, p := range NewPlan(seed, DefaultDevices, "").People {
			for _, a := range p.Acts {
				if a.Do == do && a.With == how {
					return seed
				}
			}
		}
	}
}
