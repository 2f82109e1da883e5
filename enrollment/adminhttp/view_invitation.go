package adminhttp

import (
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// invitationView is one invitation.
type invitationView struct {
	ID       string     `json:"id"`
	State    string     `json:"state"`
	Reason   string     `json:"reason"` // why it is deactivated
	User     userView   `json:"user"`
	Email    string     `json:"email"` // where its mail goes; PATCH edits it
	Delivery string     `json:"delivery"`
	Mailed   *time.Time `json:"delivery_at"`

	Mode       string     `json:"mode"`
	Ownership  string     `json:"ownership"` // fixed; "": the user chooses
	ExpiresAt  *time.Time `json:"expires_at"`
	MaxDevices int        `json:"max_devices"`

	Devices       int `json:"devices"` // different ones that enrolled by it
	LiveDevices   int `json:"live_devices"`
	PINTriesLeft  int `json:"pin_tries_left"`
	PINGeneration int `json:"pin_generation"`

	AcceptedAt        *time.Time `json:"accepted_at"`
	AcceptedOwnership string     `json:"accepted_ownership"`
	AcceptedPlatform  string     `json:"accepted_platform"`

	FetchedAt *time.Time     `json:"fetched_at"` // the latest fetch of its page, by whomever
	Sightings []sightingView `json:"sightings"`
	Progress  progressView   `json:"progress"`

	CreatedAt *time.Time `json:"created_at"`
	SentAt    *time.Time `json:"sent_at"`
	OpenedAt  *time.Time `json:"opened_at"`
	EndedAt   *time.Time `json:"ended_at"`
	AsOf      *time.Time `json:"as_of"`
}

// sightingView is how often and when a step was seen. It is no state.
type sightingView struct {
	Evidence string     `json:"evidence"`
	Count    int64      `json:"count"`
	First    *time.Time `json:"first"`
	Last     *time.Time `json:"last"`
}

// progressView is how far somebody came by an invitation, and what brings it on.
type progressView struct {
	Reached  string     `json:"reached"`
	At       *time.Time `json:"at"`
	WaitsFor string     `json:"waits_for"`
	Hint     string     `json:"hint"`
}

func showInvitation(d enrollment.InvitationDetail) invitationView {
	name := d.Name
	if name == "" {
		name = d.User.Name
	}
	return invitationView{
		ID: d.ID, State: string(d.State), Reason: string(d.Reason),
		User:  userView{ID: d.Invitation.User, Email: d.Email, Name: name},
		Email: d.Email, Delivery: string(d.Delivery), Mailed: stamp(d.DeliveryAt),
		Mode: d.Mode, Ownership: d.Ownership, ExpiresAt: stamp(d.ExpiresAt), MaxDevices: d.MaxDevices,
		Devices: d.Enrolled, LiveDevices: d.Live,
		PINTriesLeft: d.PINTriesLeft, PINGeneration: d.PINGeneration,
		AcceptedAt: stamp(d.AcceptedAt), AcceptedOwnership: d.AcceptedOwnership, AcceptedPlatform: d.AcceptedPlatform,
		FetchedAt: stamp(fetchedAt(d.Sightings)), Sightings: each(d.Sightings, showSighting),
		Progress:  progressView{d.Progress.Reached, stamp(d.Progress.At), string(d.Progress.Waits), string(d.Progress.Hint)},
		CreatedAt: stamp(d.CreatedAt), SentAt: stamp(d.SentAt), OpenedAt: stamp(d.OpenedAt), EndedAt: stamp(d.EndedAt),
		AsOf: stamp(d.AsOf),
	}
}

func showSighting(s invitation.Sighting) sightingView {
	return sightingView{Evidence: string(s.Evidence), Count: s.Count, First: stamp(s.First), Last: stamp(s.Last)}
}

// fetchedAt is when an invitation's page was fetched last.
func fetchedAt(seen []invitation.Sighting) (last time.Time) {
	for _, s := range seen {
		if s.Evidence == invitation.Fetched && s.Last.After(last) {
			last = s.Last
		}
	}
	return last
}
