package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// at is n minutes after the time at which every rule begins.
func at(n int) time.Time {
	return time.Date(2026, 3, 1, 12, n, 0, 123456000, time.UTC)
}

// mac is a MAC that nothing but the same text has.
func mac(text string) credentials.MAC {
	return credentials.MAC{KeyID: 7, Sum: sha256.Sum256([]byte(text))}
}

func userOf(site, id string) enrollment.User { return enrollment.User{Site: site, ID: id} }

var userRows = kept[enrollment.User]{
	row: func(site, id string) enrollment.User {
		return enrollment.User{
			Site: site, ID: id, Name: "Zoë 🦊 ﬁ Ōsaka", Email: "Zoe." + id + "@Example.com",
			EmailKey: "zoe." + id + "@example.com", Language: "pt-BR", Outside: true,
		}
	},
	bare:    userOf,
	add:     putUsers,
	get:     getUser,
	replace: putUsers,
	edit: func(u enrollment.User) enrollment.User {
		u.Name, u.Language = "Renamed", ""
		return u
	},
}

func putUsers(list ...enrollment.User) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Users().Put(ctx, list...) }
}

func getUser(site, id string) reading[enrollment.User] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.User, error) {
		return tx.Users().Get(ctx, site, id)
	}
}

func lockUsers(list ...enrollment.User) reading[[]enrollment.User] {
	return func(ctx context.Context, tx enrollment.Tx) ([]enrollment.User, error) {
		return tx.Users().Lock(ctx, list...)
	}
}

func outside(u enrollment.User) reading[enrollment.User] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.User, error) {
		return tx.Users().Outside(ctx, u)
	}
}

// invited is an active invitation of a user.
func invited(site, id, user string) invitation.Invitation {
	return invitation.Invitation{Site: site, ID: id, User: user, State: invitation.Created, CreatedAt: at(0), PINGeneration: 1}
}

var invitationRows = kept[invitation.Invitation]{
	row: func(site, id string) invitation.Invitation {
		return invitation.Invitation{
			Site: site, ID: id, User: "user of " + id,
			Email: "Zoë@Example.com", EmailKey: "zoë@example.com", Name: "Zoë 🦊",
			State: invitation.Deactivated, Reason: invitation.Superseded,
			Mode: "android_work_profile", Ownership: "company", ExpiresAt: at(1), MaxDevices: 3,
			Enrolled: 2, Live: 1, Delivery: invitation.Bounced, DeliveryAt: at(2),
			AcceptedAt: at(3), AcceptedOwnership: "personal", AcceptedPlatform: "android",
			CreatedAt: at(4), SentAt: at(5), OpenedAt: at(6), EndedAt: at(7),
			PINGeneration: 4, Events: 1 << 40, Version: 5,
		}
	},
	bare: func(site, id string) invitation.Invitation {
		return invitation.Invitation{Site: site, ID: id, User: "user", State: invitation.Created, CreatedAt: at(0)}
	},
	add:     createInvitations,
	get:     getInvitation,
	exists:  true,
	replace: updateInvitations,
	edit: func(n invitation.Invitation) invitation.Invitation {
		n.Email, n.Enrolled, n.DeliveryAt = "new@example.com", 9, time.Time{}
		return n
	},
	version: func(n *invitation.Invitation) *int64 { return &n.Version },
}

func createInvitations(list ...invitation.Invitation) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Invitations().Create(ctx, list...) }
}

func updateInvitations(list ...invitation.Invitation) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Invitations().Update(ctx, list...) }
}

func getInvitation(site, id string) reading[invitation.Invitation] {
	return func(ctx context.Context, tx enrollment.Tx) (invitation.Invitation, error) {
		return tx.Invitations().Get(ctx, site, id)
	}
}

func listInvitations(q enrollment.InvitationQuery) reading[[]invitation.Invitation] {
	return func(ctx context.Context, tx enrollment.Tx) ([]invitation.Invitation, error) {
		return tx.Invitations().List(ctx, q)
	}
}

func invitationID(n invitation.Invitation) string { return n.ID }

