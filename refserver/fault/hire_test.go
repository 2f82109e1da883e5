//go:build fault

package fault

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clientWithoutReuse makes a connection for each request.
func clientWithoutReuse() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
}

// hireNodes makes what the hands share over nodes of the suite's own, whose sites
// and users are there by their names.
func hireNodes(t *testing.T, bases []string, seed uint64, h *history) *crew {
	t.Helper()
	c := &crew{history: h}
	for n := range officeCount {
		id := fmt.Sprintf("office-%d", n)
		o := &office{id: id, token: "fault-" + id, told: true, shared: map[string]map[string]string{}, generation: 1}
		for k := range 2 {
			o.shared[fmt.Sprintf("shared%d.%s", k, id)] = map[string]string{}
		}
		o.targetEmail = "target." + id + "@fault.example"
		boss := &hand{base: bases[0], http: client(), office: o}
		a, err := boss.send(boss.admin("POST", "/invitations", object{"users": []object{{"user_id": "target." + id}}, "deliver": "none"}))
		require.NoError(t, err)
		require.Equal(t, 201, a.status, "%s", a.body)
		var invited struct{ Results []result }
		require.NoError(t, a.decode(&invited))
		o.target = invited.Results[0].Invitation
		require.NotEmpty(t, o.target, "%s", a.body)
		c.offices = append(c.offices, o)
	}
	for n := range handCount {
		h := &hand{
			n: n, rng: rand.New(rand.NewPCG(seed, uint64(n)+1)), base: bases[n/officeCount%len(bases)], http: client(), history: h, office: c.offices[n%officeCount],
		}
		for k := range 15 {
			name := fmt.Sprintf("person-%d-%d", n, k)
			id := name + "." + h.office.id
			h.people = append(h.people, &person{user: id, email: id + "@fault.example", name: "Person " + name})
		}
		c.hands = append(c.hands, h)
	}
	return c
}
