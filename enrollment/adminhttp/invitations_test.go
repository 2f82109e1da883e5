package adminhttp

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

func TestInviting(t *testing.T) {
	t.Run("everybody has a result of their own, in the order of the request", func(t *testing.T) {
		w := newWorld(t)
		got := w.do(acme, "POST", "/invitations", `{"users":[
			{"user_id":"u-1"},{"user_id":"u-2","email":"Two@example.com"},{"email":"guest@example.com","name":"Guest"},
			{"user_id":"nobody"},{"user_id":"u-9"}]}`)
		require.Equal(t, 201, got.Status, got.Body)
		require.Len(t, got.at("results"), 5)
		for i, want := range []struct{ user, email, code string }{
			{"u-1", "user1@acme.example.com", ""},
			{"u-2", "Two@example.com", ""},
			{"usr_", "guest@example.com", ""},
			{"", "", "not_found"},
			{"u-9", "", "no_address"},
		} {
			at := func(field string) any { return got.at("results." + strconv.Itoa(i) + "." + field) }
			assert.Contains(t, at("user_id"), want.user)
			assert.Equal(t, want.email, at("email"))
			assert.Equal(t, want.code, at("error"))
			assert.Equal(t, want.code == "", at("invitation_id") != "")
			assert.Equal(t, "", at("replaced"))
			assert.Equal(t, false, at("kept"))
			if want.code == "" {
				assert.Equal(t, "sent", at("state"))
			}
		}
		assert.Equal(t, map[string]any{"created": 3.0, "replaced": 0.0, "kept": 0.0, "refused": 2.0}, got.at("counts"))
	})
	t.Run("deliver none creates without sending", func(t *testing.T) {
		w := newWorld(t)
		got := w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-9"}],"deliver":"none"}`)
		require.Equal(t, 201, got.Status, got.Body)
		assert.Equal(t, "created", got.at("results.0.state"))
	})
	t.Run("who is invited again: replace, keep or refuse", func(t *testing.T) {
		w := newWorld(t)
		first := w.invite(acme, "u-1")
		again := func(ifActive string) answer {
			return w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-1"}],"if_active":"`+ifActive+`"}`)
		}
		refused := again("refuse")
		assert.Equal(t, 201, refused.Status)
		assert.Equal(t, "invitation_active", refused.at("results.0.error"))
		kept := again("keep")
		assert.Equal(t, first, kept.at("results.0.invitation_id"))
		assert.Equal(t, true, kept.at("results.0.kept"))
		replaced := again("replace")
		assert.Equal(t, first, replaced.at("results.0.replaced"))
		assert.NotEqual(t, first, replaced.at("results.0.invitation_id"))
		assert.Equal(t, "superseded", w.get(acme, "/invitations/"+first).at("reason"))
	})
	t.Run("what is fixed stays with the invitation", func(t *testing.T) {
		w := newWorld(t)
		made := w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-1"}],"mode":"android_fully_managed","ownership":"company",
			"expires_at":"2026-12-24T18:00:00+01:00","max_devices":2}`)
		require.Equal(t, 201, made.Status, made.Body)
		got := w.get(acme, "/invitations/"+made.text("results.0.invitation_id"))
		assert.Equal(t, "android_fully_managed", got.at("mode"))
		assert.Equal(t, "company", got.at("ownership"))
		assert.Equal(t, "2026-12-24T17:00:00Z", got.at("expires_at"))
		assert.Equal(t, 2.0, got.at("max_devices"))
	})
	t.Run("a dry run answers 200 with counts and keeps nothing", func(t *testing.T) {
		w := newWorld(t)
		first := w.invite(acme, "u-1")
		before := w.snapshot()
		got := w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-1"},{"user_id":"u-2"},{"user_id":"u-9"}],"dry_run":true}`)
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, first, got.at("results.0.replaced"))
		assert.Equal(t, "", got.at("results.1.invitation_id"))
		assert.Equal(t, map[string]any{"created": 2.0, "replaced": 1.0, "kept": 0.0, "refused": 1.0}, got.at("counts"))
		assert.Equal(t, before, w.snapshot())
	})
}

