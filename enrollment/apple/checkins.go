package apple

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// The sources of a device's Refs. [RefSource] has the device's name in the MDM
// server, its UDID or EnrollmentID; [EnrollmentRef] the id of its enrollment,
// which is in its certificate and which no device can claim for itself.
const (
	RefSource     = Name
	EnrollmentRef = Name + "-enrollment"
)

// ErrTopic refuses a message for another push certificate.
var ErrTopic = errors.New("apple: unknown topic")

// ErrIdentity refuses a message of a device that gives no name, or one that no
// device has, and of one that keeps its UDID to itself without being invited as
// device.IOSUserEnrollment, as no Mac is.
var ErrIdentity = errors.New("apple: no device in the message")

// maxName is more than the longest name that a device has for itself.
const maxName = 128

// CheckIns turns what devices say to an MDM server into enrollments and
// observations. It may be told of messages late, repeated and in any order, each
// with its time; it is safe for concurrent use.
//
// Its errors are those of enrollment.Service.EnrollManaged and Observe, [ErrTopic]
// and [ErrIdentity]; [AnswerTo] says what the device is told.
type CheckIns struct {
	Service *enrollment.Service // required
	// Topic refuses messages of other topics. Empty: takes all.
	Topic string
}

// Authenticate enrolls a device by the grant behind its certificate: it is there,
// and its management profile is missing. After a TokenUpdate that came first it says
// what the device is. It brings back a device that has left.
// An enrollment that is not of ours is left alone.
func (c CheckIns) Authenticate(ctx context.Context, from Sender, m Authenticate, at time.Time) (enrollment.Status, error) {
	if err := c.check(m.Identity, m.Topic); err != nil {
		return enrollment.Status{}, err
	}
	claim := enrollment.Claim{
		Platform: platformOf(m.ProductName), Manufacturer: "Apple",
		Name: m.DeviceName, Model: modelOf(m.ProductName, m.ModelName, m.Model), OSVersion: m.OSVersion,
		Hardware: hardware(m.Identity, m.SerialNumber, m.IMEI, m.MEID),
	}
	if from.Enrollment == "" {
		return c.observe(ctx, from, m.Identity, device.Observation{
			At: at, Hardware: claim.Hardware, Name: claim.Name, Manufacturer: claim.Manufacturer, Model: claim.Model, OSVersion: claim.OSVersion,
		})
	}
	return c.enroll(ctx, from, m.Identity, claim, true, at)
}

// TokenUpdate notes that the device can be managed. The first one enrolls the
// device if its Authenticate has not come yet. What comes over the channel of a
// user is a sign of life.
func (c CheckIns) TokenUpdate(ctx context.Context, from Sender, m TokenUpdate, at time.Time) (enrollment.Status, error) {
	if err := c.check(m.Identity, m.Topic); err != nil {
		return enrollment.Status{}, err
	}
	if m.userChannel() {
		return c.observe(ctx, from, m.Identity, device.Observation{At: at})
	}
	if from.Enrollment != "" {
		claim := enrollment.Claim{Manufacturer: "Apple", Hardware: hardware(m.Identity, "", "", "")}
		if _, err := c.enroll(ctx, from, m.Identity, claim, false, at); err != nil {
			return enrollment.Status{}, err
		}
	}
	return c.observe(ctx, from, m.Identity, device.Observation{
		At: at, Facts: map[device.Fact]bool{device.ManagementProfile: true},
	})
}

// CheckOut notes that the device has left. A goodbye without a topic is one.
func (c CheckIns) CheckOut(ctx context.Context, from Sender, m CheckOut, at time.Time) (enrollment.Status, error) {
	if m.Topic == "" {
		m.Topic = c.Topic
	}
	if err := c.check(m.Identity, m.Topic); err != nil {
		return enrollment.Status{}, err
	}
	if m.userChannel() {
		return c.observe(ctx, from, m.Identity, device.Observation{At: at})
	}
	return c.observe(ctx, from, m.Identity, device.Observation{At: at, Left: true})
}

// Connect notes a sign of life. It never brings back a device that has left.
func (c CheckIns) Connect(ctx context.Context, from Sender, m Connect, at time.Time) (enrollment.Status, error) {
	if err := c.check(m.Identity, c.Topic); err != nil {
		return enrollment.Status{}, err
	}
	return c.observe(ctx, from, m.Identity, device.Observation{At: at})
}

// DeviceInformation notes what the device is, as its inventory.
func (c CheckIns) DeviceInformation(ctx context.Context, from Sender, m DeviceInformation, at time.Time) (enrollment.Status, error) {
	if err := c.check(m.Identity, c.Topic); err != nil {
		return enrollment.Status{}, err
	}
	inventory, err := json.Marshal(m.inventory())
	if err != nil {
		return enrollment.Status{}, errors.New("apple: the answer is no inventory")
	}
	o := device.Observation{
		At: at, Name: m.DeviceName, Manufacturer: "Apple", Model: modelOf(m.ProductName, m.ModelName, m.Model), OSVersion: m.OSVersion,
		Hardware: hardware(m.Identity, m.SerialNumber, m.IMEI, m.MEID), Inventory: inventory,
	}
	if m.IsSupervised != nil {
		o.Facts = map[device.Fact]bool{device.Supervised: *m.IsSupervised}
	}
	return c.observe(ctx, from, m.Identity, o)
}