// ended is n deactivated.
func ended(n invitation.Invitation) invitation.Invitation {
	n, _ = n.Deactivate(invitation.ByAdmin, at(9))
	return n
}

var credentialRows = kept[enrollment.Credential]{
	row: func(site, id string) enrollment.Credential {
		return enrollment.Credential{
			Site: site, Owner: id, Kind: enrollment.KindInvitation, Generation: 3,
			Index: mac("index " + site + "/" + id), Check: mac("check"), Sealed: []byte("\x00sealed\xff"),
			Data:      []byte(`{"n": 1}`),
			CreatedAt: at(1), CreatedBy: "Zoë",
		}
	},
	bare: func(site, id string) enrollment.Credential {
		return enrollment.Credential{Site: site, Owner: id, Kind: enrollment.KindInvitation}
	},
	add: putCredentials,
	get: func(site, id string) reading[enrollment.Credential] {
		return getCredential(site, id, enrollment.KindInvitation)
	},
	replace: putCredentials,
	edit: func(c enrollment.Credential) enrollment.Credential {
		c.Generation, c.Check, c.Sealed, c.Data = 4, credentials.MAC{}, []byte("other"), []byte(`{"n": 2}`)
		return c
	},
}

func putCredentials(list ...enrollment.Credential) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Credentials().Put(ctx, list...) }
}

func getCredential(site, owner string, kind enrollment.CredentialKind) reading[enrollment.Credential] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Credential, error) {
		return tx.Credentials().Get(ctx, site, owner, kind)
	}
}

func byIndex(kind enrollment.CredentialKind, macs ...credentials.MAC) reading[enrollment.Credential] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Credential, error) {
		return tx.Credentials().ByIndex(ctx, kind, macs)
	}
}

func deleteCredentials(list ...enrollment.CredentialKey) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Credentials().Delete(ctx, list...) }
}

func macs(list ...credentials.MAC) []credentials.MAC { return list }

func seen(site, id string, what invitation.Evidence, n int64, first, last time.Time) invitation.Sighting {
	return invitation.Sighting{Site: site, Invitation: id, Evidence: what, Count: n, First: first, Last: last}
}

var sightingRows = kept[invitation.Sighting]{
	row: func(site, id string) invitation.Sighting {
		return seen(site, id, invitation.Fetched, 1<<40, at(1), at(2))
	},
	bare: func(site, id string) invitation.Sighting {
		return seen(site, id, invitation.Fetched, 1, at(1), at(1))
	},
	add: noteSightings,
	get: func(site, id string) reading[invitation.Sighting] {
		return func(ctx context.Context, tx enrollment.Tx) (invitation.Sighting, error) {
			list, err := tx.Sightings().List(ctx, site, id)
			return only(list, err)
		}
	},
}

// only returns the one row that a list should have.
func only[T any](list []T, err error) (T, error) {
	var zero T
	switch {
	case err != nil:
		return zero, err
	case len(list) == 0:
		return zero, enrollment.ErrNotFound
	case len(list) > 1:
		return zero, fmt.Errorf("storetest: %d rows where one was asked for", len(list))
	}
	return list[0], nil
}

func noteSightings(list ...invitation.Sighting) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Sightings().Note(ctx, list...) }
}

func listSightings(site string, invitations ...string) reading[[]invitation.Sighting] {
	return func(ctx context.Context, tx enrollment.Tx) ([]invitation.Sighting, error) {
		return tx.Sightings().List(ctx, site, invitations...)
	}
}

func deleteSightings(site string, invitations ...string) unit {
	return func(ctx context.Context, tx enrollment.Tx) error {
		return tx.Sightings().Delete(ctx, site, invitations...)
	}
}

// enrolled is a device that has nothing in common with others.
func enrolled(site, id string) device.Device {
	return device.Device{
		Site: site, ID: id, User: "user", Platform: device.Android, Mode: device.AndroidWorkProfile,
		State: device.Pending, Since: at(0), Generation: 1, CreatedAt: at(0),
		Hardware: device.Hardware{UDID: "udid-" + id},
	}
}

