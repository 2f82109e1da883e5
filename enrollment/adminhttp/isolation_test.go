package adminhttp

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

// Every route with an id is asked with every kind of id that another site has.
// The answer is that of an id that never was, byte for byte, and nothing at
// either site changes.
func TestAnotherSitesIdsNeverWere(t *testing.T) {
	w := newWorld(t)
	ours, ourDevice := w.enroll(acme, "u-1", "SN-SAME")
	theirs, theirDevice := w.enroll(globex, "g-1", "SN-SAME")
	waiting := w.invite(globex, "g-2")
	outside := w.do(globex, "POST", "/invitations", `{"users":[{"email":"guest@example.com"}]}`)
	foreign := map[string]string{
		"an invitation":                  theirs,
		"an invitation without a device": waiting,
		"a device":                       theirDevice.Device.ID,
		"a user of the directory":        "g-1",
		"a user outside it":              outside.text("results.0.user_id"),
		"a site":                         "globex",
	}
	err := w.store.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		messages, err := tx.Outbox().List(ctx, "globex", "", 1)
		if err != nil {
			return err
		}
		foreign["a message"] = messages[0].ID
		foreign["an event"] = messages[0].Event
		return nil
	})
	require.NoError(t, err)
	before := w.snapshot()

	routes := 0
	for _, op := range served(t, w) {
		method, template, _ := strings.Cut(op, " ")
		if !strings.Contains(template, "{id}") {
			continue
		}
		routes++
		body := ""
		if method == "PATCH" {
			body = `{"email":"evil@example.com"}`
		}
		ask := func(id string) answer {
			got := w.do(acme, method, strings.ReplaceAll(template, "{id}", id), body)
			got.Header.Del("X-Request-Id")
			return got
		}
		unknown := ask("inv_00000000000000000000000000")
		unknown.problem(404, "not_found")
		for kind, id := range foreign {
			require.NotEmpty(t, id, kind)
			got := ask(id)
			assert.Equal(t, unknown.Status, got.Status, "%s with %s of another site", op, kind)
			assert.Equal(t, unknown.Body, got.Body, "%s with %s of another site", op, kind)
			assert.Equal(t, unknown.Header, got.Header, "%s with %s of another site", op, kind)
		}
		mistaken := ours
		if strings.HasPrefix(template, "/invitations") {
			mistaken = ourDevice.Device.ID
		}
		assert.Equal(t, unknown.Body, ask(mistaken).Body, "%s with our own id of another kind", op)
	}
	assert.Equal(t, 13, routes, "the matrix shrank")
	assert.Equal(t, before, w.snapshot(), "something changed")
	assert.NotContains(t, w.log.String(), "level=ERROR")
}

