package adminhttp

import (
	"net/http"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// inviteRequest is what POST /invitations takes.
type inviteRequest struct {
	Users      []inviteUser `json:"users"`
	Deliver    string       `json:"deliver"`   // send, the default, or none
	IfActive   string       `json:"if_active"` // replace, the default, keep or refuse
	Mode       string       `json:"mode"`
	Ownership  string       `json:"ownership"`
	ExpiresAt  *string      `json:"expires_at"`
	MaxDevices int          `json:"max_devices"`
	DryRun     bool         `json:"dry_run"`
}

// inviteUser is a user of the directory, by user_id, or anybody, by email.
type inviteUser struct {
	User  string `json:"user_id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// requests returns one request for each person.
func (b inviteRequest) requests(wrong *wrong) []enrollment.InviteRequest {
	common := enrollment.InviteRequest{
		IfActive: enrollment.IfActive(b.IfActive), Mode: device.Mode(b.Mode),
		Ownership: device.Ownership(b.Ownership), MaxDevices: b.MaxDevices,
	}
	switch b.Deliver {
	case "", "send":
		common.Send = true
	case "none":
	default:
		wrong.add("deliver", "unknown")
	}
	if b.ExpiresAt != nil {
		// Databases keep microseconds, and a repeated request has to be the same.
		at, err := time.Parse(time.RFC3339, *b.ExpiresAt)
		at = at.UTC().Truncate(time.Microsecond)
		switch {
		case err != nil:
			wrong.add("expires_at", "malformed")
		case at.IsZero(): // which would mean never
			wrong.add("expires_at", "past")
		}
		common.ExpiresAt = at
	}
	list := make([]enrollment.InviteRequest, len(b.Users))
	for i, u := range b.Users {
		if _, err := credentials.CanonicalEmail(u.Email); err != nil && u.Email != "" {
			wrong.add(element("users", i)+".email", "malformed")
		}
		list[i] = common
		list[i].User, list[i].Email, list[i].Name = u.User, u.Email, u.Name
	}
	return list
}

// invitedView is what POST /invitations answers.
type invitedView struct {
	Results []inviteResultView `json:"results"` // in the order of users
	Counts  inviteCountsView   `json:"counts"`
}

type inviteResultView struct {
	User       string `json:"user_id"`
	Email      string `json:"email"`
	Invitation string `json:"invitation_id"`
	State      string `json:"state"`
	Replaced   string `json:"replaced"` // the invitation that this one superseded
	Kept       bool   `json:"kept"`     // the invitation was there before
	Error      string `json:"error"`    // a stable code; "": the person is invited
}

type inviteCountsView struct {
	Created  int `json:"created"`
	Replaced int `json:"replaced"`
	Kept     int `json:"kept"`
	Refused  int `json:"refused"`
}

func showInvited(results []enrollment.InviteResult) invitedView {
	n := enrollment.CountInvites(results)
	return invitedView{
		Results: each(results, func(r enrollment.InviteResult) inviteResultView {
			return inviteResultView{
				User: r.User, Email: r.Email, Invitation: r.Invitation, State: string(r.State),
				Replaced: r.Replaced, Kept: r.Kept, Error: enrollment.Code(r.Err),
			}
		}),
		Counts: inviteCountsView{Created: n.Created, Replaced: n.Replaced, Kept: n.Kept, Refused: n.Refused},
	}
}

func (a *api) invite(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	var body inviteRequest
	if err := httpkit.DecodeJSON(w, r, inviteBody, &body); err != nil {
		return err
	}
	var wrong wrong
	key := idempotencyKey(r, &wrong)
	invites := body.requests(&wrong)
	if err := wrong.err(); err != nil {
		return err
	}
	results, err := a.svc.InviteMany(r.Context(), by, enrollment.InviteManyRequest{Invites: invites, DryRun: body.DryRun, Key: key})
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if body.DryRun {
		status = http.StatusOK
	}
	return reply(w, status, showInvited(results))
}