var deviceRows = kept[device.Device]{
	row: func(site, id string) device.Device {
		return device.Device{
			Site: site, ID: id, User: "user", Invitation: "invitation", Origin: device.ByInvitation,
			Platform: device.Android, Mode: device.AndroidDedicated, Ownership: device.Company,
			State: device.Impaired, Since: at(1), Reason: "permissions", EverActive: true,
			Generation: 3, EnrollmentID: "enrollment 🦊", EnrolledAt: at(2),
			Nonce: []byte("\x00nonce\xff"), TokenKey: 1<<32 - 1,
			Hardware: device.Hardware{UDID: fmt.Sprintf("Udid %x", id), ESID: "esid", HWDevID: "hw", Serial: "SN", IMEI: "356938035643809"},
			Name:     "Zoë's 🦊", Manufacturer: "Example", Model: "One", OSVersion: "16.0.1",
			Facts: device.Facts{
				device.AgentInstalled: {device.SourceAgent: {Value: true, At: at(3)}, device.SourceMDM: {At: at(4)}},
				device.Permissions:    {"custom": {Value: true, At: at(5)}},
			},
			Inventory: json.RawMessage(`{"b": 1.50,"a":"🦊", "b":[null]}`), ObservedAt: at(6),
			Refs:     []device.Ref{{Source: "amapi", ID: "enterprises/" + id}, {Source: "amapi-old", ID: "Ref " + id}},
			Conflict: "", Previous: "dev_0", CreatedAt: at(7), Events: 1 << 40, Version: 5,
		}
	},
	bare: func(site, id string) device.Device {
		return device.Device{Site: site, ID: id, User: "user", Platform: device.Android, State: device.Pending, CreatedAt: at(0)}
	},
	add:     createDevices,
	get:     getDevice,
	exists:  true,
	replace: updateDevices,
	edit: func(d device.Device) device.Device {
		d.Name, d.Facts, d.Inventory = "Renamed", nil, json.RawMessage(`[]`)
		return d
	},
	version: func(d *device.Device) *int64 { return &d.Version },
}

func createDevices(list ...device.Device) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Devices().Create(ctx, list...) }
}

func updateDevices(list ...device.Device) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Devices().Update(ctx, list...) }
}

func getDevice(site, id string) reading[device.Device] {
	return func(ctx context.Context, tx enrollment.Tx) (device.Device, error) {
		return tx.Devices().Get(ctx, site, id)
	}
}

func findDevice(q enrollment.DeviceKey) reading[device.Device] {
	return func(ctx context.Context, tx enrollment.Tx) (device.Device, error) { return tx.Devices().Find(ctx, q) }
}

func listDevices(q enrollment.DeviceQuery) reading[[]device.Device] {
	return func(ctx context.Context, tx enrollment.Tx) ([]device.Device, error) { return tx.Devices().List(ctx, q) }
}

func deviceID(d device.Device) string { return d.ID }

var contactRows = kept[enrollment.Contact]{
	row: func(site, id string) enrollment.Contact {
		return enrollment.Contact{
			Site: site, Device: id, Token: mac("token " + site + "/" + id), Seq: 1 << 40, At: at(1), Silent: true, Gone: true,
		}
	},
	bare: func(site, id string) enrollment.Contact { return enrollment.Contact{Site: site, Device: id} },
	add:  putContacts,
	get:  getContact, replace: putContacts,
	edit: func(c enrollment.Contact) enrollment.Contact {
		c.Seq, c.At, c.Silent = 1, at(0), false
		return c
	},
}

func putContacts(list ...enrollment.Contact) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Contacts().Put(ctx, list...) }
}

func getContact(site, id string) reading[enrollment.Contact] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Contact, error) {
		return tx.Contacts().Get(ctx, site, id)
	}
}

func byToken(macs ...credentials.MAC) reading[enrollment.Contact] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Contact, error) {
		return tx.Contacts().ByToken(ctx, macs)
	}
}

func slotOf(site, id, state string) enrollment.Slot {
	return enrollment.Slot{Site: site, ID: id, Kind: enrollment.SlotDevice, State: state, CreatedAt: at(0)}
}

