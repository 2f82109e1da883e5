package invitation_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/invitation"
)

var update = flag.Bool("update", false, "rewrite the diagrams in docs/states.md")

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const no = invitation.State("") // the step is refused

// The whole machine, blanks included.
func TestEveryStepFromEveryState(t *testing.T) {
	table := map[invitation.State][]invitation.State{
		//                       send                    open                    deactivate
		invitation.Created:     {invitation.Sent, invitation.Opened, invitation.Deactivated},
		invitation.Sent:        {invitation.Sent, invitation.Opened, invitation.Deactivated},
		invitation.Opened:      {invitation.Opened, invitation.Opened, invitation.Deactivated},
		invitation.Deactivated: {no, no, invitation.Deactivated},
	}
	require.Len(t, table, len(invitation.States()))
	for from, row := range table {
		require.Len(t, row, len(invitation.Steps()))
		for i, step := range invitation.Steps() {
			got, err := invitation.Next(from, step)
			if row[i] == no {
				assert.ErrorIs(t, err, invitation.ErrIllegalTransition, "%s %s", from, step)
				assert.Equal(t, from, got)
				continue
			}
			assert.NoError(t, err)
			assert.Equal(t, row[i], got, "%s %s", from, step)
		}
	}
}

func TestTheDiagramInTheDocsIsTheMachine(t *testing.T) {
	compareDiagram(t, "../docs/states.md", "invitation", invitation.Diagram(), *update)
}

func TestSendingAgainKeepsAnOpenedInvitationOpened(t *testing.T) {
	inv := invitation.Invitation{State: invitation.Opened}
	inv, changed, err := inv.Send(now)
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, invitation.Opened, inv.State)
	assert.Equal(t, now, inv.SentAt)
	assert.Equal(t, invitation.Queued, inv.Delivery)
}

func TestADeactivatedInvitationIsNeitherSentNorOpened(t *testing.T) {
	inv, changed := invitation.Invitation{State: invitation.Sent}.Deactivate(invitation.Superseded, now)
	require.True(t, changed)
	for name, act := range map[string]func() error{
		"send": func() error { _, _, err := inv.Send(now); return err },
		"open": func() error { _, _, err := inv.Open(now); return err },
	} {
		err := act()
		var refused *invitation.TransitionError
		require.ErrorAs(t, err, &refused, name)
		assert.Equal(t, invitation.Deactivated, refused.From)
	}
}

func TestDeactivatingTwiceKeepsTheFirstReason(t *testing.T) {
	first, _ := invitation.Invitation{State: invitation.Sent}.Deactivate(invitation.Superseded, now)
	second, changed := first.Deactivate(invitation.ByAdmin, now.Add(time.Hour))
	assert.False(t, changed)
	assert.Equal(t, first, second)
	assert.Equal(t, invitation.Superseded, second.Reason)
	assert.Equal(t, now, second.EndedAt)
}

func TestAnExhaustedInvitationCanStillBeRevoked(t *testing.T) {
	full, _ := invitation.Invitation{State: invitation.Opened}.Deactivate(invitation.Exhausted, now)
	same, changed := full.Deactivate(invitation.Exhausted, now.Add(time.Hour))
	assert.False(t, changed)
	assert.Equal(t, full, same)
	revoked, changed := full.Deactivate(invitation.ByAdmin, now.Add(time.Hour))
	assert.True(t, changed)
	assert.ErrorIs(t, revoked.Usable(now, true), invitation.ErrDeactivated)
}

func TestWhoMayEnroll(t *testing.T) {
	type inv = invitation.Invitation
	const ns = time.Nanosecond
	for name, c := range map[string]struct {
		inv   inv
		known bool
		want  error
	}{
		"created":                          {inv{State: invitation.Created}, false, nil},
		"sent":                             {inv{State: invitation.Sent}, false, nil},
		"opened":                           {inv{State: invitation.Opened}, false, nil},
		"deactivated":                      {inv{State: invitation.Deactivated, Reason: invitation.ByAdmin}, false, invitation.ErrDeactivated},
		"deactivated, known hardware":      {inv{State: invitation.Deactivated, Reason: invitation.Superseded}, true, invitation.ErrDeactivated},
		"a nanosecond before its end":      {inv{State: invitation.Sent, ExpiresAt: now.Add(ns)}, false, nil},
		"at its end":                       {inv{State: invitation.Sent, ExpiresAt: now}, false, invitation.ErrExpired},
		"a nanosecond after its end":       {inv{State: invitation.Sent, ExpiresAt: now.Add(-ns)}, false, invitation.ErrExpired},
		"expired, swept":                   {inv{State: invitation.Deactivated, Reason: invitation.Expired}, false, invitation.ErrExpired},
		"exhausted":                        {inv{State: invitation.Deactivated, Reason: invitation.Exhausted}, false, invitation.ErrExhausted},
		"exhausted, known hardware":        {inv{State: invitation.Deactivated, Reason: invitation.Exhausted}, true, nil},
		"exhausted and past its end":       {inv{State: invitation.Deactivated, Reason: invitation.Exhausted, ExpiresAt: now}, true, invitation.ErrExpired},
		"superseded, known hardware":       {inv{State: invitation.Deactivated, Reason: invitation.Superseded}, true, invitation.ErrDeactivated},
		"room for the last device":         {inv{State: invitation.Opened, MaxDevices: 2, Enrolled: 1}, false, nil},
		"no room":                          {inv{State: invitation.Opened, MaxDevices: 2, Enrolled: 2}, false, invitation.ErrExhausted},
		"no room, but the device is known": {inv{State: invitation.Opened, MaxDevices: 2, Enrolled: 2}, true, nil},
		"any number":                       {inv{State: invitation.Opened, Enrolled: 5000}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorIs(t, c.inv.Usable(now, c.known), c.want)
		})
	}
}

func TestDeliveryStandsBesideTheState(t *testing.T) {
	inv := invitation.Invitation{State: invitation.Created}
	_, changed := inv.Delivered(invitation.Accepted, now)
	assert.False(t, changed, "what was never sent has no fate")

	inv, _, err := inv.Send(now)
	require.NoError(t, err)
	inv, changed = inv.Delivered(invitation.Bounced, now)
	assert.True(t, changed)
	assert.Equal(t, invitation.Sent, inv.State)
	_, changed = inv.Delivered(invitation.Accepted, now)
	assert.False(t, changed, "a bounce is final until the next sending")
	inv, _, _ = inv.Send(now)
	assert.Equal(t, invitation.Queued, inv.Delivery)
}

// compareDiagram compares the Mermaid block under a heading with want.
func compareDiagram(t *testing.T, file, heading, want string, update bool) {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(raw), "## "+heading+"\n\n```mermaid\n")
	require.True(t, ok, "%s has no section %q", file, heading)
	got, after, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	if update {
		text := before + "## " + heading + "\n\n```mermaid\n" + want + "```\n" + after
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	assert.Equal(t, want, got, "run make golden")
}
