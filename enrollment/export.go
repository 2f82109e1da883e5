package enrollment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// UserExport is everything that is held of a person in one site, ready to be
// marshalled as JSON. It holds no secret: no token, PIN, password or MAC. Lists
// are in the order in which things came to be.
type UserExport struct {
	Site        string               `json:"site"`
	AsOf        time.Time            `json:"as_of"`
	User        ExportedUser         `json:"user"`
	Invitations []ExportedInvitation `json:"invitations"`
	Login       *ExportedLogin       `json:"one_time_login"` // nil: none
	Devices     []ExportedDevice     `json:"devices"`        // those not deleted
	Messages    []ExportedMessage    `json:"messages"`       // the latest of each invitation and device
	Events      []ExportedEvent      `json:"events"`
}

// ExportedUser is our row of the person.
type ExportedUser struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Language string `json:"language"`
	Outside  bool   `json:"outside_directory"`
}

// ExportedInvitation is one invitation. Absent times have not happened.
type ExportedInvitation struct {
	ID                string              `json:"id"`
	State             invitation.State    `json:"state"`
	Reason            invitation.Reason   `json:"reason"`
	Email             string              `json:"email"`
	Name              string              `json:"name"`
	Mode              string              `json:"mode"`
	Ownership         string              `json:"ownership"`
	MaxDevices        int                 `json:"max_devices"`
	Enrolled          int                 `json:"devices_enrolled"`
	Delivery          invitation.Delivery `json:"delivery"`
	DeliveryAt        time.Time           `json:"delivery_at,omitzero"`
	AcceptedOwnership string              `json:"accepted_ownership"`
	AcceptedPlatform  string              `json:"accepted_platform"`
	AcceptedAt        time.Time           `json:"accepted_at,omitzero"`
	ExpiresAt         time.Time           `json:"expires_at,omitzero"`
	CreatedAt         time.Time           `json:"created_at"`
	SentAt            time.Time           `json:"sent_at,omitzero"`
	OpenedAt          time.Time           `json:"opened_at,omitzero"`
	EndedAt           time.Time           `json:"ended_at,omitzero"`
	Sightings         []ExportedSighting  `json:"sightings"`
}

// ExportedSighting is a step that was seen on the way to a device.
type ExportedSighting struct {
	Evidence invitation.Evidence `json:"evidence"`
	Count    int64               `json:"count"`
	First    time.Time           `json:"first"`
	Last     time.Time           `json:"last"`
}

// ExportedLogin is the latest one-time login, without user name and password.
type ExportedLogin struct {
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
}

// ExportedDevice is one device.
type ExportedDevice struct {
	ID           string           `json:"id"`
	Invitation   string           `json:"invitation_id"`
	Origin       device.Origin    `json:"origin"`
	Platform     device.Platform  `json:"platform"`
	Mode         device.Mode      `json:"mode"`
	Ownership    device.Ownership `json:"ownership"`
	State        device.State     `json:"state"`
	Reason       string           `json:"reason"`
	Since        time.Time        `json:"since"`
	Generation   int              `json:"generation"`
	EnrollmentID string           `json:"enrollment_id"`
	Hardware     device.Hardware  `json:"hardware"`
	Name         string           `json:"name"`
	Manufacturer string           `json:"manufacturer"`
	Model        string           `json:"model"`
	OSVersion    string           `json:"os_version"`
	Facts        device.Facts     `json:"facts"`
	Inventory    json.RawMessage  `json:"inventory"` // as last received; null: none
	Refs         []device.Ref     `json:"refs"`
	Conflict     bool             `json:"conflict"`
	Previous     string           `json:"previous"`
	EnrolledAt   time.Time        `json:"enrolled_at,omitzero"`
	ObservedAt   time.Time        `json:"observed_at,omitzero"`
	LastContact  time.Time        `json:"last_contact,omitzero"`
	CreatedAt    time.Time        `json:"created_at"`
}

// ExportedMessage is one mail or call that was to be delivered.
type ExportedMessage struct {
	ID        string        `json:"id"`
	Kind      MessageKind   `json:"kind"`
	Status    MessageStatus `json:"status"`
	Cause     string        `json:"cause"`
	CreatedAt time.Time     `json:"created_at"`
	EndedAt   time.Time     `json:"ended_at,omitzero"`
}

// ExportedEvent is one entry of the journal.
type ExportedEvent struct {
	ID      string            `json:"id"`
	Subject string            `json:"subject"`
	Seq     int64             `json:"subject_seq"`
	Type    EventType         `json:"type"`
	At      time.Time         `json:"at"`
	Actor   string            `json:"actor"`
	Before  string            `json:"before"`
	After   string            `json:"after"`
	Reason  string            `json:"reason"`
	Ref     device.Ref        `json:"ref,omitzero"`
	Data    map[string]string `json:"data,omitempty"`
}

// exportedMessages is how many of its latest messages an export has of each
// invitation and device.
const exportedMessages = 1000

// ExportUser returns everything that is held of a person in the actor's site,
// for a person who asks what that is. The journal has it (user.exported) before
// anybody sees it. A user of whom nothing was ever held answers [ErrNotFound].
//
// Of devices that are deleted nothing is left but ids and keyed MACs; they are
// not in it. What the embedder keeps is not in it either.
func (s *Service) ExportUser(ctx context.Context, by Actor, user string) (_ UserExport, err error) {
	defer s.did(ctx, "export_user", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermExport); err != nil {
		return UserExport{}, err
	}
	if _, err := s.site(ctx, by.Site); err != nil {
		return UserExport{}, err
	}
	var out UserExport
	err = s.update(context.WithoutCancel(ctx), func(ctx context.Context, u *unit) error {
		stored, err := u.lockUser(ctx, by.Site, user)
		if err != nil {
			return err
		}
		if err := u.noteUser(ctx, by, user, Event{Type: EventUserExported}); err != nil {
			return err
		}
		out = UserExport{Site: by.Site, AsOf: u.now, User: ExportedUser{stored.ID, stored.Name, stored.Email, stored.Language, stored.Outside}}
		return u.export(ctx, user, &out)
	})
	if err != nil {
		return UserExport{}, err
	}
	return out, nil
}

