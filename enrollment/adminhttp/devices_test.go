package adminhttp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestSlots(t *testing.T) {
	w := newWorld(t)
	t.Run("an empty site", func(t *testing.T) {
		got := w.get(acme, "/slots")
		assert.Equal(t, []any{}, got.at("slots"))
		assert.Equal(t, map[string]any{}, got.at("counts"))
		assert.Equal(t, "", got.at("next_page_token"))
		assert.Regexp(t, `Z$`, got.at("as_of"))
	})
	waiting := w.invite(acme, "u-1")
	invitation, enrolled := w.enroll(acme, "u-2", "SN-ONE")
	phone := enrolled.Device.ID
	w.enroll(globex, "g-1", "SN-TWO")
	ids := func(t *testing.T, query string) []string {
		t.Helper()
		var list []string
		for _, row := range w.get(acme, "/slots?"+query).at("slots").([]any) {
			list = append(list, row.(map[string]any)["id"].(string))
		}
		return list
	}

	t.Run("a row for each invitation without a device, and for each device", func(t *testing.T) {
		assert.Equal(t, []string{phone, waiting}, ids(t, ""))
		got := w.get(acme, "/slots?state=pending")
		assert.Equal(t, "device", got.at("slots.0.kind"))
		assert.Equal(t, invitation, got.at("slots.0.invitation_id"))
		assert.Equal(t, map[string]any{"id": "u-2", "email": "user2@acme.example.com", "name": "User 2 of acme"}, got.at("slots.0.user"))
		assert.Equal(t, "android", got.at("slots.0.platform"))
		assert.Equal(t, "company", got.at("slots.0.ownership"))
		assert.Equal(t, "Phone SN-ONE", got.at("slots.0.name"))
		assert.NotNil(t, got.at("slots.0.last_connection"))
		assert.Contains(t, got.at("slots.0.missing"), "work_profile")
		assert.Equal(t, false, got.at("slots.0.conflict"))
		assert.Nil(t, got.at("slots.0.fetched_at"))
		assert.Equal(t, 1.0, got.at("counts.pending"))
		assert.Equal(t, 1.0, got.at("counts.sent"))
		row := w.get(acme, "/slots?state=sent")
		assert.Equal(t, "invitation", row.at("slots.0.kind"))
		assert.Equal(t, []any{}, row.at("slots.0.missing"))
		assert.Equal(t, []any{}, row.at("slots.0.refs"))
		assert.Nil(t, row.at("slots.0.last_connection"))
	})
	t.Run("filtered, searched and sorted", func(t *testing.T) {
		for query, want := range map[string][]string{
			"state=pending":                 {phone},
			"state=active":                  nil,
			"platform=android":              {phone},
			"platform=ios":                  nil,
			"ownership=company":             {phone},
			"q=sn-one":                      {phone},
			"q=user1":                       {waiting},
			"q=USER+acme":                   {phone, waiting},
			"q=user+globex":                 nil,
			"sort=name":                     {phone, waiting},
			"sort=state":                    {phone, waiting},
			"sort=last_connection":          {phone, waiting},
			"state=pending&platform=ios":    nil,
			"q=%27%20OR%20%271%27%3D%271":   nil,
			"page_size=500":                 {phone, waiting},
			"state=&platform=&q=&page_size": {phone, waiting},
		} {
			assert.Equal(t, want, ids(t, query), query)
		}
	})
	t.Run("page by page", func(t *testing.T) {
		for _, sort := range []string{"last_connection", "name", "state"} {
			first := w.get(acme, "/slots?page_size=1&sort="+sort)
			second := w.get(acme, "/slots?page_size=1&sort="+sort+"&page_token="+first.text("next_page_token"))
			assert.Equal(t, []string{phone, waiting}, []string{first.text("slots.0.id"), second.text("slots.0.id")})
			assert.Empty(t, second.at("next_page_token"))
		}
	})
}