// SecurityInfo notes whether somebody approved the profile of a Mac.
func (c CheckIns) SecurityInfo(ctx context.Context, from Sender, m SecurityInfo, at time.Time) (enrollment.Status, error) {
	if err := c.check(m.Identity, c.Topic); err != nil {
		return enrollment.Status{}, err
	}
	o := device.Observation{At: at}
	if m.UserApprovedEnrollment != nil {
		o.Facts = map[device.Fact]bool{device.UserApproved: *m.UserApprovedEnrollment}
	}
	return c.observe(ctx, from, m.Identity, o)
}

func (c CheckIns) check(i Identity, topic string) error {
	id := i.id()
	if id == "" || len(id) > maxName || !plain(id) || strings.ContainsAny(id, "\n\t") {
		return ErrIdentity
	}
	if c.Topic != "" && topic != c.Topic {
		return ErrTopic
	}
	return nil
}

func (c CheckIns) enroll(ctx context.Context, from Sender, i Identity, claim enrollment.Claim, again bool, at time.Time) (enrollment.Status, error) {
	r := enrollment.ManagedRequest{
		Site: from.Site, Source: device.SourceMDM, Grant: from.Enrollment, Again: again, At: at,
		Ref:    device.Ref{Source: EnrollmentRef, ID: from.Enrollment},
		Refs:   []device.Ref{{Source: RefSource, ID: i.id()}},
		Was:    from.Device,
		Device: claim, Platform: device.IOS,
	}
	switch {
	case i.private() && claim.Platform == device.MacOS:
		return enrollment.Status{}, ErrIdentity // its mode is every Mac's, and invites nobody to that
	case i.private():
		// Whoever likes can leave his UDID out; it is for who invites to allow that.
		r.Device.Platform, r.Mode, r.AsInvited = device.IOS, device.IOSUserEnrollment, true
	case claim.Platform == device.MacOS:
		r.Device.Platform, r.Mode = device.MacOS, device.MacOSMode
	}
	in, err := c.Service.EnrollManaged(ctx, r)
	if v, ok := errors.AsType[*enrollment.ValidationError](err); ok && r.AsInvited && v.Fields[0].Field == "mode" {
		err = ErrIdentity
	}
	if err != nil {
		return enrollment.Status{}, err
	}
	return enrollment.Status{Device: in.Device.ID, State: in.Device.State, Missing: in.Missing, Waits: in.Waits, Next: in.Next, Seq: in.Seq}, nil
}

func (c CheckIns) observe(ctx context.Context, from Sender, i Identity, o device.Observation) (enrollment.Status, error) {
	o.Site, o.Source = from.Site, device.SourceMDM
	if from.Enrollment != "" {
		// Not by the device's id: it may have another enrollment by now, of which
		// this one says nothing.
		o.Ref, o.Was = device.Ref{Source: EnrollmentRef, ID: from.Enrollment}, from.Device
	} else {
		o.Ref, o.Device = device.Ref{Source: RefSource, ID: i.id()}, from.Device
	}
	return c.Service.Observe(ctx, o)
}

// hardware is what identifies a device, nothing in a user enrollment: there the
// ids are forbidden, whatever the message says.
func hardware(i Identity, serial, imei, meid string) device.Hardware {
	if i.private() {
		return device.Hardware{}
	}
	if imei == "" {
		imei = meid
	}
	return device.Hardware{UDID: i.UDID, Serial: serial, IMEI: strings.ReplaceAll(imei, " ", "")}
}

// modelOf prefers the name that tells models apart.
func modelOf(names ...string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return ""
}

// inventory is the answer by Apple's names, without what identifies a person's
// own device.
func (m DeviceInformation) inventory() map[string]any {
	out := maps.Clone(m.More)
	if out == nil {
		out = map[string]any{}
	}
	for _, e := range []struct {
		name, value string
		identifies  bool
	}{
		{"DeviceName", m.DeviceName, false}, {"OSVersion", m.OSVersion, false}, {"BuildVersion", m.BuildVersion, false},
		{"ProductName", m.ProductName, false}, {"Model", m.Model, false}, {"ModelName", m.ModelName, false},
		{"SerialNumber", m.SerialNumber, true}, {"IMEI", m.IMEI, true}, {"MEID", m.MEID, true}, {"UDID", m.UDID, true},
	} {
		delete(out, e.name)
		if e.value != "" && (!e.identifies || !m.private()) {
			out[e.name] = e.value
		}
	}
	if m.IsSupervised != nil {
		out["IsSupervised"] = *m.IsSupervised
	}
	return out
}
