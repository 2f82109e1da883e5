package console

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func TestEveryCodeOfTheSDKHasWords(t *testing.T) {
	for _, s := range slotStates() {
		assert.Contains(t, states, s)
	}
	for _, s := range invitation.States() {
		assert.Contains(t, states, string(s))
	}
	for _, p := range device.Platforms() {
		assert.Contains(t, platforms, string(p))
	}
	for _, m := range device.Modes("") {
		assert.Contains(t, modes, string(m))
		assert.NotEmpty(t, begun(m), m)
	}
	for _, f := range device.AllFacts() {
		assert.Contains(t, facts, string(f))
	}
	for _, h := range []enrollment.Hint{
		enrollment.SendInvitation, enrollment.CorrectAddress, enrollment.CheckMailbox, enrollment.AcceptOnPage, enrollment.FollowNextStep,
		enrollment.OpenAgent, enrollment.InstallIt, enrollment.KeepOnline, enrollment.FinishOnDevice, enrollment.InviteAgain,
	} {
		assert.Contains(t, hints, string(h))
	}
	assert.Equal(t, "created only, with the device in hand", begun(device.AndroidFullyManaged))
	for _, e := range []string{device.EventAdopted, enrollment.EventUserErased, enrollment.EventUserExported} {
		assert.Contains(t, events, e)
	}
	for _, r := range []invitation.Reason{invitation.ByAdmin, invitation.Superseded, invitation.Expired, invitation.Exhausted, invitation.UserErased} {
		assert.Contains(t, reasons, string(r))
	}
	assert.Equal(t, "Something new", word(states, "something_new"), "what is not known yet is shown as it is")
	assert.Equal(t, "Renewed", word(events, device.EventRenewed))
}

func TestWhatWasDoneIsSaidInOurWordsAlone(t *testing.T) {
	assert.Equal(t, "Invitations made: 12.", sentence("invited.12"))
	assert.Equal(t, "Invitations made: .", sentence("invited.<b>"))
	assert.Empty(t, sentence("you have won"))
}

func TestAgo(t *testing.T) {
	now := time.Unix(100000, 0)
	for want, then := range map[string]time.Time{
		"never": {}, "now": now, "1 second ago": now.Add(-time.Second), "59 seconds ago": now.Add(-59 * time.Second),
		"2 hours ago": now.Add(-150 * time.Minute), "1 day ago": now.Add(-36 * time.Hour), "in 3 days": now.Add(72 * time.Hour),
	} {
		assert.Equal(t, want, ago(now, then))
	}
}

func TestALinkChangesOneParameterAndStartsFromTheFirstPage(t *testing.T) {
	l := list{"/devices", url.Values{"state": {"active"}, "q": {"a b"}, "page": {"xyz"}}}
	assert.Equal(t, "/devices?q=a+b&state=pending", l.With("state", "pending"))
	assert.Equal(t, "/devices?q=a+b", l.With("state", ""))
	assert.Equal(t, "/devices?page=next&q=a+b&state=active", l.With("page", "next"))
}