func TestDevice(t *testing.T) {
	w := newWorld(t)
	invitation, enrolled := w.enroll(acme, "u-1", "SN-ONE")
	phone := "/devices/" + enrolled.Device.ID
	_, err := w.svc.Report(t.Context(), enrolled.Token, enrollment.Report{
		Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: true}, Inventory: []byte(`{"disk":"64 GB"}`),
	})
	require.NoError(t, err)

	t.Run("its facts, requirements and story", func(t *testing.T) {
		got := w.get(acme, phone)
		assert.Equal(t, "pending", got.at("state"))
		assert.Equal(t, map[string]any{"id": "u-1", "email": "user1@acme.example.com", "name": "User 1 of acme"}, got.at("user"))
		assert.Equal(t, invitation, got.at("invitation_id"))
		assert.Equal(t, "invitation", got.at("origin"))
		assert.Equal(t, true, got.at("facts.agent_installed"))
		assert.Contains(t, got.at("requirements"), "agent_installed")
		assert.Contains(t, got.at("missing"), "work_profile")
		assert.NotContains(t, got.at("missing"), "agent_installed")
		assert.Equal(t, "agent", got.at("assertions.0.source"))
		assert.Equal(t, true, got.at("assertions.0.value"))
		assert.Equal(t, "64 GB", got.at("inventory.disk"))
		assert.Equal(t, "SN-ONE", got.at("hardware.serial"))
		assert.Equal(t, "", got.at("hardware.imei"))
		assert.Equal(t, "device.enrolled", got.at("timeline.0.type"))
		assert.Equal(t, 1.0, got.at("timeline.0.subject_seq"))
		assert.Equal(t, false, got.at("conflict"))
		assert.Equal(t, []any{}, got.at("refs"))
		assert.NotEmpty(t, got.at("waits_for"))
		assert.NotEmpty(t, got.at("next"))
		for _, when := range []string{"since", "enrolled_at", "last_connection", "last_observation", "created_at", "as_of"} {
			assert.Regexp(t, `^2026-11-21T09:.*Z$`, got.at(when), when)
		}
	})
	t.Run("renewing tells whether the mail carries credentials", func(t *testing.T) {
		got := w.do(acme, "POST", phone+"/renew", "")
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, enrolled.Device.ID, got.at("device_id"))
		assert.Equal(t, false, got.at("without_credentials"))
		assert.Equal(t, "", got.at("error"))
		w.do(acme, "POST", "/invitations/"+invitation+"/deactivate", "")
		assert.Equal(t, true, w.do(acme, "POST", phone+"/renew", "").at("without_credentials"))
	})
	t.Run("renewing many has a result for each", func(t *testing.T) {
		got := w.do(acme, "POST", "/devices/renew", `{"ids":["`+enrolled.Device.ID+`","dev_unknown"]}`)
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, enrolled.Device.ID, got.at("results.0.device_id"))
		assert.Equal(t, "", got.at("results.0.error"))
		assert.Equal(t, "dev_unknown", got.at("results.1.device_id"))
		assert.Equal(t, "not_found", got.at("results.1.error"))
	})
	t.Run("a conflict is resolved by releasing the holder", func(t *testing.T) {
		_, rival := w.enroll(acme, "u-2", "SN-ONE")
		got := w.get(acme, "/devices/"+rival.Device.ID)
		require.Equal(t, true, got.at("conflict"), got.Body)
		assert.Equal(t, enrolled.Device.ID, got.at("conflict_with"))
		released := w.do(acme, "POST", phone+"/release", "")
		require.Equal(t, 200, released.Status, released.Body)
		assert.Equal(t, enrolled.Device.ID, released.at("id"))
		assert.Equal(t, false, w.get(acme, "/devices/"+rival.Device.ID).at("conflict"))
	})
	t.Run("told to go", func(t *testing.T) {
		got := w.do(acme, "POST", phone+"/remove", "")
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, "leaving", got.at("state"))
		require.NoError(t, w.svc.Unenroll(t.Context(), enrolled.Token))
		assert.Equal(t, "unenrolled", w.get(acme, phone).at("state"))
		w.do(acme, "POST", phone+"/remove", "").problem(409, "illegal_transition")
	})
	t.Run("deleted is as if unknown", func(t *testing.T) {
		got := w.do(acme, "DELETE", phone, "")
		require.Equal(t, 204, got.Status, got.Body)
		assert.Empty(t, got.Body)
		w.do(acme, "GET", phone, "").problem(404, "not_found")
		w.do(acme, "POST", phone+"/renew", "").problem(404, "not_found")
		w.do(acme, "POST", phone+"/remove", "").problem(404, "not_found")
	})
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	assert.Equal(t, "{\"events\":[],\"after\":0}\n", w.get(acme, "/events").Body)
	one := w.invite(acme, "u-1")
	w.invite(globex, "g-1")
	_, err := w.svc.Sequence(t.Context())
	require.NoError(t, err)

	got := w.get(acme, "/events?after=0")
	require.Len(t, got.at("events"), 2)
	assert.Equal(t, "invitation.created", got.at("events.0.type"))
	assert.Equal(t, 1.0, got.at("events.0.seq"))
	assert.Equal(t, one, got.at("events.0.subject"))
	assert.Equal(t, "ann", got.at("events.0.actor"))
	assert.Equal(t, "created", got.at("events.0.after"))
	assert.Equal(t, "u-1", got.at("events.0.user_id"))
	assert.Equal(t, one, got.at("events.0.invitation_id"))
	assert.Equal(t, "", got.at("events.0.device_id"))
	assert.Nil(t, got.at("events.0.ref"))
	assert.Equal(t, map[string]any{}, got.at("events.0.data"))
	assert.Equal(t, 2.0, got.at("after"))
	assert.Equal(t, "invitation.sent", w.get(acme, "/events?after=1").at("events.0.type"))
	assert.Len(t, w.get(acme, "/events?page_size=1").at("events"), 1)
	assert.Equal(t, "{\"events\":[],\"after\":2}\n", w.get(acme, "/events?after=2").Body)
}

func TestWhatADeviceSentBreaksNoAnswer(t *testing.T) {
	shown := showDevice(enrollment.DeviceDetail{Device: device.Device{Inventory: []byte(`{"cut`)}})
	assert.Nil(t, shown.Inventory)
}