var slotRows = kept[enrollment.Slot]{
	row: func(site, id string) enrollment.Slot {
		return enrollment.Slot{
			Site: site, ID: id, Kind: enrollment.SlotDevice, State: "active", Invitation: "invitation",
			User: "user", UserName: "Zoë 🦊 Ünal", Email: "zoe@example.com",
			Platform: device.IOS, Mode: device.IOSSupervised, Ownership: device.Company,
			Name: "Zoë's phone", Serial: "SN 1", Refs: []device.Ref{{Source: "mdm", ID: "Ref"}},
			LastConnection: at(1), LastObservation: at(2), Missing: []device.Fact{device.Supervised, device.Permissions},
			Conflict: true, CreatedAt: at(3),
		}
	},
	bare: func(site, id string) enrollment.Slot {
		return enrollment.Slot{Site: site, ID: id, Kind: enrollment.SlotInvitation, State: "created"}
	},
	add:     putSlots,
	get:     getSlot,
	replace: putSlots,
	edit: func(r enrollment.Slot) enrollment.Slot {
		r.State, r.Name, r.Refs, r.Missing = "impaired", "Renamed", nil, nil
		return r
	},
}

func putSlots(list ...enrollment.Slot) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Slots().Put(ctx, list...) }
}

func deleteSlots(site string, list ...string) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Slots().Delete(ctx, site, list...) }
}

func getSlot(site, id string) reading[enrollment.Slot] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Slot, error) {
		return tx.Slots().Get(ctx, site, id)
	}
}

func pageSlots(q enrollment.SlotQuery) reading[[]enrollment.Slot] {
	return func(ctx context.Context, tx enrollment.Tx) ([]enrollment.Slot, error) { return tx.Slots().Page(ctx, q) }
}

// countSlots reads the counts without the states that have none.
func countSlots(site string) reading[map[string]int64] {
	return func(ctx context.Context, tx enrollment.Tx) (map[string]int64, error) {
		counts, err := tx.Slots().Counts(ctx, site)
		for state, n := range counts {
			if n == 0 {
				delete(counts, state)
			}
		}
		return counts, err
	}
}

func slotID(r enrollment.Slot) string { return r.ID }

// happened is the event number seq of a subject.
func happened(site, subject string, seq int64) enrollment.Event {
	return enrollment.Event{
		Site: site, ID: fmt.Sprintf("log_%s_%03d", subject, seq), Subject: subject, Seq: seq,
		Type: invitation.EventSent, At: at(int(seq)), Actor: enrollment.ActorSystem,
	}
}

var eventRows = kept[enrollment.Event]{
	row: func(site, id string) enrollment.Event {
		return enrollment.Event{
			Site: site, ID: id, Subject: "subject of " + id, Seq: 1 << 40, Type: device.EventActivated, At: at(1),
			Actor: "Zoë 🦊", Before: "pending", After: "active", Reason: "reason",
			Ref: device.Ref{Source: "mdm", ID: "Ref"}, User: "user", Invitation: "invitation", Device: "device",
			Data: map[string]string{"": "empty", "key": "", "🦊": "\"quoted\"\n"},
		}
	},
	bare: func(site, id string) enrollment.Event {
		return enrollment.Event{Site: site, ID: id, Subject: "subject", Seq: 1, Type: invitation.EventSent, At: at(0), Actor: enrollment.ActorUser}
	},
	add: appendEvents,
	get: func(site, id string) reading[enrollment.Event] {
		return func(ctx context.Context, tx enrollment.Tx) (enrollment.Event, error) {
			if id == "" {
				return enrollment.Event{}, enrollment.ErrNotFound // an empty id does not restrict
			}
			list, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: site, ID: id})
			return only(list, err)
		}
	},
	exists: true,
	edit: func(e enrollment.Event) enrollment.Event {
		e.Reason, e.Seq = "other", 2
		return e
	},
}

func appendEvents(list ...enrollment.Event) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Journal().Append(ctx, list...) }
}

func listEvents(q enrollment.EventQuery) reading[[]enrollment.Event] {
	return func(ctx context.Context, tx enrollment.Tx) ([]enrollment.Event, error) {
		return tx.Journal().List(ctx, q)
	}
}