// Ids also come in bodies and queries.
func TestAnotherSitesIdsInBodiesAndQueries(t *testing.T) {
	w := newWorld(t)
	_, device := w.enroll(globex, "g-1", "SN-ONE")
	w.invite(globex, "g-2")
	_, err := w.svc.Sequence(t.Context())
	require.NoError(t, err)
	before := w.snapshot()

	t.Run("a device to renew", func(t *testing.T) {
		got := w.do(acme, "POST", "/devices/renew", `{"ids":["`+device.Device.ID+`"]}`)
		unknown := w.do(acme, "POST", "/devices/renew", `{"ids":["dev_unknown"]}`)
		assert.Equal(t, unknown.Status, got.Status)
		assert.Equal(t, unknown.Body, strings.ReplaceAll(got.Body, device.Device.ID, "dev_unknown"))
	})
	t.Run("a user to invite", func(t *testing.T) {
		got := w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"g-1"}]}`)
		unknown := w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"nobody"}]}`)
		assert.Equal(t, unknown.Body, strings.ReplaceAll(got.Body, "g-1", "nobody"))
		assert.Equal(t, "not_found", got.at("results.0.error"))
	})
	t.Run("a user to list", func(t *testing.T) {
		assert.Equal(t, w.get(acme, "/invitations?user_id=nobody").Body, w.get(acme, "/invitations?user_id=g-1").Body)
	})
	t.Run("a search", func(t *testing.T) {
		for _, q := range []string{"sn-one", "globex", "user1@globex.example.com", device.Device.ID} {
			assert.Equal(t, []any{}, w.get(acme, "/slots?q="+q).at("slots"), q)
		}
	})
	t.Run("a message", func(t *testing.T) {
		for _, kind := range []string{"globex", device.Device.ID, "invitation.globex"} {
			got := w.do(acme, "GET", "/messages/"+kind+"/en", "")
			assert.Equal(t, w.do(acme, "GET", "/messages/unknown/en", "").Body, got.Body)
		}
	})
	t.Run("the journal and the counts", func(t *testing.T) {
		assert.Equal(t, "{\"events\":[],\"after\":0}\n", w.get(acme, "/events?after=0").Body)
		assert.Equal(t, map[string]any{}, w.get(acme, "/slots").at("counts"))
	})
	t.Run("an identity in a body, a query or a header is not looked at", func(t *testing.T) {
		w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"g-1"}],"site":"globex"}`).problem(400, "bad_json")
		w.do(acme, "POST", "/passcode/reveal?site=globex", `{"site":"globex"}`).problem(400, "bad_json")
		w.do(acme, "POST", "/passcode/reveal?site=globex", "", "X-Site: globex").problem(404, "not_found")
		got := w.do(acme, "GET", "/invitations?site=globex&site_id=globex&tenant=globex", "", "X-Site: globex", "X-Tenant-Id: globex")
		assert.Equal(t, []any{}, got.at("invitations"))
	})
	assert.Equal(t, before, w.snapshot(), "something changed")
}

// The routes without an id are about the actor's site: whatever one site does on
// them, the other's answers stay as they are.
func TestAnotherSitesPasscodeAndMessagesStay(t *testing.T) {
	w := newWorld(t)
	const edit = `{"subject":"Of globex","text":"T","html":"H"}`
	theirs := w.do(globex, "POST", "/passcode/generate", "").text("passcode")
	require.Equal(t, 200, w.do(globex, "PUT", "/messages/invitation/en", edit).Status)
	reads := []string{"/passcode", "/messages", "/messages/invitation/en", "/messages/alert/cs"}
	read := func(who string) (all string) {
		for _, path := range reads {
			text := w.get(who, path).Body
			all += regexp.MustCompile(`"as_of":"[^"]*"`).ReplaceAllString(text, "")
		}
		return all
	}
	before := read(globex)

	fresh := newWorld(t)
	assert.Equal(t, w.get(acme, "/messages").Body, fresh.get(acme, "/messages").Body, "nothing of globex is here")
	assert.Equal(t, "none", w.get(acme, "/passcode").at("status"))
	w.do(acme, "POST", "/passcode/reveal", "").problem(404, "not_found")
	assert.NotContains(t, read(acme), "globex")

	ours := w.do(acme, "POST", "/passcode/generate", "").text("passcode")
	assert.NotEqual(t, theirs, ours)
	for _, step := range tour {
		method, path, _ := strings.Cut(step.op, " ")
		if !strings.HasPrefix(path, "/passcode") && !strings.HasPrefix(path, "/messages") {
			continue
		}
		got := w.do(acme, method, step.path, step.body)
		assert.Equal(t, step.status, got.Status, step.op)
		assert.NotContains(t, got.Body, theirs, step.op)
		assert.Equal(t, before, read(globex), step.op)
	}
	assert.Equal(t, theirs, w.do(globex, "POST", "/passcode/reveal", "").text("passcode"))
}

// The same actor id at two sites is two actors.
func TestAnActorIsOfOneSite(t *testing.T) {
	w := newWorld(t)
	ours, theirs := w.invite("acme/root", "u-1"), w.invite("globex/root", "g-1")
	w.do("acme/root", "GET", "/invitations/"+theirs, "").problem(404, "not_found")
	w.do("globex/root", "GET", "/invitations/"+ours, "").problem(404, "not_found")
	w.do("unknown/root", "GET", "/invitations/"+ours, "").problem(404, "not_found")
}
