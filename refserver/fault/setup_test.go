package fault

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the server of a test is started with.
const (
	adminToken    = "fault-administrator-token-of-the-first-site"
	operatorToken = "fault-operator-token"
	handCount     = 8
	officeCount   = 4
)

// client is an HTTP client of one hand. Its time limit is for a server that
// hangs; no test asserts how long anything takes.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}, Timeout: 20 * time.Second}
}

// crew is everybody who works.
type crew struct {
	history *history
	offices []*office
	hands   []*hand
}

// hire makes the sites with their shared people, and the hands.
func hire(t *testing.T, base string, seed uint64, h *history) *crew {
	t.Helper()
	c := &crew{history: h}
	boss := &hand{n: -1, rng: rand.New(rand.NewPCG(seed, 0)), base: base, http: client(), history: h}
	ask := func(status int, ask call, into any) {
		t.Helper()
		a, err := boss.send(ask)
		require.NoError(t, err)
		require.Equal(t, status, a.status, "%s %s: %s", ask.method, ask.path, a.body)
		if into != nil {
			require.NoError(t, a.decode(into))
		}
	}
	var rules any
	require.NoError(t, (&answer{body: []byte(policy)}).decode(&rules))
	// The first site's policy is the host's, which paces whoever guesses here.
	boss.office = &office{token: adminToken}
	ask(200, boss.admin("PUT", "/site", rules), nil)
	for n := range officeCount {
		var site struct {
			ID    string
			Token string `json:"admin_token"`
		}
		name := fmt.Sprintf("office-%d", n)
		ask(201, call{method: "POST", path: "/api/v1/sites", token: operatorToken, body: object{"name": name, "admin_email": name + "@fault.example"}}, &site)
		o := &office{id: site.ID, token: site.Token, shared: map[string]map[string]string{}, generation: 1}
		boss.office = o
		ask(200, boss.admin("PUT", "/site", rules), nil)
		user := func(name string) string {
			var user struct{ ID string }
			ask(201, boss.admin("POST", "/users", object{"email": name + "@fault.example", "name": name, "external_id": name}), &user)
			return user.ID
		}
		for k := range 2 {
			o.shared[user(fmt.Sprintf("shared-%d-%d", n, k))] = map[string]string{}
		}
		target := fmt.Sprintf("target-%d", n)
		o.targetEmail = target + "@fault.example"
		var invited struct{ Results []result }
		ask(201, boss.admin("POST", "/invitations", object{"users": []object{{"user_id": user(target)}}, "deliver": "none"}), &invited)
		o.target = invited.Results[0].Invitation
		c.offices = append(c.offices, o)
	}
	for n := range handCount {
		c.hands = append(c.hands, &hand{
			n: n, rng: rand.New(rand.NewPCG(seed, uint64(n)+1)), base: base, http: client(), history: h, office: c.offices[n%officeCount],
		})
	}
	return c
}

// tell fails the test with what is wrong, at most so much of it.
func (c *crew) tell(t *testing.T) {
	t.Helper()
	wrong := c.history.wrong
	for _, w := range wrong[:min(len(wrong), 30)] {
		t.Error(w)
	}
	if len(wrong) > 30 {
		t.Errorf("and %d more", len(wrong)-30)
	}
}

// opNames are the acknowledged operations by name, for the report.
func (h *history) opNames() (list []string) {
	for name, n := range h.ops {
		list = append(list, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(list)
	return list
}
