package android

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// Notification is what the other system says of a device, as Pub/Sub delivers it:
// at least once, in any order.
type Notification struct {
	Type string // "ENROLLMENT", "STATUS_REPORT"; others are taken and say nothing
	ID   string
	Data []byte // the device, as JSON
}

// MaxNotification is the longest body of a push that is read, in bytes.
const MaxNotification = 1 << 20

// maxDeviceName is the longest name of a device in the other system: a Ref's id.
const maxDeviceName = 256

// ErrNotification refuses a body that is no notification.
var ErrNotification = errors.New("android: not a notification")

// ParsePush reads the body of a push subscription. That the request came from the
// subscription, by its bearer token, is the caller's to check.
func ParsePush(body []byte) (Notification, error) {
	var push struct {
		Message struct {
			Attributes struct {
				Type string `json:"notificationType"`
			} `json:"attributes"`
			ID   string `json:"messageId"`
			Data string `json:"data"`
		} `json:"message"`
	}
	if len(body) > MaxNotification || !utf8.Valid(body) || json.Unmarshal(body, &push) != nil || push.Message.ID == "" {
		return Notification{}, ErrNotification
	}
	data, err := base64.StdEncoding.DecodeString(push.Message.Data)
	if err != nil {
		return Notification{}, ErrNotification
	}
	return Notification{Type: push.Message.Attributes.Type, ID: push.Message.ID, Data: data}, nil
}

// reported is the part of a device resource that is read here.
type reported struct {
	Name           string    `json:"name"`
	AppliedState   string    `json:"appliedState"`
	Ownership      string    `json:"ownership"`
	ManagementMode string    `json:"managementMode"`
	TokenData      string    `json:"enrollmentTokenData"`
	Enrolled       time.Time `json:"enrollmentTime"`
	Reported       time.Time `json:"lastStatusReportTime"`
	Hardware       struct {
		Manufacturer string `json:"manufacturer"`
		Brand        string `json:"brand"`
		Model        string `json:"model"`
		Serial       string `json:"serialNumber"`
		ESID         string `json:"enterpriseSpecificId"`
	} `json:"hardwareInfo"`
	Software struct {
		Version string `json:"androidVersion"`
	} `json:"softwareInfo"`
	Network struct {
		IMEI string `json:"imei"`
	} `json:"networkInfo"`
}

// Notify turns what the other system says of a device into its enrollment, by the
// grant that its token carried, and into an observation by its Ref. It may be told
// again, late and in any order.
//
// A device that carries no grant and is not known by its Ref answers
// enrollment.ErrNotFound: it is not ours, and the caller takes the message. One
// that is not admitted, because its invitation ended since its token was made or
// because another device came by the same token, answers an error of which
// [Refused] is true: it is in the other system, and the caller has it deleted there.
//
// A grant lives for enrollment.MaxGrantLife, judged by the time at which the device
// enrolled where the message has it, and may be heard of for as long again. What
// comes later answers enrollment.ErrGrantExpired, and so does a device that enrolled
// before its invitation or its login expired and is heard of after it. That is not Refused: it
// was an outage rather than the device. The caller takes the message and tells an
// administrator, who has the device enroll again or adopts it. The same goes for
// enrollment.ErrSiteFull: while the grant is good, a later message of the device
// brings it in once there is room.
func (m *Managed) Notify(ctx context.Context, site string, n Notification) (enrollment.Status, error) {
	svc, err := m.service()
	if err != nil {
		return enrollment.Status{}, err
	}
	switch n.Type {
	case "ENROLLMENT", "STATUS_REPORT":
	default:
		return enrollment.Status{}, nil
	}
	d, err := readReported(n.Data)
	if err != nil {
		return enrollment.Status{}, err
	}
	o := d.observation(site, m.cfg.Source, svc.Now())
	status, err := svc.Observe(ctx, o)
	if !errors.Is(err, enrollment.ErrNotFound) || d.TokenData == "" || o.Left {
		return status, err
	}
	// The first that is heard of it, whichever of its messages that is.
	mode, grant, _ := strings.Cut(d.TokenData, dataSeparator)
	// Another site's grant is not spent here. What else is wrong, the use says.
	if g, _, _ := svc.OpenGrant(ctx, TokenUse, credentials.SecretString(grant)); g.Site != "" && g.Site != site {
		return enrollment.Status{}, enrollment.ErrGrantRefused
	}
	g, err := svc.UseGrantAt(ctx, TokenUse, credentials.SecretString(grant), "", d.Enrolled)
	if errors.Is(err, enrollment.ErrGrantUsed) {
		err = nil // by the same device, or EnrollManaged says so again
	}
	if err != nil {
		return enrollment.Status{}, d.late(err)
	}
	_, err = svc.EnrollManaged(ctx, enrollment.ManagedRequest{
		Site: site, Source: m.cfg.Source, Grant: g.ID, Ref: o.Ref, At: o.At,
		Ownership: d.ownership(), Mode: d.mode(device.Mode(mode)),
		Device: enrollment.Claim{
			Platform: device.Android, Hardware: o.Hardware, Name: o.Name,
			Manufacturer: o.Manufacturer, Model: o.Model, OSVersion: o.OSVersion,
		},
	})
	switch {
	case errors.Is(err, enrollment.ErrStale): // the hardware has enrolled anew since
		return enrollment.Status{}, nil
	case err != nil:
		return enrollment.Status{}, d.late(err)
	}
	return svc.Observe(ctx, o)
}

