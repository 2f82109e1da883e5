package enrollment

import (
	"slices"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Hint says what brings an invitation on, as a stable code for screens to put into
// words.
type Hint string

const (
	NoHint         Hint = ""
	SendInvitation Hint = "send_invitation"        // nobody was told of it yet
	CorrectAddress Hint = "correct_address"        // its mail did not arrive
	CheckMailbox   Hint = "check_mailbox"          // the user has not opened it: the inbox, or the spam folder
	AcceptOnPage   Hint = "accept_on_page"         // the page was fetched, by the user or a scanner
	FollowNextStep Hint = "follow_next_step"       // accepted, and stopped before the store, the profile or the sign-in
	OpenAgent      Hint = "install_and_open_agent" // went to the store
	InstallIt      Hint = "install_profile"        // downloaded the profile, which waits in the settings
	KeepOnline     Hint = "keep_online"            // has its certificate and has not said a word yet
	FinishOnDevice Hint = "finish_on_device"       // made contact; what is missing stands with the device
	InviteAgain    Hint = "invite_again"           // it is over
)

// Progress is how far somebody came on the way from a mail to a managed device, and
// where they got stuck.
type Progress struct {
	// Reached is the furthest that was seen of the latest try: created, sent, or
	// what the evidence is called.
	Reached string
	At      time.Time    // when
	Waits   device.Party // whoever has to act
	Hint    Hint         // and what they do
}

// ladder is the evidence in the order of the way. Whatever is above acceptance
// belongs to the try that began with it.
var ladder = []struct {
	evidence invitation.Evidence
	waits    device.Party
	hint     Hint
}{
	{invitation.Fetched, device.WaitsUser, AcceptOnPage},
	{invitation.AcceptedByPerson, device.WaitsUser, FollowNextStep},
	{invitation.StoreRedirected, device.WaitsUser, OpenAgent},
	{invitation.ProfileDownloaded, device.WaitsUser, InstallIt},
	{invitation.CertificateIssued, device.WaitsDevice, KeepOnline},
	{invitation.FirstContact, device.WaitsUser, FinishOnDevice},
	{invitation.ManagementActive, device.WaitsNobody, NoHint},
}

// progressOf reads the ladder of an invitation; since is when it came into its
// state, as far as that is known.
func progressOf(state invitation.State, delivery invitation.Delivery, since time.Time, seen []invitation.Sighting) Progress {
	p := Progress{Reached: string(state), At: since, Waits: device.WaitsUser, Hint: CheckMailbox}
	if state == invitation.Created {
		p.Waits, p.Hint = device.WaitsAdmin, SendInvitation
	}
	if delivery == invitation.Failed || delivery == invitation.Bounced {
		p.Waits, p.Hint = device.WaitsAdmin, CorrectAddress
	}
	var began time.Time
	for _, rung := range ladder {
		i := slices.IndexFunc(seen, func(s invitation.Sighting) bool { return s.Evidence == rung.evidence })
		if i < 0 || seen[i].Last.Before(began) {
			continue
		}
		if rung.evidence == invitation.AcceptedByPerson {
			began = seen[i].Last
		}
		p = Progress{Reached: string(rung.evidence), At: seen[i].Last, Waits: rung.waits, Hint: rung.hint}
	}
	if !state.Active() && p.Hint != NoHint {
		p.Waits, p.Hint = device.WaitsAdmin, InviteAgain
	}
	return p
}
