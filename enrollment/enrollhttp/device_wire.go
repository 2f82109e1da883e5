package enrollhttp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// The bodies of the device API. Each type is a schema of openapi.yaml.

type enrollBody struct {
	EnrollmentID string            `json:"enrollment_id"`
	Credential   credentialBody    `json:"credential"`
	Ownership    device.Ownership  `json:"ownership"`
	Mode         device.Mode       `json:"mode"`
	Device       enrollingHardware `json:"device"`
}

type credentialBody struct {
	Type     string `json:"type"`
	Token    string `json:"token"`
	Email    string `json:"email"`
	PIN      string `json:"pin"`
	Username string `json:"username"`
	Password string `json:"password"`
}

type enrollingHardware struct {
	Platform     device.Platform `json:"platform"`
	UDID         string          `json:"udid"`
	Serial       string          `json:"serial"`
	IMEI         string          `json:"imei"`
	ESID         string          `json:"esid"`
	HWDevID      string          `json:"hwdevid"`
	Name         string          `json:"name"`
	Manufacturer string          `json:"manufacturer"`
	Model        string          `json:"model"`
	OSVersion    string          `json:"os_version"`
}

type enrolledBody struct {
	DeviceID    string        `json:"device_id"`
	DeviceToken string        `json:"device_token"`
	State       device.State  `json:"state"`
	Missing     []device.Fact `json:"missing"`
	Next        device.Action `json:"next"`
	Seq         int64         `json:"seq"`
}

type reportBody struct {
	Seq          int64                 `json:"seq"`
	Facts        map[device.Fact]*bool `json:"facts"`
	Inventory    json.RawMessage       `json:"inventory"`
	Name         string                `json:"name"`
	Manufacturer string                `json:"manufacturer"`
	Model        string                `json:"model"`
	OSVersion    string                `json:"os_version"`
}

type statusBody struct {
	State   device.State  `json:"state"`
	Missing []device.Fact `json:"missing"`
	Next    device.Action `json:"next"`
	Seq     int64         `json:"seq"`
}

type checkInBody struct {
	Seq int64 `json:"seq"`
}

// presented reads the credential. A field of another kind of credential is a
// contradiction, which nobody should have to guess at.
func (c credentialBody) presented() (enrollment.Presented, []httpkit.FieldProblem) {
	kinds := []struct {
		kind   string
		fields []string
	}{
		{"token", []string{"token"}},
		{"pin", []string{"email", "pin"}},
		{"one_time", []string{"username", "password"}},
	}
	values := []struct{ field, value string }{
		{"token", c.Token}, {"email", c.Email}, {"pin", c.PIN}, {"username", c.Username}, {"password", c.Password},
	}
	for _, k := range kinds {
		if k.kind != c.Type {
			continue
		}
		var bad []httpkit.FieldProblem
		for _, v := range values {
			mine := slices.Contains(k.fields, v.field)
			switch {
			case mine && v.value == "":
				bad = append(bad, httpkit.FieldProblem{Field: "credential." + v.field, Code: "required"})
			case !mine && v.value != "":
				bad = append(bad, httpkit.FieldProblem{Field: "credential." + v.field, Code: "mismatch"})
			}
		}
		return enrollment.Presented{
			Token: credentials.SecretString(c.Token), Email: c.Email, PIN: credentials.SecretString(c.PIN),
			Username: c.Username, Password: credentials.SecretString(c.Password),
		}, bad
	}
	code := "unknown"
	if c.Type == "" {
		code = "required"
	}
	return enrollment.Presented{}, []httpkit.FieldProblem{{Field: "credential.type", Code: code}}
}

// report reads what encoding/json cannot check by a type: a fact is true or
// false, and an inventory is an object.
func (b reportBody) report() (enrollment.Report, error) {
	facts := make(map[device.Fact]bool, len(b.Facts))
	for fact, value := range b.Facts {
		if value == nil {
			return enrollment.Report{}, wrongType()
		}
		facts[fact] = *value
	}
	inventory := []byte(b.Inventory)
	if string(inventory) == "null" {
		inventory = nil
	}
	if len(inventory) > 0 && !bytes.HasPrefix(inventory, []byte("{")) {
		return enrollment.Report{}, wrongType()
	}
	if len(inventory) > enrollment.MaxInventory {
		return enrollment.Report{}, &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "inventory", Code: "too_long"}}}
	}
	return enrollment.Report{
		Seq: b.Seq, Facts: facts, Inventory: inventory,
		Name: b.Name, Manufacturer: b.Manufacturer, Model: b.Model, OSVersion: b.OSVersion,
	}, nil
}

func wrongType() error {
	return &httpkit.BodyError{Status: http.StatusBadRequest, Code: httpkit.CodeBadJSON, Detail: "A field has the wrong type."}
}

// list is one that is [] on the wire when it is empty.
func list(facts []device.Fact) []device.Fact {
	if facts == nil {
		return []device.Fact{}
	}
	return facts
}
