package enrollment

import "time"

// Message is something to deliver: a reference to what it is about, never its
// content. What is delivered is rendered when it is delivered.
type Message struct {
	Site   string
	ID     string // "evt_...": stable over every attempt
	Kind   MessageKind
	Dedupe string // one message per key, ever

	Invitation string
	Device     string
	User       string
	Admin      string // of an alert: to which administrator; empty: to be spread to all
	Event      string // of an alert or a handler call: the journal's entry

	CreatedAt  time.Time
	DueAt      time.Time
	Attempt    int // claims so far
	LeaseUntil time.Time
	Fence      int64
	Status     MessageStatus
	EndedAt    time.Time
	Cause      string // why the latest attempt failed: a code, never the text of an error
}

// MessageKind says what is to be delivered.
type MessageKind string

const (
	MessageInvitation MessageKind = "mail.invitation"
	MessageRenewal    MessageKind = "mail.renewal"
	MessageAlert      MessageKind = "mail.alert"
	MessageLogin      MessageKind = "mail.self_service"
	MessageHandler    MessageKind = "handler"
)

// MessageStatus says how a message ended.
type MessageStatus string

const (
	MessageWaiting    MessageStatus = "waiting"    // due, leased, or to be tried again
	MessageDone       MessageStatus = "done"       // delivered
	MessageSuperseded MessageStatus = "superseded" // no longer true, so never delivered
	MessageDead       MessageStatus = "dead"       // given up
)

// Outcome ends one attempt to deliver.
type Outcome struct {
	Status  MessageStatus // MessageWaiting: try again at RetryAt
	At      time.Time
	RetryAt time.Time
	Cause   string
}
