package adminhttp

import (
	"time"

	"example.com/enrollkit/enrollment"
)

// What stands on the wire. Every field of an answer is always there: a text
// that says nothing is "", a time that never was is null, an empty list is [].
// Each type is a schema of openapi.yaml, and a test compares the two.

// userView is a person of the site. The address is the one that mail of the row
// around it goes to.
type userView struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// refView is a device's id in another system.
type refView struct {
	Source string `json:"source"`
	ID     string `json:"id"`
}

// stamp is t on the wire: UTC, and null if it never was.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// each shows every element of a list, and is never null.
func each[T, V any](list []T, show func(T) V) []V {
	shown := make([]V, 0, len(list))
	for _, element := range list {
		shown = append(shown, show(element))
	}
	return shown
}

// list is one that is [] when it is empty.
func list[T any](elements []T) []T {
	if elements == nil {
		return []T{}
	}
	return elements
}

// countsView is never null.
func countsView(counts map[string]int64) map[string]int64 {
	if counts == nil {
		return map[string]int64{}
	}
	return counts
}

// eventView is one entry of the journal.
type eventView struct {
	ID         string            `json:"id"`
	Seq        int64             `json:"seq"` // within the site; 0: not yet
	Subject    string            `json:"subject"`
	SubjectSeq int64             `json:"subject_seq"`
	Type       string            `json:"type"`
	At         *time.Time        `json:"at"`
	Actor      string            `json:"actor"`
	Before     string            `json:"before"`
	After      string            `json:"after"`
	Reason     string            `json:"reason"`
	Ref        *refView          `json:"ref"`
	User       string            `json:"user_id"`
	Invitation string            `json:"invitation_id"`
	Device     string            `json:"device_id"`
	Data       map[string]string `json:"data"`
}

func showEvent(e enrollment.Event) eventView {
	v := eventView{
		ID: e.ID, Seq: e.SiteSeq, Subject: e.Subject, SubjectSeq: e.Seq,
		Type: string(e.Type), At: stamp(e.At), Actor: e.Actor,
		Before: e.Before, After: e.After, Reason: e.Reason,
		User: e.User, Invitation: e.Invitation, Device: e.Device,
		Data: e.Data,
	}
	if e.Ref.ID != "" {
		v.Ref = &refView{e.Ref.Source, e.Ref.ID}
	}
	if v.Data == nil {
		v.Data = map[string]string{}
	}
	return v
}
