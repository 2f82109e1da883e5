package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/pgtest"
)

// startFleet starts nodes at the same time on one empty PostgreSQL database,
// with one key ring.
func startFleet(t *testing.T, n int, change ...func(*Config)) []*world {
	t.Helper()
	t.Parallel()
	dsn := pgtest.DSN(t)
	dir := t.TempDir()
	nodes := make([]*world, n)
	var starting sync.WaitGroup
	for i := range nodes {
		nodes[i] = &world{t: t, dir: dir, out: &buffer{}, log: &buffer{}}
		starting.Go(func() { nodes[i].run(append([]func(*Config){func(c *Config) { c.Database = dsn }}, change...)...) })
	}
	starting.Wait()
	require.False(t, t.Failed())
	return nodes
}

func TestNodesThatStartTogetherMakeOneSiteAndOneKeyRing(t *testing.T) {
	nodes := startFleet(t, 3)
	ids := map[string]bool{}
	for _, n := range nodes {
		var site struct{ ID string }
		n.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK).decode(t, &site)
		ids[site.ID] = true
	}
	assert.Len(t, ids, 1)
}

// another makes a second site at one node, and waits until the other node
// answers for it.
func another(t *testing.T, a, b *world) (token string) {
	t.Helper()
	var made struct {
		Token string `json:"admin_token"`
	}
	a.api(operatorToken, http.MethodPost, "/api/v1/sites", `{"name":"Other","admin_email":"root@other.example"}`, http.StatusCreated).decode(t, &made)
	b.eventually("the other node knows the site", func() bool {
		return b.send(plain, http.MethodGet, "/api/v1/site", http.Header{"Authorization": {"Bearer " + made.Token}}, "").status == http.StatusOK
	})
	return made.Token
}

func TestASiteAndItsSettingsApplyAtEveryNode(t *testing.T) {
	nodes := startFleet(t, 2)
	a, b := nodes[0], nodes[1]
	token := another(t, a, b)
	a.api(token, http.MethodPut, "/api/v1/site", `{"policy":{"pin_digits":12}}`, http.StatusOK)
	b.eventually("the other node has the settings", func() bool {
		return strings.Contains(b.api(token, http.MethodGet, "/api/v1/site", "", http.StatusOK).body, `"pin_digits":12`)
	})
}

func TestABrowserIsSignedInAtEveryNodeAndSignedOutAtEveryNode(t *testing.T) {
	nodes := startFleet(t, 2)
	a, b := nodes[0], nodes[1]
	browser := a.signIn(adminEmail, adminToken)
	cookie := browser.client.Jar.Cookies(mustParse(t, a.base))[0]
	header := http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
	assert.Equal(t, http.StatusOK, b.send(plain, http.MethodGet, "/devices", header, "").status)
	browser.post("/sign-out", nil, http.StatusSeeOther)
	assert.Equal(t, http.StatusSeeOther, b.send(plain, http.MethodGet, "/devices", header, "").status)
}

func TestARequestThatIsRepeatedAtAnotherNodeIsAnsweredAsBefore(t *testing.T) {
	nodes := startFleet(t, 2)
	send := func(node int, key, path, body string) answer {
		t.Helper()
		got := nodes[node].send(plain, http.MethodPost, path, http.Header{
			"Authorization": {"Bearer " + adminToken}, "Content-Type": {"application/json"}, "Idempotency-Key": {key},
		}, body)
		require.Equal(t, http.StatusCreated, got.status, got.body)
		return got
	}
	user := send(0, "one", "/api/v1/users", `{"email":"ann@example.com"}`)
	assert.Equal(t, user.body, send(1, "one", "/api/v1/users", `{"email":"ann@example.com"}`).body)
	var ann struct{ ID string }
	user.decode(t, &ann)
	invite := `{"users":[{"user_id":"` + ann.ID + `"}],"deliver":"none"}`
	assert.Equal(t, send(0, "two", "/api/v1/invitations", invite).body, send(1, "two", "/api/v1/invitations", invite).body)

	// At the same time, too.
	var both sync.WaitGroup
	var bodies [2]string
	for i := range nodes {
		both.Go(func() { bodies[i] = send(i, "three", "/api/v1/users", `{"email":"bob@example.com"}`).body })
	}
	both.Wait()
	assert.Equal(t, bodies[0], bodies[1])
}

func TestFailedSignInsCountTogether(t *testing.T) {
	nodes := startFleet(t, 2)
	try := func(node int, token string) int {
		return nodes[node].send(plain, http.MethodPost, "/sign-in", http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {nodes[node].base},
		}, url.Values{"email": {adminEmail}, "token": {token}}.Encode()).status
	}
	for i := range 10 {
		assert.Equal(t, http.StatusUnauthorized, try(i%2, "wrong"))
	}
	assert.Equal(t, http.StatusTooManyRequests, try(0, adminToken))
	assert.Equal(t, http.StatusTooManyRequests, try(1, adminToken))
}

func TestTheBudgetOfAPINIsOneForAllNodes(t *testing.T) {
	nodes := startFleet(t, 2)
	a, b := nodes[0], nodes[1]
	a.invite(adminToken, a.user(adminToken, "Ann Lee", "ann@example.com"))
	a.api(adminToken, http.MethodPut, "/api/v1/site", `{"policy":{"pin_budget":4,"pin_pace":0,"source_pace":0}}`, http.StatusOK)
	b.eventually("the other node has the policy", func() bool {
		return strings.Contains(b.api(adminToken, http.MethodGet, "/api/v1/site", "", http.StatusOK).body, `"pin_budget":4`)
	})
	left := func() int {
		var list struct {
			Invitations []struct {
				Left int `json:"pin_tries_left"`
			}
		}
		b.api(adminToken, http.MethodGet, "/api/v1/invitations", "", http.StatusOK).decode(t, &list)
		require.Len(t, list.Invitations, 1)
		return list.Invitations[0].Left
	}
	for i := range 3 {
		nodes[i%2].enroll(`{"type":"pin","email":"ann@example.com","pin":"99999998"}`, fmt.Sprint("x", i), "x", 401)
	}
	assert.Equal(t, 1, left())
	for i := range 3 {
		nodes[i%2].enroll(`{"type":"pin","email":"ann@example.com","pin":"99999998"}`, fmt.Sprint("y", i), "x", 401)
	}
	assert.Equal(t, 0, left())
}
