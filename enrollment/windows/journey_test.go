package windows_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// Thirty people at once, each with a login of his own, and in whatever order the
// messages of a person may come.
func TestThirtyOfThirtyComputersEnroll(t *testing.T) {
	w := newWorld(t)
	type person struct{ username, password string }
	people := make([]person, 30)
	for i := range people {
		people[i].username, people[i].password = w.login(fmt.Sprint("user", i))
	}
	var group sync.WaitGroup
	for i, p := range people {
		c := w.computer(i)
		first, second := c.request(p.username, p.password), c.request(p.username, p.password)
		group.Go(func() {
			if i%3 > 0 { // some skip it
				w.post("/policy", envelope(getPolicies, security(p.username, p.password), policiesBody))
			}
			answer := w.post("/enrollment", first).Body.String()
			if i%5 == 0 { // the answer is lost
				answer = w.post("/enrollment", second).Body.String()
			}
			c.keep(answer)
			if i%7 == 0 { // the first session breaks off
				c.manage(c.sync(1, begins))
			}
			c.session()
		})
	}
	group.Wait()
	list := w.devices()
	require.Len(t, list, 30)
	for _, d := range list {
		assert.Equal(t, device.Active, d.State)
		assert.NotEmpty(t, d.Inventory)
	}
	assert.Empty(t, w.reasons())
}

// Checking a login uses nothing up, however often and whatever else is wrong.
func TestThePoliciesAreForWhoeverProvesALogin(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)
	for range 10 {
		answer := c.policies(username, password)
		assert.Contains(t, answer, "<validityPeriodSeconds>31536000</validityPeriodSeconds><renewalPeriodSeconds>15552000</renewalPeriodSeconds>")
		assert.Contains(t, answer, "<attributes><commonName>ExampleMDM</commonName><policySchema>3</policySchema>")
		assert.Contains(t, answer, "<value>2.16.840.1.101.3.4.2.1</value><group>4</group>")
	}
	assert.Equal(t, "s:Authentication", w.refused(c.policies(username, "AAAA-AAAA-AAAA-AAAA")))
	assert.Equal(t, "a:InvalidSecurity", w.refused(w.soap("/policy", envelope(getPolicies, "", policiesBody))))
	assert.Equal(t, "s:Authorization InvalidEnrollmentData", w.refused(w.soap("/policy", envelope(getPolicies, security(username, password), "<x/>"))))
	assert.ElementsMatch(t, []string{
		"windows/policy: credential_refused", "windows/policy: security_malformed", "windows/policy: policies_malformed",
	}, w.reasons())
	c.enroll(username, password)
}

// What a wrong name and a wrong password are told is the same but for what names
// the message.
func TestARefusalTellsNothingOfWhoIsKnown(t *testing.T) {
	w := newWorld(t)
	username, _ := w.login("ann")
	w.invite("bob")
	c := w.computer(1)
	want := c.policies("abcdefghjk", "AAAA-AAAA-AAAA-AAAA")
	assert.Equal(t, want, c.policies(username, "AAAA-AAAA-AAAA-AAAA"))
	assert.Equal(t, want, c.policies("bob@example.com", "AAAA-AAAA-AAAA-AAAA"))
	assert.Equal(t, want, c.policies("nobody@example.org", "AAAA-AAAA-AAAA-AAAA"))
}

func TestTheInvitationShowsHowFarItsComputerCame(t *testing.T) {
	w := newWorld(t)
	id, _, next := w.invite("ann")
	c := w.computer(1).enroll(next.Username, next.Password.Reveal())
	c.session()
	seen := map[invitation.Evidence]bool{}
	require.NoError(t, w.store.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		list, err := tx.Sightings().List(ctx, "acme", id)
		for _, s := range list {
			seen[s.Evidence] = true
		}
		return err
	}))
	for _, e := range []invitation.Evidence{invitation.AcceptedByPerson, invitation.FirstContact, invitation.CertificateIssued} {
		assert.True(t, seen[e], e)
	}
	assert.Equal(t, id, w.authority.asked[0].Invitation)
	assert.True(t, strings.HasPrefix(w.device().EnrollmentID, "windows/"))
}
