package enrollment

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// Enroll admits a device by the credential it presents. It answers
// [ErrInvitationUnknown] for a token that nobody has, invitation.ErrDeactivated,
// ErrExpired or ErrExhausted for one whose invitation is over,
// [ErrCredentialRefused] and [*PacedError] for address and PIN, and a
// [*ValidationError], which costs no try.
//
// A request that was answered before, by its EnrollmentID, gets the same answer
// again, even if the invitation is over by now. Hardware that the user enrolled
// before keeps its device, in a new generation whose token replaces the old.
//
// Address and PIN need a transaction of their own: inside an embedder's they
// answer [ErrOwnTransaction].
func (s *Service) Enroll(ctx context.Context, r EnrollRequest) (Enrolled, error) {
	if err := r.validate(); err != nil {
		return Enrolled{}, err
	}
	if r.Credential.Token.IsZero() {
		return s.enrollByPIN(ctx, r)
	}
	token, err := credentials.ParseToken(r.Credential.Token.Reveal())
	if err != nil {
		return Enrolled{}, ErrInvitationUnknown
	}
	var found invitation.Invitation
	err = s.view(ctx, func(ctx context.Context, u *unit) error {
		var err error
		found, _, err = u.byToken(ctx, token)
		return err
	})
	if err != nil {
		return Enrolled{}, err
	}
	site, err := s.site(ctx, found.Site)
	if err != nil {
		return Enrolled{}, err
	}
	var out Enrolled
	err = s.update(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Lock(ctx, found.Site, found.ID)
		if err != nil {
			return err
		}
		out, err = u.admit(ctx, site, inv, r)
		return err
	})
	if err != nil {
		return Enrolled{}, err
	}
	return s.enrolled(site, out)
}

// enrolled completes an answer after the commit: the device token is derived,
// not stored.
func (s *Service) enrolled(site Site, out Enrolled) (Enrolled, error) {
	d := out.Device
	token, err := credentials.DeviceToken(s.cfg.Keyring, d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce)
	if err != nil {
		return Enrolled{}, err
	}
	out.Token = token
	out.Missing = d.Missing(site.Policy.Requirements)
	out.Waits, out.Next = d.Waiting(out.Missing)
	return out, nil
}

// validate checks what needs no look at the store.
func (r EnrollRequest) validate() error {
	var fields []FieldError
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
	switch {
	case r.EnrollmentID == "":
		add("enrollment_id", "required")
	case len(r.EnrollmentID) > maxID || !plainText(r.EnrollmentID):
		add("enrollment_id", "malformed")
	}
	c := r.Credential
	if c.Token.IsZero() {
		if _, err := credentials.CanonicalEmail(c.Email); err != nil {
			add("credential.email", codeOfText(c.Email))
		}
		if c.PIN.IsZero() {
			add("credential.pin", "required")
		} else if _, err := credentials.ParsePIN(c.PIN.Reveal()); err != nil {
			add("credential.pin", "malformed")
		}
	}
	if r.Ownership != "" && !r.Ownership.Valid() {
		add("ownership", "unknown")
	}
	if !r.Device.Platform.Valid() {
		add("device.platform", codeFor(string(r.Device.Platform)))
	}
	switch {
	case r.Mode == "":
	case r.Mode.Platform() == "":
		add("mode", "unknown")
	case r.Device.Platform.Valid() && r.Mode.Platform() != r.Device.Platform:
		add("mode", "mismatch")
	}
	d := r.Device
	for _, text := range []struct{ field, value string }{
		{"udid", d.Hardware.UDID}, {"serial", d.Hardware.Serial}, {"imei", d.Hardware.IMEI},
		{"esid", d.Hardware.ESID}, {"hwdevid", d.Hardware.HWDevID}, {"name", d.Name},
		{"manufacturer", d.Manufacturer}, {"model", d.Model}, {"os_version", d.OSVersion},
	} {
		if !plainText(text.value) {
			add("device."+text.field, "malformed")
		}
	}
	if len(fields) > 0 {
		return &ValidationError{Fields: fields}
	}
	return nil
}

func codeOfText(s string) string {
	if s == "" {
		return "required"
	}
	return "malformed"
}

// admission is the kept answer of an enrollment.
type admission struct {
	Device     string `json:"d"`
	Generation int    `json:"g"`
}

