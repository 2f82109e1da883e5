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
	// NextStep says what a person does after accepting. It is asked when somebody
	// acted, and may make what that person needs.
	NextStep(ctx context.Context, o Offer) (NextStep, error)
	// QR returns the content of the QR code, or a zero Secret for the
	// deployment URL. It is asked for whoever looks, mail scanners too, and for
	// every mail: it makes nothing and changes nothing.
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
	Again      bool               // all places are taken, and AcceptRequest.Again goes on
	URL        credentials.Secret // the deployment URL
	Token      credentials.Secret
	Platform   device.Platform
	Ownership  device.Ownership
	Mode       device.Mode

	// Username is that of the one-time login that the offer is of. Empty: it is of
	// Invitation, whose Email a person signs in with.
	Username string

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
	// Scan is what a new device scans, of a Platform that makes it for this step
	// alone: it is shown with the step, since no address leads to it. Zero: what
	// the Platform's QR says.
	Scan credentials.Secret
	// OpenURL opens the agent once it is installed; it may carry the token.
	OpenURL credentials.Secret
	// Username and Password are what a person types into the system's own screens,
	// where Action is [device.SignIn]. The Service fills them in after the Platform:
	// of an invitation its address and a password for one device, see
	// [Service.UseLogin]; after a one-time login its user name alone, since the
	// password is in the mail. Without an address there is neither, and no password
	// while the invitation's budget of wrong passwords is spent.
	Username string
	Password credentials.Secret
	// Server is what is typed where the system asks for a server; where a Platform
	// leaves it empty, scheme and host of Site.PublicURL.
	Server string
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
