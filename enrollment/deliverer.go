package enrollment

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// Deliverer takes mail from the outbox. It must be safe for concurrent use.
// A nil error means that the mail is accepted and will not be given again; an
// error wrapping [ErrUndeliverable] that no further try makes sense; every
// other error that it is given again later, with the same ID.
type Deliverer interface {
	Deliver(ctx context.Context, m Mail) error
}

// ErrUndeliverable marks a delivery that is final: the address is refused.
var ErrUndeliverable = errors.New("enrollment: undeliverable")

// Mail is one mail, rendered from what is true when it is delivered. Exactly
// one of Invitation, Renewal, Alert and Login is set.
type Mail struct {
	ID       string // the same on every try; a Message-ID can be made of it
	Kind     MessageKind
	Site     Site
	To       string // the stored address, byte for byte
	ToName   string
	Language string
	At       time.Time

	Invitation *InvitationMail
	Renewal    *RenewalMail
	Alert      *AlertMail
	Login      *LoginMail
}

// Codes are the credentials that a mail carries. Any of them may be zero.
type Codes struct {
	URL credentials.Secret // the deployment URL
	PIN credentials.Secret // digits without spaces; zero once it is burnt
	QR  credentials.Secret // what the QR code says
}

// InvitationMail invites a person.
type InvitationMail struct {
	ID        string
	Codes     Codes
	Mode      device.Mode
	Ownership device.Ownership
	ExpiresAt time.Time // zero: it does not expire
}

// RenewalMail tells a person that a device does not communicate.
type RenewalMail struct {
	Device   string
	Name     string // the device's; empty while unknown
	Platform device.Platform
	Since    time.Time // the latest contact
	State    device.State
	Agent    Agent
	Codes    Codes // QR and PIN for Android alone; all zero without an active invitation
	// SelfService is the enrollment page, for a device that came in by
	// self-service; empty for others.
	SelfService string
}

// LoginMail carries the one-time login that a person asked for.
type LoginMail struct {
	Username  string
	Password  credentials.Secret // credentials.GroupOneTimePassword makes it readable
	URL       string             // "Enroll now": the page that takes the login
	ExpiresAt time.Time
}

// AlertMail warns an administrator.
type AlertMail struct {
	Code  string // the event's type
	Event Event
	// User is the person it is about, if any.
	User User
	// Tries is the number of failed tries that raised it.
	Tries int
}
