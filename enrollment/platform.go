package enrollment

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Platform turns an invitation into what one platform accepts, and that
// platform's messages into observations. Embedders bring their own for a
// platform that enrollkit does not know. A Platform that speaks HTTP also has
// the method that enrollhttp.Mounter asks for.
type Platform interface {
	// Name is one path segment of lower-case letters, digits and dashes.
	Name() string
	// Serves lists the device platforms it answers for.
	Serves() []device.Platform
	// NextStep says what a person does after accepting.
	NextStep(ctx context.Context, o Offer) (NextStep, error)
	// QR returns the content of the QR code, or a zero Secret for the
	// deployment URL.
	QR(ctx context.Context, o Offer) (credentials.Secret, error)
}

// ModeChecker is a Platform that knows where a mode does not work.
type ModeChecker interface {
	// CheckMode answers an error if a device that says this of itself cannot be
	// managed in mode m. It is asked in a unit of work and waits for nothing.
	CheckMode(m device.Mode, c Claim) error
}

// Offer is one invitation in the hands of the person it was made to.
type Offer struct {
	Site       Site
	Invitation invitation.Invitation
	URL        credentials.Secret // the deployment URL
	Token      credentials.Secret
	Platform   device.Platform
	Ownership  device.Ownership
	Mode       device.Mode

	// Grant stands for the token where there is none, after a one-time login: a
	// grant for the use [LoginGrantUse] of the platform, good for an hour, for a
	// link to the platform's own pages. Zero: there is a token.
	Grant credentials.Secret
}

// LoginGrantUse is the use of the grant in an [Offer] to a platform of that name.
func LoginGrantUse(platform string) string { return platform + "/login" }

// loginGrantLife is how long the page after a login leads on.
const loginGrantLife = time.Hour

// NextStep is what a person does to go on, for a page to put into words.
type NextStep struct {
	Platform device.Platform
	Mode     device.Mode
	Action   device.Action
	// URL is where to go: a store, a profile, a deep link. Empty where the
	// person goes on by the device's own screens.
	URL string
	// Typed is what a person types on a new device in the place of an account, to
	// bring the agent; empty: there is a code to scan.
	Typed string
	// OpenURL opens the agent once it is installed; it may carry the token.
	OpenURL credentials.Secret
	// Agent is the program to look for.
	Agent Agent
}

// platformFor returns the first Platform that serves p, or nil.
func (s *Service) platformFor(p device.Platform) Platform {
	for _, candidate := range s.cfg.Platforms {
		for _, served := range candidate.Serves() {
			if served == p {
				return candidate
			}
		}
	}
	return nil
}
