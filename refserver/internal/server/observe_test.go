package server

import (
	"crypto/rand"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/metrics"
)

// A managed phone says every few minutes that there is nothing new.
func TestOpenPagesLookAgainAfterAChangeAlone(t *testing.T) {
	s := &server{db: databasetest.Open(t, databasetest.SQLite(t)), metrics: metrics.New()}
	changed, leave := s.db.Signals.Watch(database.Devices)
	defer leave()
	looks := func() bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	key, err := credentials.NewKey(1, rand.Reader)
	require.NoError(t, err)
	ring, err := credentials.NewKeyring(key)
	require.NoError(t, err)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	svc, err := enrollment.New(memstore.New(), enrollment.Config{
		Keyring: ring, Now: func() time.Time { return now }, Observer: s.observe,
		Sites: enrollment.OneSite{ID: "acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com"}},
	})
	require.NoError(t, err)
	by := enrollment.Actor{Site: "acme", ID: "adm"}
	invited, err := svc.Invite(t.Context(), by, enrollment.InviteRequest{Email: "ann@example.com", Name: "Ann"})
	require.NoError(t, err)
	assert.True(t, looks(), "somebody is invited")

	ref := device.Ref{Source: "apple", ID: "one"}
	brought := enrollment.ManagedRequest{
		Site: "acme", Source: "apple", Invitation: invited.Invitation, EnrollmentID: "one", Ref: ref, Again: true,
		Device: enrollment.Claim{Platform: device.IOS, Model: "iPhone15,2"},
	}
	_, err = svc.EnrollManaged(t.Context(), brought)
	require.NoError(t, err)
	assert.True(t, looks(), "a device enrolls")
	active := device.Observation{
		Site: "acme", Source: "apple", Ref: ref, At: now,
		Facts: map[device.Fact]bool{device.ManagementProfile: true}, Inventory: []byte(`{"model":"iPhone15,2"}`),
	}
	status, err := svc.Observe(t.Context(), active)
	require.NoError(t, err)
	require.Equal(t, device.Active, status.State)
	assert.True(t, looks(), "and is managed")

	for range 5 {
		now = now.Add(time.Minute)
		active.At = now
		_, err = svc.Observe(t.Context(), active)
		require.NoError(t, err)
		_, err = svc.EnrollManaged(t.Context(), brought)
		require.NoError(t, err)
		_, err = svc.Overview(t.Context(), by, enrollment.OverviewQuery{})
		require.NoError(t, err)
		assert.False(t, looks(), "it said nothing new")
	}
	now = now.Add(enrollment.DefaultUnresponsiveAfter + time.Second)
	_, err = svc.Sweep(t.Context())
	require.NoError(t, err)
	assert.True(t, looks(), "nobody asked for anything, and it is unresponsive")
}