// admit takes a device in by an invitation that the unit has locked and whose
// credential is proved. First what was answered before, then whether the
// invitation still admits, then whether the hardware is known.
func (u *unit) admit(ctx context.Context, site Site, inv invitation.Invitation, r EnrollRequest) (Enrolled, error) {
	scope := "enroll/" + inv.User
	identity := r.Device.Hardware.Identity(r.Device.Manufacturer)
	fingerprint := u.hardwareMAC(inv.Site, r.Device.Platform, identity)
	old, err := u.answered(ctx, inv.Site, scope, r.EnrollmentID, fingerprint[:])
	if err != nil {
		return Enrolled{}, err
	}
	if old != nil {
		return u.admittedBefore(ctx, inv.Site, old)
	}

	known, holder, err := u.knownHardware(ctx, inv, r.Device.Platform, identity)
	if err != nil {
		return Enrolled{}, err
	}
	if err := inv.Usable(u.now, known.ID != "" && known.Invitation == inv.ID); err != nil {
		return Enrolled{}, err
	}
	d, events, err := u.arrive(ctx, inv, r, known, holder, identity)
	if err != nil {
		return Enrolled{}, err
	}
	token, err := credentials.DeviceToken(u.s.cfg.Keyring, d.TokenKey, d.Site, d.ID, d.Generation, d.Nonce)
	if err != nil {
		return Enrolled{}, err
	}
	contact := Contact{
		Site: d.Site, Device: d.ID, At: u.now,
		Token: u.s.cfg.Keyring.MACSecret(credentials.PurposeDevice, token),
	}
	if d, err = u.saveDevice(ctx, d, contact, site.Policy.Requirements, events...); err != nil {
		return Enrolled{}, err
	}
	if err := u.Contacts().Put(ctx, contact); err != nil {
		return Enrolled{}, err
	}
	if err := u.place(ctx, inv, known, d); err != nil {
		return Enrolled{}, err
	}
	if d.Conflict != "" {
		err := u.enqueue(ctx, Message{Site: d.Site, Kind: MessageAlert, Device: d.ID, User: d.User, Event: events[len(events)-1].ID})
		if err != nil {
			return Enrolled{}, err
		}
	}
	kept, err := json.Marshal(admission{d.ID, d.Generation})
	if err != nil {
		return Enrolled{}, err
	}
	err = u.Records().Put(ctx, Record{
		Site: inv.Site, Scope: scope, Key: r.EnrollmentID, Fingerprint: fingerprint[:],
		Result: kept, At: u.now, ExpiresAt: u.now.Add(RecordsKept),
	})
	return Enrolled{Device: d, Reenrolled: known.ID != "", Seq: 1}, err
}

// admittedBefore gives the first answer again.
func (u *unit) admittedBefore(ctx context.Context, site string, record []byte) (Enrolled, error) {
	var kept admission
	if err := json.Unmarshal(record, &kept); err != nil {
		return Enrolled{}, fmt.Errorf("enrollment: kept answer: %w", err)
	}
	d, err := u.Devices().Get(ctx, site, kept.Device)
	switch {
	case err != nil:
		return Enrolled{}, err
	case d.Deleted():
		return Enrolled{}, ErrDeviceGone
	case d.Generation != kept.Generation:
		// The hardware has enrolled anew since; a late repetition of the older
		// request must not bring its token back.
		return Enrolled{}, ErrStale
	}
	contact, err := u.Contacts().Get(ctx, site, d.ID)
	return Enrolled{Device: d, Replayed: true, Seq: contact.Seq + 1}, err
}

// knownHardware returns the user's own device with this identity, or else the
// id of another user's device that holds it.
func (u *unit) knownHardware(ctx context.Context, inv invitation.Invitation, p device.Platform, identity string) (known device.Device, holder string, err error) {
	if identity == "" {
		return device.Device{}, "", nil
	}
	d, err := u.Devices().Find(ctx, DeviceKey{Site: inv.Site, Platform: p, Identity: identity})
	switch {
	case errors.Is(err, ErrNotFound):
		return device.Device{}, "", nil
	case err != nil:
		return device.Device{}, "", err
	case d.User != inv.User:
		return device.Device{}, d.ID, nil
	}
	return d, "", nil
}

