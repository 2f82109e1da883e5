package enrollment

import (
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// RefSource is the Ref.Source under which [Service.ExportDevices] names devices
// that no other system knows: Ref.ID is then their id here.
const RefSource = "enrollkit"

// Adoption is one device that another system manages already. Its JSON is a line
// of [ReadAdoptions].
type Adoption struct {
	// Ref is the device in that system; required. It makes an adoption
	// repeatable, and is what [Service.Observe] names the device by from then on.
	Ref device.Ref `json:"ref"`
	// MoreRefs are its ids in further systems, at most one of each.
	MoreRefs []device.Ref `json:"more_refs,omitempty"`

	// User is whose device it is, by the directory's id; or Email says who, with
	// UserName for a person outside the directory. One of the two is required.
	User     string `json:"user_id,omitempty"`
	Email    string `json:"email,omitempty"`
	UserName string `json:"user_name,omitempty"`

	Platform  device.Platform  `json:"platform"`            // required
	Mode      device.Mode      `json:"mode,omitempty"`      // empty: the platform's default
	Ownership device.Ownership `json:"ownership,omitempty"` // empty: as the mode implies
	State     device.State     `json:"state"`               // required; any

	Hardware     device.Hardware `json:"hardware,omitzero"`
	Name         string          `json:"name,omitempty"`
	Manufacturer string          `json:"manufacturer,omitempty"`
	Model        string          `json:"model,omitempty"`
	OSVersion    string          `json:"os_version,omitempty"`

	// Facts are what Ref.Source knows of it. Without any, a device that is active
	// or unresponsive counts as having all that its mode requires; with some, an
	// active one must have all that is required.
	Facts map[device.Fact]bool `json:"facts,omitempty"`

	// Times in the future count as now.
	EnrolledAt  time.Time `json:"enrolled_at,omitzero"`  // zero: LastContact
	LastContact time.Time `json:"last_contact,omitzero"` // zero: now; from then on silence counts
	Since       time.Time `json:"since,omitzero"`        // when it entered State; zero: now
}

// AdoptOutcome says what an adoption did.
type AdoptOutcome string

const (
	// Adopted: there is a new device.
	Adopted AdoptOutcome = "created"
	// AdoptLinked: the user has a device of this hardware here. It got the Ref;
	// one that was unenrolled is in the given state again, in a new generation.
	AdoptLinked AdoptOutcome = "linked"
	// AdoptUnchanged: a device with this Ref is there. Nothing was done.
	AdoptUnchanged AdoptOutcome = "unchanged"
)

// AdoptResult is what became of one Adoption.
type AdoptResult struct {
	Ref      device.Ref
	Device   string       // its id here; empty with Err
	Outcome  AdoptOutcome // empty with Err
	Conflict string       // the device of another user that has this hardware's identity
	Err      error        // why it was not taken; Code gives its name
}

// maxMoreRefs is how many further refs a row may have.
const maxMoreRefs = 16

// validate checks what needs no look at the store.
func (a Adoption) validate(site Site) error {
	var fields []FieldError
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
	if code := codeOfRef(a.Ref); code != "" {
		add("ref", code)
	}
	if len(a.MoreRefs) > maxMoreRefs {
		return invalid("more_refs", "too_many")
	}
	sources := map[string]bool{a.Ref.Source: true}
	for i, ref := range a.MoreRefs {
		code := codeOfRef(ref)
		if code == "" && sources[ref.Source] {
			code = "repeated"
		}
		if sources[ref.Source] = true; code != "" {
			add(fmt.Sprintf("more_refs[%d]", i), code)
		}
	}
	switch {
	case a.User == "" && a.Email == "":
		add("user_id", "required")
	case a.User == "":
		if _, err := credentials.CanonicalEmail(trimAddress(a.Email)); err != nil {
			add("email", "malformed")
		}
	case len(a.User) > maxID:
		add("user_id", "too_long")
	case !plainText(a.User):
		add("user_id", "malformed")
	}
	if !a.Platform.Valid() {
		add("platform", codeFor(string(a.Platform)))
	}
	switch {
	case a.Mode == "":
	case a.Mode.Platform() == "":
		add("mode", "unknown")
	case a.Platform.Valid() && a.Mode.Platform() != a.Platform:
		add("mode", "mismatch")
	}
	if a.Ownership != "" && !a.Ownership.Valid() {
		add("ownership", "unknown")
	}
	fields = append(fields, checkFacts(device.Source(a.Ref.Source), a.Facts)...)
	switch {
	case !knownState(a.State):
		add("state", codeFor(string(a.State)))
	case a.State == device.Active && len(a.Facts) > 0 && a.lacks(site.Policy.Requirements):
		add("state", "mismatch")
	}
	fields = append(fields, checkTexts("", [][2]string{
		{"user_name", a.UserName}, {"name", a.Name}, {"manufacturer", a.Manufacturer}, {"model", a.Model}, {"os_version", a.OSVersion},
	})...)
	fields = append(fields, checkTexts("hardware.", [][2]string{
		{"udid", a.Hardware.UDID}, {"esid", a.Hardware.ESID}, {"hwdevid", a.Hardware.HWDevID},
		{"serial", a.Hardware.Serial}, {"imei", a.Hardware.IMEI},
	})...)
	if len(fields) > 0 {
		return &ValidationError{Fields: fields}
	}
	return nil
}

// facts are what a row says, or what its state says where it has none.
func (a Adoption) facts(r device.Requirements) map[device.Fact]bool {
	if len(a.Facts) > 0 || a.State != device.Active && a.State != device.Unresponsive {
		return a.Facts
	}
	implied := map[device.Fact]bool{}
	for _, fact := range r.Of(a.mode()) {
		implied[fact] = true
	}
	return implied
}

// lacks reports whether the row's facts leave something to be required.
func (a Adoption) lacks(r device.Requirements) bool {
	for _, fact := range r.Of(a.mode()) {
		if !a.Facts[fact] {
			return true
		}
	}
	return false
}

func (a Adoption) mode() device.Mode {
	if a.Mode != "" {
		return a.Mode
	}
	return device.DefaultMode(a.Platform)
}

// codeOfRef says what is wrong with a ref; "": nothing.
func codeOfRef(r device.Ref) string {
	switch {
	case r.Source == "" || r.ID == "":
		return "required"
	case r.Source == string(device.SourceAgent):
		return "not_allowed" // the agent has reports, which it signs for
	case len(r.Source) > maxID || !plainText(r.Source) || !plainText(r.ID):
		return "malformed"
	}
	return ""
}

func knownState(s device.State) bool {
	for _, known := range device.States() {
		if s == known {
			return true
		}
	}
	return false
}