func sequence(limit int) reading[int] {
	return func(ctx context.Context, tx enrollment.Tx) (int, error) { return tx.Journal().Sequence(ctx, limit) }
}

func eventID(e enrollment.Event) string { return e.ID }

// queued is a message that is due at a time.
func queued(site, id string, due time.Time) enrollment.Message {
	return enrollment.Message{
		Site: site, ID: id, Kind: enrollment.MessageInvitation, Dedupe: "once " + id, Invitation: "invitation",
		CreatedAt: at(0), DueAt: due, Status: enrollment.MessageWaiting,
	}
}

var messageRows = kept[enrollment.Message]{
	row: func(site, id string) enrollment.Message {
		return enrollment.Message{
			Site: site, ID: id, Kind: enrollment.MessageAlert, Dedupe: "once 🦊 " + id,
			Invitation: "invitation", Device: "device", User: "user", Admin: "Zoë", Event: "log_1",
			CreatedAt: at(1), DueAt: at(2), Attempt: 3, LeaseUntil: at(4), Fence: 1 << 40,
			Status: enrollment.MessageDead, EndedAt: at(5), Cause: "refused",
		}
	},
	bare: func(site, id string) enrollment.Message {
		return enrollment.Message{Site: site, ID: id, Kind: enrollment.MessageHandler, Dedupe: id, Status: enrollment.MessageWaiting}
	},
	add: putMessages,
	get: getMessage,
}

func putMessages(list ...enrollment.Message) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Outbox().Put(ctx, list...) }
}

func getMessage(site, id string) reading[enrollment.Message] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Message, error) {
		list, err := tx.Outbox().List(ctx, site, "", 1000)
		for _, m := range list {
			if m.ID == id {
				return m, err
			}
		}
		if err == nil {
			err = enrollment.ErrNotFound
		}
		return enrollment.Message{}, err
	}
}

func listMessages(site, subject string, limit int) reading[[]enrollment.Message] {
	return func(ctx context.Context, tx enrollment.Tx) ([]enrollment.Message, error) {
		return tx.Outbox().List(ctx, site, subject, limit)
	}
}

func claim(now time.Time, lease time.Duration, limit int) reading[[]enrollment.Message] {
	return func(ctx context.Context, tx enrollment.Tx) ([]enrollment.Message, error) {
		return tx.Outbox().Claim(ctx, now, lease, limit)
	}
}

func finish(m enrollment.Message, out enrollment.Outcome) unit {
	return func(ctx context.Context, tx enrollment.Tx) error {
		return tx.Outbox().Finish(ctx, m.Site, m.ID, m.Fence, out)
	}
}

func messageID(m enrollment.Message) string { return m.ID }

var recordRows = kept[enrollment.Record]{
	single: true,
	row: func(site, id string) enrollment.Record {
		return enrollment.Record{
			Site: site, Scope: "scope 🦊", Key: id, Fingerprint: []byte("\x00print\xff"), Result: []byte(`{"id":"inv_1"}`),
			At: at(1), ExpiresAt: at(2),
		}
	},
	bare: func(site, id string) enrollment.Record {
		return enrollment.Record{Site: site, Scope: "scope 🦊", Key: id, At: at(1), ExpiresAt: at(2)}
	},
	add: func(list ...enrollment.Record) unit {
		return func(ctx context.Context, tx enrollment.Tx) error {
			for _, r := range list {
				if err := tx.Records().Put(ctx, r); err != nil {
					return err
				}
			}
			return nil
		}
	},
	get: func(site, id string) reading[enrollment.Record] { return getRecord(site, "scope 🦊", id) },
}

func putRecord(r enrollment.Record) unit {
	return func(ctx context.Context, tx enrollment.Tx) error { return tx.Records().Put(ctx, r) }
}

func getRecord(site, scope, key string) reading[enrollment.Record] {
	return func(ctx context.Context, tx enrollment.Tx) (enrollment.Record, error) {
		return tx.Records().Get(ctx, site, scope, key)
	}
}

func prune(now time.Time, limit int) reading[int] {
	return func(ctx context.Context, tx enrollment.Tx) (int, error) { return tx.Records().Prune(ctx, now, limit) }
}
