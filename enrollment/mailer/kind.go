package mailer

import (
	"slices"

	"example.com/enrollkit/enrollment"
)

// Kind is a kind of mail, as template files and the wire name it.
type Kind string

const (
	KindInvitation  Kind = "invitation"
	KindRenewal     Kind = "renewal"
	KindAlert       Kind = "alert"
	KindSelfService Kind = "self_service" // the one-time login that a person asked for
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{KindInvitation, KindRenewal, KindAlert, KindSelfService} }

// Valid reports whether k is one of [Kinds].
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// kindOf returns the kind of a message, or "" if it is no mail.
func kindOf(k enrollment.MessageKind) Kind {
	switch k {
	case enrollment.MessageInvitation:
		return KindInvitation
	case enrollment.MessageRenewal:
		return KindRenewal
	case enrollment.MessageAlert:
		return KindAlert
	case enrollment.MessageLogin:
		return KindSelfService
	}
	return ""
}

// Variable is a field of [Data] that a [Template] may use.
type Variable struct {
	Name string // as in {{.Name}}
	Says string // what it is, in a sentence
	// Secret variables may not stand in a subject, and neither may links.
	Secret bool
	// Link variables are what may stand in the href of a link, alone.
	Link bool
}

// Variables returns what a [Template] of a kind may use, in the order in which an
// editor should list it; nil for an unknown kind. Whatever does not apply to a
// mail is empty.
func Variables(kind Kind) []Variable {
	if !kind.Valid() {
		return nil
	}
	var list []Variable
	add := func(name, says string) { list = append(list, Variable{Name: name, Says: says}) }
	secret := func(name, says string) { list = append(list, Variable{Name: name, Says: says, Secret: true}) }
	link := func(name, says string) { list = append(list, Variable{Name: name, Says: says, Link: true}) }
	codes := func() {
		list = append(list, Variable{Name: "URL", Says: "The deployment URL.", Secret: true, Link: true})
		add("Email", "The recipient's address, which goes with the PIN.")
		secret("PIN", "The PIN, in groups.")
		secret("QR", `The QR code, for an image: <img src="{{.QR}}">.`)
		add("QRSize", "The width and height of the QR code in pixels.")
	}
	add("Name", "The recipient's name.")
	add("Site", "The name of the site.")
	add("Support", "Whom to ask for help.")
	switch kind {
	case KindInvitation:
		codes()
		add("Expires", "When the invitation ends.")
		add("Mode", `The recommended mode: "android_work_profile" and so on.`)
		add("Ownership", `"company" or "personal" where the invitation fixes it.`)
		add("Agent", "The Android program's name in its store.")
		link("Store", "Where to install the Android program.")
	case KindRenewal:
		codes()
		link("SelfService", "The enrollment page, for a device that came in by self-service; there are no codes then.")
		add("Device", "The device's name.")
		add("Platform", `"android", "ios", "macos" or "windows".`)
		add("State", `The device's state: "pending", "unresponsive" and so on.`)
		add("Since", "When it was heard from last.")
		add("Agent", "The program's name in its store.")
		link("Store", "Where to install the program.")
		link("Open", "Opens the program.")
	case KindAlert:
		add("Code", `What happened, to compare with: "passcode.locked" and so on.`)
		add("Event", "The same in words.")
		add("When", "When it happened.")
		add("Tries", "The number of failed tries.")
		add("UserName", "The name of the person whom it is about.")
		add("UserEmail", "That person's address.")
		add("UserID", "That person's id.")
		add("Invitation", "The invitation's id.")
		add("DeviceID", "The device's id.")
	case KindSelfService:
		secret("Username", "The one-time user name.")
		secret("Password", "The one-time password, in groups.")
		link("URL", `"Enroll now": the page that takes them.`)
		add("Expires", "Until when they work.")
		add("Email", "The recipient's address.")
	}
	return list
}

// secrets returns the names of a kind's secret variables.
func (k Kind) secrets() (names []string) {
	for _, v := range Variables(k) {
		if v.Secret {
			names = append(names, v.Name)
		}
	}
	return names
}