func TestIdempotencyKey(t *testing.T) {
	const body = `{"users":[{"user_id":"u-1"},{"user_id":"nobody"}]}`
	w := newWorld(t)
	ask := func(who, body, key string) answer {
		return w.do(who, "POST", "/invitations", body, "Idempotency-Key: "+key)
	}
	first := ask(acme, body, "k1")
	require.Equal(t, 201, first.Status, first.Body)
	before := w.snapshot()

	t.Run("the same key gets the same answer and does nothing again", func(t *testing.T) {
		again := ask(acme, body, "k1")
		assert.Equal(t, 201, again.Status)
		assert.Equal(t, first.Body, again.Body)
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("the spelling of the request does not matter", func(t *testing.T) {
		assert.Equal(t, first.Body, ask(acme, `{ "deliver": "send", "users":[{"user_id":"u-1","name":""},{"user_id":"nobody"}]}`, "k1").Body)
	})
	t.Run("with another request it is refused", func(t *testing.T) {
		ask(acme, `{"users":[{"user_id":"u-2"}]}`, "k1").problem(422, "idempotency_key_reused")
		ask(acme, `{"users":[{"user_id":"u-1"},{"user_id":"nobody"}],"deliver":"none"}`, "k1").problem(422, "idempotency_key_reused")
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("keys of other administrators are others", func(t *testing.T) {
		got := ask("acme/bob", `{"users":[{"user_id":"u-3"}]}`, "k1")
		assert.Equal(t, 201, got.Status)
		got = ask(globex, `{"users":[{"user_id":"g-1"}]}`, "k1")
		assert.Equal(t, 201, got.Status)
		assert.Equal(t, "g-1", got.at("results.0.user_id"))
	})
	t.Run("another key does it again", func(t *testing.T) {
		got := ask(acme, body, "k2")
		assert.Equal(t, first.at("results.0.invitation_id"), got.at("results.0.replaced"))
	})
	t.Run("what is no key is refused", func(t *testing.T) {
		ask(acme, body, strings.Repeat("k", 129)).invalid("Idempotency-Key: too_long")
		ask(acme, body, "").invalid("Idempotency-Key: required")
		ask(acme, body, "k\xff").invalid("Idempotency-Key: malformed")
		w.do(acme, "POST", "/invitations", body, "Idempotency-Key: a", "Idempotency-Key: b").invalid("Idempotency-Key: repeated")
		assert.Equal(t, 201, ask(acme, body, strings.Repeat("k", 128)).Status)
	})
}

func TestInvitations(t *testing.T) {
	w := newWorld(t)
	one := w.invite(acme, "u-1")

	t.Run("one, with every time that never was as null", func(t *testing.T) {
		got := w.get(acme, "/invitations/"+one)
		assert.Equal(t, one, got.at("id"))
		assert.Equal(t, "sent", got.at("state"))
		assert.Equal(t, map[string]any{"id": "u-1", "email": "user1@acme.example.com", "name": "User 1 of acme"}, got.at("user"))
		assert.Equal(t, 20.0, got.at("pin_tries_left"))
		assert.Equal(t, 0.0, got.at("devices"))
		assert.Equal(t, "queued", got.at("delivery"))
		assert.Equal(t, []any{}, got.at("sightings"))
		for _, never := range []string{"expires_at", "accepted_at", "opened_at", "ended_at", "fetched_at"} {
			assert.Nil(t, got.at(never), never)
		}
		assert.Regexp(t, `^2026-11-21T09:.*Z$`, got.at("created_at"))
	})
	t.Run("the address is edited on the invitation", func(t *testing.T) {
		got := w.do(acme, "PATCH", "/invitations/"+one, `{"email":"Jan@Example.com"}`)
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, "Jan@Example.com", got.at("email"))
		assert.Equal(t, "Jan@Example.com", w.get(acme, "/invitations/"+one).at("user.email"))
	})
	t.Run("a fetch is shown beside the state, in the list of devices too", func(t *testing.T) {
		require.NoError(t, w.svc.See(t.Context(), "acme", one, invitation.Fetched))
		got := w.get(acme, "/invitations/"+one)
		assert.Equal(t, "sent", got.at("state"))
		assert.Equal(t, 1.0, got.at("sightings.0.count"))
		assert.NotNil(t, got.at("fetched_at"))
		slot := w.get(acme, "/slots?state=sent")
		assert.Equal(t, one, slot.at("slots.0.id"))
		assert.Equal(t, got.at("fetched_at"), slot.at("slots.0.fetched_at"))
	})
	t.Run("sending again keeps the credentials", func(t *testing.T) {
		before := w.do(acme, "POST", "/invitations/"+one+"/credentials", "")
		got := w.do(acme, "POST", "/invitations/"+one+"/send", "")
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, "sent", got.at("state"))
		assert.Equal(t, before.Body, w.do(acme, "POST", "/invitations/"+one+"/credentials", "{}").Body)
	})
	t.Run("a new PIN leaves the link", func(t *testing.T) {
		before := w.do(acme, "POST", "/invitations/"+one+"/credentials", "")
		got := w.do(acme, "POST", "/invitations/"+one+"/new-pin", "")
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, 2.0, got.at("pin_generation"))
		after := w.do(acme, "POST", "/invitations/"+one+"/credentials", "")
		assert.Equal(t, before.at("url"), after.at("url"))
		assert.NotEqual(t, before.at("pin"), after.at("pin"))
	})
	t.Run("credentials are shown, as a scannable picture too", func(t *testing.T) {
		got := w.do(acme, "POST", "/invitations/"+one+"/credentials", "")
		require.Equal(t, 200, got.Status, got.Body)
		assert.Regexp(t, `^https://mdm\.example\.com/join/i/[A-Za-z0-9_-]{43}$`, got.at("url"))
		assert.Regexp(t, `^[0-9]{8}$`, got.at("pin"))
		assert.Equal(t, got.at("url"), got.at("qr_payload"))
		assert.Equal(t, 20.0, got.at("pin_tries_left"))
		picture, err := base64.StdEncoding.DecodeString(got.text("qr_png"))
		require.NoError(t, err)
		drawn, err := png.Decode(bytes.NewReader(picture))
		require.NoError(t, err)
		code, err := credentials.EncodeQR(credentials.SecretString(got.text("url")))
		require.NoError(t, err)
		assert.Equal(t, code.PNGSize(qrScale), drawn.Bounds().Dx())
	})
	t.Run("each show is one entry of the journal", func(t *testing.T) {
		_, err := w.svc.Sequence(t.Context())
		require.NoError(t, err)
		before := strings.Count(w.get(acme, "/events?page_size=500").Body, invitation.EventRevealed)
		w.do(acme, "POST", "/invitations/"+one+"/credentials", "")
		_, err = w.svc.Sequence(t.Context())
		require.NoError(t, err)
		assert.Equal(t, before+1, strings.Count(w.get(acme, "/events?page_size=500").Body, invitation.EventRevealed))
	})
	t.Run("deactivated is the end, twice is no error", func(t *testing.T) {
		for range 2 {
			got := w.do(acme, "POST", "/invitations/"+one+"/deactivate", "")
			require.Equal(t, 200, got.Status, got.Body)
			assert.Equal(t, "deactivated", got.at("state"))
			assert.Equal(t, "by_admin", got.at("reason"))
			assert.NotNil(t, got.at("ended_at"))
		}
	})
	t.Run("what a deactivated one refuses is a conflict: it is still to be seen", func(t *testing.T) {
		w.do(acme, "POST", "/invitations/"+one+"/send", "").problem(409, "illegal_transition")
		w.do(acme, "POST", "/invitations/"+one+"/new-pin", "").problem(409, "invitation_deactivated")
		w.do(acme, "POST", "/invitations/"+one+"/credentials", "").problem(409, "invitation_deactivated")
		w.do(acme, "PATCH", "/invitations/"+one, `{"email":"jan@example.com"}`).problem(409, "invitation_deactivated")
	})
	t.Run("without an address there is nothing to send to", func(t *testing.T) {
		made := w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-9"}],"deliver":"none"}`)
		w.do(acme, "POST", "/invitations/"+made.text("results.0.invitation_id")+"/send", "").problem(422, "no_address")
	})
}

func TestInvitationsAreListedNewestFirst(t *testing.T) {
	w := newWorld(t)
	assert.Equal(t, "{\"invitations\":[],\"next_page_token\":\"\"}\n", w.get(acme, "/invitations").Body)
	one, two, three := w.invite(acme, "u-1"), w.invite(acme, "u-2"), w.invite(acme, "u-1")
	ids := func(query string) (list []string) {
		for _, row := range w.get(acme, "/invitations?"+query).at("invitations").([]any) {
			list = append(list, row.(map[string]any)["id"].(string))
		}
		return list
	}
	assert.Equal(t, []string{three, two, one}, ids(""))
	assert.Equal(t, []string{three, two, one}, ids("state=&user_id=&page_size=&page_token="), "what is empty was not asked for")
	assert.Equal(t, []string{three, one}, ids("user_id=u-1"))
	assert.Equal(t, []string{one}, ids("user_id=u-1&state=deactivated"))
	assert.Equal(t, []string{three, two, one}, ids("state=sent&state=deactivated"))
	assert.Equal(t, []string{three, two, one}, ids("utm_source=mail"), "a parameter that is not known is ignored")
	assert.Empty(t, ids("user_id=g-1"))

	var walked []string
	token := ""
	for range 3 {
		page := w.get(acme, "/invitations?page_size=1&page_token="+token)
		walked = append(walked, page.text("invitations.0.id"))
		token = page.text("next_page_token")
	}
	assert.Equal(t, []string{three, two, one}, walked)
	assert.Empty(t, token)
}

func TestLongQRPayloads(t *testing.T) {
	for _, c := range []struct {
		size int
		ok   bool
	}{{0, true}, {1, true}, {2331, true}, {2332, true}, {2953, true}, {2954, false}} {
		drawn, err := qrPNG(credentials.SecretString(strings.Repeat("x", c.size)))
		assert.Equal(t, c.ok, err == nil, c.size)
		assert.Equal(t, c.ok && c.size > 0, len(drawn) > 0, c.size)
		if err != nil {
			assert.ErrorIs(t, err, credentials.ErrTooLong)
		}
	}
}