// export gathers what stands around a user.
func (u *unit) export(ctx context.Context, user string, out *UserExport) error {
	out.Invitations, out.Devices = []ExportedInvitation{}, []ExportedDevice{}
	out.Messages, out.Events = []ExportedMessage{}, []ExportedEvent{}
	subjects := []string{UserSubject(user), LoginSubject(user)}
	invitations, err := u.Invitations().List(ctx, InvitationQuery{Site: out.Site, Users: []string{user}})
	if err != nil {
		return err
	}
	slices.Reverse(invitations)
	for _, inv := range invitations {
		seen, err := u.Sightings().List(ctx, inv.Site, inv.ID)
		if err != nil {
			return err
		}
		out.Invitations = append(out.Invitations, exportInvitation(inv, seen))
		subjects = append(subjects, inv.ID)
	}
	switch cred, data, err := u.login(ctx, out.Site, user); {
	case err == nil:
		out.Login = &ExportedLogin{cred.CreatedAt, data.ExpiresAt, data.UsedAt}
	case !errors.Is(err, ErrNotFound):
		return err
	}
	devices, err := u.Devices().List(ctx, DeviceQuery{Site: out.Site, User: user})
	if err != nil {
		return err
	}
	for _, d := range devices {
		contact, err := u.contactOf(ctx, d.Site, d.ID)
		if err != nil {
			return err
		}
		out.Devices = append(out.Devices, exportDevice(d, contact))
		subjects = append(subjects, d.ID)
	}
	for _, subject := range subjects {
		if err := u.exportHistory(ctx, subject, out); err != nil {
			return err
		}
	}
	slices.SortFunc(out.Messages, func(a, b ExportedMessage) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	out.Messages = slices.Compact(out.Messages) // one may be about an invitation and a device
	slices.SortStableFunc(out.Events, func(a, b ExportedEvent) int { return a.At.Compare(b.At) })
	return nil
}

// exportHistory adds the events and messages of one subject.
func (u *unit) exportHistory(ctx context.Context, subject string, out *UserExport) error {
	events, err := u.Journal().List(ctx, EventQuery{Site: out.Site, Subject: subject})
	if err != nil {
		return err
	}
	for _, e := range events {
		out.Events = append(out.Events, ExportedEvent{
			e.ID, e.Subject, e.Seq, e.Type, e.At, e.Actor, e.Before, e.After, e.Reason, e.Ref, e.Data,
		})
	}
	if strings.Contains(subject, "/") {
		return nil // messages are about invitations and devices
	}
	messages, err := u.Outbox().List(ctx, out.Site, subject, exportedMessages)
	if err != nil {
		return err
	}
	for _, m := range messages {
		out.Messages = append(out.Messages, ExportedMessage{m.ID, m.Kind, m.Status, m.Cause, m.CreatedAt, m.EndedAt})
	}
	return nil
}

func exportInvitation(inv invitation.Invitation, seen []invitation.Sighting) ExportedInvitation {
	out := ExportedInvitation{
		ID: inv.ID, State: inv.State, Reason: inv.Reason, Email: inv.Email, Name: inv.Name,
		Mode: inv.Mode, Ownership: inv.Ownership, MaxDevices: inv.MaxDevices, Enrolled: inv.Enrolled,
		Delivery: inv.Delivery, DeliveryAt: inv.DeliveryAt,
		AcceptedOwnership: inv.AcceptedOwnership, AcceptedPlatform: inv.AcceptedPlatform, AcceptedAt: inv.AcceptedAt,
		ExpiresAt: inv.ExpiresAt, CreatedAt: inv.CreatedAt, SentAt: inv.SentAt, OpenedAt: inv.OpenedAt, EndedAt: inv.EndedAt,
		Sightings: []ExportedSighting{},
	}
	for _, s := range seen {
		out.Sightings = append(out.Sightings, ExportedSighting{s.Evidence, s.Count, s.First, s.Last})
	}
	return out
}

func exportDevice(d device.Device, contact Contact) ExportedDevice {
	out := ExportedDevice{
		ID: d.ID, Invitation: d.Invitation, Origin: d.Origin, Platform: d.Platform, Mode: d.Mode, Ownership: d.Ownership,
		State: d.State, Reason: d.Reason, Since: d.Since, Generation: d.Generation, EnrollmentID: d.EnrollmentID,
		Hardware: d.Hardware, Name: d.Name, Manufacturer: d.Manufacturer, Model: d.Model, OSVersion: d.OSVersion,
		Facts: d.Facts, Refs: append([]device.Ref{}, d.Refs...), Conflict: d.Conflict != "", Previous: d.Previous,
		EnrolledAt: d.EnrolledAt, ObservedAt: d.ObservedAt, LastContact: contact.At, CreatedAt: d.CreatedAt,
	}
	if out.Facts == nil {
		out.Facts = device.Facts{}
	}
	if json.Valid(d.Inventory) { // what a device sent breaks no answer
		out.Inventory = d.Inventory
	}
	return out
}
