package android_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
)

func TestASiteChoosesBetweenItsOwnAgentAndAnotherSystem(t *testing.T) {
	mine, err := android.New(android.Config{})
	require.NoError(t, err)
	other := &system{}
	theirs, err := android.NewManaged(android.ManagedConfig{Tokens: other})
	require.NoError(t, err)
	elsewhere := false
	both, err := android.NewBySite(mine, theirs, func(s enrollment.Site) bool { return s.ID == "acme" && elsewhere })
	require.NoError(t, err)
	w := newWorld(t, both)

	_, tok := w.invite("ann", "")
	_, plain := w.invite("bob", device.AndroidFullyManaged)
	stored := w.accept(tok, device.Personal).Next
	assert.Equal(t, device.InstallAgent, stored.Action)
	code, err := w.svc.QR(t.Context(), plain, device.Android)
	require.NoError(t, err)
	require.NoError(t, android.CheckPayload([]byte(code.Reveal())))
	require.Empty(t, other.made)

	elsewhere = true
	next := w.accept(tok, device.Personal).Next
	assert.Equal(t, device.CreateWorkProfile, next.Action)
	code, err = w.svc.QR(t.Context(), plain, device.Android)
	require.NoError(t, err)
	assert.Equal(t, "https://mdm.example.com/join/i/"+plain, code.Reveal())
	rec := w.follow(http.MethodGet, next.URL)
	require.Equal(t, http.StatusFound, rec.Code)
	assert.Contains(t, rec.Header().Get("Location"), "https://enterprise.google.com/")
	status, err := theirs.Notify(t.Context(), "acme", phone(other.last()))
	require.NoError(t, err)
	assert.Equal(t, device.Pending, status.State)

	// What was given out before leads where it said.
	rec = w.follow(http.MethodGet, stored.URL)
	assert.Contains(t, rec.Header().Get("Location"), "https://play.google.com/")
	assert.Equal(t, http.StatusNotFound, w.follow(http.MethodGet, "https://mdm.example.com/join/i/"+tok+"/android/nothing").Code)
	_, admin := w.invite("cat", device.AndroidDeviceAdmin)
	_, err = w.svc.Accept(t.Context(), admin, enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Android})
	require.ErrorIs(t, err, android.ErrMode, "no work profile in its place")
	require.Len(t, other.made, 1)
	elsewhere = false
	assert.Equal(t, device.InstallAgent, w.accept(admin, device.Company).Next.Action)
	assert.ErrorIs(t, both.CheckMode(device.AndroidDeviceAdmin, enrollment.Claim{OSVersion: "16"}), android.ErrMode)
	assert.NoError(t, both.CheckMode(device.AndroidWorkProfile, enrollment.Claim{OSVersion: "16"}))
}

func TestAChoiceNeedsBothPlatforms(t *testing.T) {
	_, err := android.NewBySite(nil, nil, nil)
	assert.Error(t, err)
}

// One product, some of whose customers have the Android Management API.
func ExampleNewBySite() {
	own, err := android.New(android.Config{})
	if err != nil {
		panic(err)
	}
	google, err := android.NewManaged(android.ManagedConfig{Tokens: &system{}})
	if err != nil {
		panic(err)
	}
	enterprises := map[string]string{"globex": "enterprises/LC0123"}
	platform, err := android.NewBySite(own, google, func(s enrollment.Site) bool { return enterprises[s.ID] != "" })
	fmt.Println(platform.Name(), platform.Serves(), err) // goes into Config.Platforms and Options.Platforms
	// Output:
	// android [android] <nil>
}
