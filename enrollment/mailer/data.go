package mailer

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// Data is what templates see: these fields and nothing else. Whatever does not
// apply to a mail is empty, so "if" and "with" tell. Names are clean (see the
// package comment); times are UTC, "2026-11-21 10:04 UTC". It holds secrets and
// does not print itself.
type Data struct {
	// Every mail.
	Language string // of the templates: "en", "pt-br"
	Subject  string // the rendered subject; not in the subject itself
	Site     string // the site's name
	Support  string // whom to ask for help
	Name     string // the recipient's

	// Invitation, and renewal where there is an active invitation.
	Email   string       // the recipient's address, which goes with the PIN
	URL     string       // the deployment URL; self-service: the page that takes the login
	PIN     string       // in groups: "1234 5678"
	QR      template.URL // "cid:..." of the QR code, for the src of an img
	QRSize  int          // its width and height in pixels
	Expires string       // when the invitation, or the one-time login, ends

	// Self-service, which has Email, URL and Expires too.
	Username string // the one-time login
	Password string // in groups: "ABCD-EFGH-JKMN-PQRS"

	// Invitation.
	Mode      string // the recommended mode: "android_work_profile" ...
	Ownership string // fixed for the device: "company" or "personal"

	// Invitation (the Android agent) and renewal (the device's).
	Agent string       // the program's name in the store
	Store template.URL // where to install it
	Open  template.URL // opens it; renewal only

	// Renewal.
	Device      string // the device's name
	Platform    string // "android", "ios", "macos" or "windows"
	State       string // "pending", "unresponsive" ...
	Since       string // the latest contact
	SelfService string // the enrollment page; there are no URL, PIN and QR then

	// Alert.
	Code       string // compare only: "invitation.pin_alert", "passcode.locked", "device.conflict" ...
	Event      string // Code in words, to show: "invitation: pin alert"
	When       string
	Tries      int    // failed tries that raised it
	UserName   string // whom it is about
	UserEmail  string
	UserID     string
	Invitation string // ids
	DeviceID   string
}

// Format writes "[redacted]" whatever the verb and flags.
func (Data) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("mailer.Data{[redacted]}")) }

// newData returns what is to be said, without Language, QR and Subject, and what
// the QR code is to hold.
func newData(m enrollment.Mail) (d Data, qr credentials.Secret, err error) {
	d = Data{
		Site:    cleanName(m.Site.Name),
		Support: cleanSupport(m.Site.Support),
		Name:    cleanName(m.ToName),
	}
	var codes enrollment.Codes
	switch {
	case m.Invitation != nil:
		codes = m.Invitation.Codes
		d.invitation(m)
	case m.Renewal != nil:
		if d.SelfService, err = ownLink(m.Site.PublicURL, m.Renewal.SelfService); err != nil {
			return Data{}, credentials.Secret{}, err
		}
		if d.SelfService == "" {
			codes = m.Renewal.Codes
		}
		d.renewal(*m.Renewal)
	case m.Alert != nil:
		d.alert(*m.Alert)
		return d, credentials.Secret{}, nil
	case m.Login != nil:
		d.Email = m.To
		return d, credentials.Secret{}, d.login(m)
	}
	if d.URL, err = ownLink(m.Site.PublicURL, codes.URL.Reveal()); err != nil {
		return Data{}, credentials.Secret{}, err
	}
	d.Email = m.To
	d.PIN = credentials.GroupPIN(codes.PIN.Reveal())
	return d, codes.QR, nil
}

// login takes over a one-time login as it is: one that had to be mended would be
// refused when it is used.
func (d *Data) login(m enrollment.Mail) (err error) {
	password, err := credentials.ParseOneTimePassword(m.Login.Password.Reveal())
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	if d.Username = token(m.Login.Username); d.Username == "" {
		return fmt.Errorf("user name: %w", credentials.ErrMalformed)
	}
	d.Password = credentials.GroupOneTimePassword(password.Reveal())
	d.Expires = stamp(m.Login.ExpiresAt)
	d.URL, err = ownLink(m.Site.PublicURL, m.Login.URL)
	return err
}

func (d *Data) invitation(m enrollment.Mail) {
	i := m.Invitation
	d.Expires = stamp(i.ExpiresAt)
	if i.Mode.Platform() != "" {
		d.Mode = string(i.Mode)
	}
	if i.Ownership.Valid() {
		d.Ownership = string(i.Ownership)
	}
	agent := m.Site.Agents[device.Android]
	d.Agent, d.Store = cleanName(agent.Name), agentLink(agent.InstallURL(device.Android))
}

func (d *Data) renewal(r enrollment.RenewalMail) {
	d.Device = cleanName(r.Name)
	if r.Platform.Valid() {
		d.Platform = string(r.Platform)
	}
	if slices.Contains(device.States(), r.State) {
		d.State = string(r.State)
	}
	d.Since = stamp(r.Since)
	d.Agent, d.Store, d.Open = cleanName(r.Agent.Name), agentLink(r.Agent.InstallURL(r.Platform)), agentLink(r.Agent.OpenURL)
}

func (d *Data) alert(a enrollment.AlertMail) {
	d.Code = code(a.Code)
	d.Event = strings.NewReplacer(".", ": ", "_", " ").Replace(d.Code)
	d.When = stamp(a.Event.At)
	d.Tries = max(a.Tries, 0)
	d.UserName = cleanName(a.User.Name)
	if isAddress(a.User.Email) {
		d.UserEmail = a.User.Email
	}
	d.UserID = cleanName(a.User.ID)
	d.Invitation = token(a.Event.Invitation)
	d.DeviceID = token(a.Event.Device)
}

// code returns s if it is a stable code ("device.conflict"), and "".
func code(s string) string {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' && c != '.' {
			return ""
		}
	}
	return cut(s, maxName)
}

// stamp writes a time in a way that is read alike everywhere.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
