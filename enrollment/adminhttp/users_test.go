package adminhttp

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

func TestAPersonIsExportedAndErased(t *testing.T) {
	w := newWorld(t)
	invitation, enrolled := w.enroll(acme, "u-1", "SN-ONE")
	w.enroll(acme, "u-2", "SN-TWO")

	got := w.do(acme, "POST", "/users/u-1/export", "")
	require.Equal(t, 200, got.Status, got.Body)
	assert.Equal(t, "User 1 of acme", got.at("user.name"))
	assert.Equal(t, invitation, got.at("invitations.0.id"))
	assert.Equal(t, "SN-ONE", got.at("devices.0.hardware.serial"))
	assert.Nil(t, got.at("one_time_login"))
	assert.NotContains(t, got.Body, "u-2")
	var read enrollment.UserExport
	require.NoError(t, json.Unmarshal([]byte(got.Body), &read))
	assert.Equal(t, enrolled.Device.ID, read.Devices[0].ID)

	for range 2 { // twice is no error
		got = w.do(acme, "POST", "/users/u-1/erase", "")
		require.Equal(t, 204, got.Status, got.Body)
		assert.Empty(t, got.Body)
	}
	for _, path := range []string{"/slots", "/invitations"} {
		assert.NotContains(t, w.get(acme, path).Body, "user1@acme")
		assert.Contains(t, w.get(acme, path).Body, "user2@acme")
	}
	w.do(acme, "GET", "/devices/"+enrolled.Device.ID, "").problem(404, "not_found")
	assert.Equal(t, "user_erased", w.get(acme, "/invitations/"+invitation).at("reason"))
	assert.NotContains(t, w.do(acme, "POST", "/users/u-1/export", "").Body, "SN-ONE")
	w.do(acme, "POST", "/users/u-3/erase", "").problem(404, "not_found")
	w.do(acme, "POST", "/users/u-3/export", "").problem(404, "not_found")
	assert.Equal(t, 201, w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-1"}]}`).Status, "invited again")
}

// The embedder's ids are any text.
func TestAUsersIDIsTakenFromThePathAsItIs(t *testing.T) {
	w := newWorld(t)
	ids := []string{"a/b", "a b", "ž@example.com", "100%", "?x=1", "..", "a%2Fb"}
	require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		for _, id := range ids {
			if err := tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: id, Name: "Canary"}); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, id := range ids {
		got := w.do(acme, "POST", "/users/"+escape(id)+"/export", "")
		require.Equal(t, 200, got.Status, "%s: %s", id, got.Body)
		assert.Equal(t, id, got.at("user.id"))
		assert.Equal(t, 204, w.do(acme, "POST", "/users/"+escape(id)+"/erase", "").Status, id)
		assert.NotContains(t, w.do(acme, "POST", "/users/"+escape(id)+"/export", "").Body, "Canary", id)
	}
	for _, id := range []string{strings.Repeat("x", 129), "a\x00", "\xff", "a\nb"} {
		w.do(acme, "POST", "/users/"+escape(id)+"/erase", "").problem(404, "not_found")
	}
	assert.NotContains(t, w.log.String(), "level=ERROR")
}

// escape is url.PathEscape that leaves no dots either: clients clean them away.
func escape(id string) string { return strings.ReplaceAll(url.PathEscape(id), ".", "%2E") }