// arrive makes the device's row: a new generation of a known one, or a new one,
// linked to the deleted one of the same hardware or in conflict with another
// user's.
func (u *unit) arrive(ctx context.Context, inv invitation.Invitation, r EnrollRequest, known device.Device, holder, identity string) (device.Device, []Event, error) {
	var events []Event
	d := known
	if known.ID == "" {
		id, err := newID(prefixDevice, u.now, u.s.cfg.Rand)
		if err != nil {
			return d, nil, err
		}
		d = device.Device{Site: inv.Site, ID: id, User: inv.User, Platform: r.Device.Platform, CreatedAt: u.now, Conflict: holder}
		if d.Previous, err = u.deletedBefore(ctx, inv.Site, r.Device.Platform, identity); err != nil {
			return d, nil, err
		}
	}
	d = d.Enroll(u.now)
	d.Invitation, d.Origin = inv.ID, device.ByInvitation
	d.Mode = modeFor(r.Mode, inv, d.Platform)
	d.Ownership = ownershipOf(inv, r, d.Mode)
	d.EnrollmentID = r.EnrollmentID
	d.Hardware, d.Name, d.Manufacturer = r.Device.Hardware, r.Device.Name, r.Device.Manufacturer
	d.Model, d.OSVersion = r.Device.Model, r.Device.OSVersion
	d.TokenKey = u.s.cfg.Keyring.Current()
	d.Nonce = make([]byte, 16)
	if _, err := io.ReadFull(u.s.cfg.Rand, d.Nonce); err != nil {
		return d, nil, fmt.Errorf("enrollment: random source: %w", err)
	}
	event := Event{Type: device.EventEnrolled, Actor: ActorDevice, After: string(d.State)}
	if known.ID != "" {
		event.Type, event.Before = device.EventReenrolled, string(known.State)
	}
	events = append(events, event)
	if known.ID == "" && d.Conflict != "" {
		events = append(events, Event{Type: device.EventConflict, Actor: ActorSystem, Data: map[string]string{"holder": d.Conflict}})
	}
	return d, events, nil
}

// deletedBefore returns the id of the latest deleted device of this hardware.
func (u *unit) deletedBefore(ctx context.Context, site string, p device.Platform, identity string) (string, error) {
	if identity == "" {
		return "", nil
	}
	macs := u.s.cfg.Keyring.MACs(credentials.PurposeHardware, []byte(site), []byte(p), []byte(identity))
	traces := make([][]byte, len(macs))
	for i, m := range macs {
		traces[i] = m.Bytes()
	}
	gone, err := u.Devices().Find(ctx, DeviceKey{Site: site, Platform: p, Traces: traces})
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return gone.ID, err
}

// hardwareMAC stands for the hardware in a kept answer, so that one enrollment
// id is not the key to two devices.
func (u *unit) hardwareMAC(site string, p device.Platform, identity string) [sha256.Size]byte {
	return sha256.Sum256([]byte(site + "\x00" + string(p) + "\x00" + identity))
}

// place counts the device on its invitation and opens it. A device that held a
// place of the same invitation takes no further one; one that moves here from
// another leaves its place there.
func (u *unit) place(ctx context.Context, inv invitation.Invitation, known, d device.Device) error {
	before := inv.State
	next := inv
	if inv.State.Active() {
		var err error
		if next, _, err = inv.Open(u.now); err != nil {
			return err
		}
	}
	samePlace := known.ID != "" && known.Invitation == inv.ID
	if !samePlace {
		next.Enrolled++
	}
	if !samePlace || !known.Live() {
		next.Live++
	}
	if known.ID != "" && !samePlace && known.Live() && known.Invitation != "" {
		if err := u.vacate(ctx, known); err != nil {
			return err
		}
	}
	var events []Event
	if next.State != before {
		events = append(events, Event{
			Type: invitation.EventOpened, Actor: ActorDevice, Reason: "enrolled", Device: d.ID,
			Before: string(before), After: string(next.State),
		})
	}
	next, err := u.saveInvitation(ctx, next, events...)
	if err != nil {
		return err
	}
	if next.MaxDevices > 0 && next.Enrolled >= next.MaxDevices {
		if _, err := u.end(ctx, next, invitation.Exhausted, ActorSystem); err != nil {
			return err
		}
	}
	return u.see(ctx, inv.Site, inv.ID, invitation.FirstContact)
}

// vacate gives back the live place of a device on its invitation.
func (u *unit) vacate(ctx context.Context, d device.Device) error {
	if d.Invitation == "" {
		return nil
	}
	inv, err := u.Invitations().Lock(ctx, d.Site, d.Invitation)
	if errors.Is(err, ErrNotFound) {
		return nil // its row was erased; nothing counts there any more
	}
	if err != nil {
		return err
	}
	inv.Live = max(0, inv.Live-1)
	_, err = u.saveInvitation(ctx, inv)
	return err
}

// ownershipOf decides whose device it is: what the invitation fixes, what the
// device's user chose there or on the page, what the mode implies.
func ownershipOf(inv invitation.Invitation, r EnrollRequest, m device.Mode) device.Ownership {
	chosen := firstOf(inv.Ownership, string(r.Ownership), inv.AcceptedOwnership)
	if chosen != "" {
		return device.Ownership(chosen)
	}
	switch m {
	case device.AndroidFullyManaged, device.AndroidDedicated, device.AndroidCompanyWorkProfile, device.IOSSupervised:
		return device.Company
	}
	return device.Personal
}
