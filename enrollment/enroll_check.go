package enrollment

import (
	"example.com/enrollkit/credentials"
)

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
	switch c := r.Credential; {
	case !c.Token.IsZero():
	case c.Username != "" || !c.Password.IsZero():
		for _, f := range (Login{Username: c.Username, Password: c.Password}).wrong(false) {
			add("credential."+f.Field, f.Code)
		}
	default:
		if _, err := credentials.CanonicalEmail(c.Email); err != nil {
			add("credential.email", codeOfText(c.Email))
		}
		if c.PIN.IsZero() {
			add("credential.pin", "required")
		} else if _, err := credentials.ParsePIN(c.PIN.Reveal()); err != nil {
			add("credential.pin", "malformed")
		}
	}
	fields = append(fields, r.wrongDevice()...)
	if len(fields) > 0 {
		return &ValidationError{Fields: fields}
	}
	return nil
}

// wrongDevice checks what a request says of the device.
func (r EnrollRequest) wrongDevice() (fields []FieldError) {
	add := func(field, code string) { fields = append(fields, FieldError{field, code}) }
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
	return fields
}

func codeOfText(s string) string {
	if s == "" {
		return "required"
	}
	return "malformed"
}
