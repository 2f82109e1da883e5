package enrollment

import "context"

// Actor is the administrator who acts: a parameter of every administrator's
// verb, so that a tenant cannot be forgotten. What the verb reaches is always
// the actor's Site and nothing else.
type Actor struct {
	Site string // required
	ID   string // required; goes to the journal
	Name string // shown where people ask who did it
}

// Permission names what a verb does, for Config.Authorize.
type Permission string

const (
	PermInvite     Permission = "invite"     // invite, send, edit the address
	PermDeactivate Permission = "deactivate" // end an invitation
	PermReveal     Permission = "reveal"     // show credentials, make a new PIN
	PermRead       Permission = "read"       // lists, details, the journal
	PermRenew      Permission = "renew"      // nudge a device's user
	PermRemove     Permission = "remove"     // tell a device to go, delete it
	PermRelease    Permission = "release"    // resolve a conflict
	PermPasscode   Permission = "passcode"   // generate, show and disable the company passcode
	PermExport     Permission = "export"     // take out all that is held of a person, or of the fleet
	PermErase      Permission = "erase"      // erase what is held of a person
	PermAdopt      Permission = "adopt"      // take in devices that another system manages
)

// authorize checks the actor and asks the embedder.
func (s *Service) authorize(ctx context.Context, by Actor, p Permission) error {
	if by.Site == "" || by.ID == "" || len(by.Site) > maxID || len(by.ID) > maxID {
		return ErrForbidden
	}
	if s.cfg.Authorize == nil {
		return nil
	}
	return s.cfg.Authorize(ctx, by, p)
}