// late says of a device that enrolled before its invitation or its login expired
// that it is too late to admit it, rather than that it is not wanted.
func (d reported) late(err error) error {
	var end time.Time
	if expired, ok := errors.AsType[*invitation.ExpiredError](err); ok {
		end = expired.At
	}
	if expired, ok := errors.AsType[*enrollment.LoginExpiredError](err); ok {
		end = expired.At
	}
	if !d.Enrolled.IsZero() && d.Enrolled.Before(end) {
		return enrollment.ErrGrantExpired
	}
	return err
}

// Refused says that a device was turned away for good by what admits it.
// enrollment.ErrGrantExpired is none: that a message came late must not cost a person
// the device, see [Managed.Notify]. Nor is enrollment.ErrSiteFull: a number that
// somebody set too low must not have a fleet wiped.
func Refused(err error) bool {
	for _, refusal := range []error{
		enrollment.ErrInvitationUnknown, enrollment.ErrCredentialRefused, enrollment.ErrDeviceGone,
		enrollment.ErrGrantRefused, enrollment.ErrGrantUsed,
		invitation.ErrDeactivated, invitation.ErrExpired, invitation.ErrExhausted,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

func readReported(data []byte) (reported, error) {
	var d reported
	if len(data) > MaxNotification || !utf8.Valid(data) || json.Unmarshal(data, &d) != nil {
		return reported{}, ErrNotification
	}
	if !strings.HasPrefix(d.Name, "enterprises/") || len(d.Name) > maxDeviceName || !isPlain(d.Name) {
		return reported{}, ErrNotification
	}
	return d, nil
}

// observation is what the message says. Without a time of its own it is of now.
func (d reported) observation(site string, source device.Source, now time.Time) device.Observation {
	at := d.Reported
	if at.IsZero() {
		at = d.Enrolled
	}
	// A goodbye is that of this enrollment, whenever we heard of the enrollment: a
	// device that enrolls again has another name there.
	if at.IsZero() || d.AppliedState == "DELETED" {
		at = now
	}
	o := device.Observation{
		Site: site, Source: source, Ref: device.Ref{Source: string(source), ID: d.Name}, At: at,
		Manufacturer: shorten(d.Hardware.Manufacturer), Model: shorten(d.Hardware.Model), OSVersion: shorten(d.Software.Version),
		Hardware: d.hardware(), Left: d.AppliedState == "DELETED",
	}
	if o.Manufacturer == "" {
		o.Manufacturer = shorten(d.Hardware.Brand)
	}
	if o.Model != "" {
		o.Name = strings.TrimSpace(o.Manufacturer + " " + o.Model)
		o.Inventory, _ = json.Marshal(map[string]string{ // texts cannot fail
			"manufacturer": o.Manufacturer, "model": o.Model, "android_version": o.OSVersion,
		})
	}
	// Until a policy is applied, it is there and not managed. When it is locked
	// afterwards, it is managed all the more.
	switch managed := d.AppliedState == "ACTIVE" || d.AppliedState == "DISABLED" || d.AppliedState == "LOST"; {
	case managed, d.AppliedState == "PROVISIONING":
		o.Facts = map[device.Fact]bool{device.AgentInstalled: true, device.Permissions: managed}
		if d.ManagementMode == "DEVICE_OWNER" {
			o.Facts[device.DeviceOwner] = managed
		} else {
			o.Facts[device.WorkProfile] = managed
		}
	}
	return o
}

// hardware is what identifies it. On a person's own device the serial number is
// the enterprise-specific id again.
func (d reported) hardware() device.Hardware {
	h := device.Hardware{ESID: shorten(d.Hardware.ESID)}
	if d.Ownership != "PERSONALLY_OWNED" {
		h.Serial, h.IMEI = shorten(d.Hardware.Serial), shorten(d.Network.IMEI)
	}
	return h
}

func (d reported) ownership() device.Ownership {
	switch d.Ownership {
	case "COMPANY_OWNED":
		return device.Company
	case "PERSONALLY_OWNED":
		return device.Personal
	}
	return ""
}

// mode is what the message tells apart, and of a company's device without a work
// profile what its token was made for.
func (d reported) mode(asked device.Mode) device.Mode {
	switch {
	case d.ManagementMode == "DEVICE_OWNER" && asked == device.AndroidDedicated:
		return asked
	case d.ManagementMode == "DEVICE_OWNER":
		return device.AndroidFullyManaged
	case d.ManagementMode == "PROFILE_OWNER" && d.Ownership == "COMPANY_OWNED":
		return device.AndroidCompanyWorkProfile
	case d.ManagementMode == "PROFILE_OWNER":
		return device.AndroidWorkProfile
	}
	return ""
}

// shorten leaves out what no device is called.
func shorten(s string) string {
	if len(s) > 256 || !isPlain(s) {
		return ""
	}
	return s
}
