package apple

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Profile is an enrollment profile: the MDM payload and the payload that gets
// the device its identity, SCEP or ACME, exactly one of the two.
type Profile struct {
	// Identifier is PayloadIdentifier, in reverse DNS; a profile with the same one
	// replaces its predecessor on a device. Payloads have it as a prefix. Required.
	Identifier string
	// UUID makes the UUIDs of the profile and of its payloads: the same text, the
	// same UUIDs. Required, and of one profile alone.
	UUID string

	DisplayName  string // required
	Organization string
	Description  string
	// ConsentText is what a person has to agree to, by language; "default" for
	// all others.
	ConsentText map[string]string
	// System says that it is for the whole computer (PayloadScope System, macOS).
	System bool
	// RemovalDisallowed keeps it on supervised devices.
	RemovalDisallowed bool

	MDM  MDM
	SCEP *SCEP
	ACME *ACME
}

// MDM is the payload com.apple.mdm.
type MDM struct {
	// Topic is that of the push certificate, "com.apple.mgmt...". Required.
	Topic string
	// ServerURL answers for commands. Required; devices want https.
	ServerURL string
	// CheckInURL answers for check-ins. Empty: ServerURL.
	CheckInURL string
	// AccessRights are what the server may do. 0: [AllRights]; left out in user
	// enrollments, which have none.
	AccessRights AccessRights
	// Unsigned leaves out the signature of messages (SignMessage), for servers
	// that take the device's certificate from TLS.
	Unsigned bool
	// Stays leaves out the goodbye of a device whose profile is removed
	// (CheckOutWhenRemoved).
	Stays bool
	// Capabilities are ServerCapabilities. Nil: per-user connections and the
	// bootstrap token.
	Capabilities []string
	// EnrollmentMode is "BYOD" or "ADDE" for enrollments that are driven by a
	// managed Apple account; AssignedManagedAppleID is the account then.
	EnrollmentMode         string
	AssignedManagedAppleID string
}

// AccessRights is the bit mask of what a server may do on a device.
type AccessRights int

// The rights of Apple's table.
const (
	InspectProfiles     AccessRights = 1
	InstallProfiles     AccessRights = 2 // needs InspectProfiles
	LockDevice          AccessRights = 4
	EraseDevice         AccessRights = 8
	InspectDevice       AccessRights = 16
	InspectNetwork      AccessRights = 32
	InspectProvisioning AccessRights = 64
	InstallProvisioning AccessRights = 128 // needs InspectProvisioning
	InspectApps         AccessRights = 256
	InspectRestrictions AccessRights = 512
	InspectSecurity     AccessRights = 1024
	ManageSettings      AccessRights = 2048
	ManageApps          AccessRights = 4096
	AllRights           AccessRights = 8191
)

// SCEP is the payload com.apple.security.scep.
type SCEP struct {
	URL       string // required
	Name      string
	Challenge string // required: whoever shows it gets a certificate
	// CommonName and Organization make the subject; CommonName is required.
	CommonName, Organization string
	KeySize                  int    // 0: 2048
	CAFingerprint            []byte // of the CA's certificate; empty: TLS vouches for it
}

// ACME is the payload com.apple.security.acme, with a key in the device's
// hardware.
type ACME struct {
	DirectoryURL     string // required
	ClientIdentifier string // required: whoever shows it gets a certificate
	CommonName       string // required
	Organization     string
	Attest           bool // the device proves what it is to Apple's CA
}

const (
	longestChallenge = 255 // PKCS #9 allows no more
	topicPrefix      = "com.apple.mgmt."
)

var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9][A-Za-z0-9-]*)+$`)

// Encode returns the profile as an XML property list, unsigned. Its error names
// the key that is wrong and not its value: a profile carries a secret.
func (p Profile) Encode() ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("apple: profile: %w", err)
	}
	identity, identityUUID := p.identityPayload()
	scope := ""
	if p.System {
		scope = "System"
	}
	consent := dict{}
	for _, language := range slices.Sorted(maps.Keys(p.ConsentText)) {
		consent = append(consent, pair{language, p.ConsentText[language]})
	}
	top := dict{
		{"PayloadType", "Configuration"}, {"PayloadVersion", 1},
		{"PayloadIdentifier", p.Identifier}, {"PayloadUUID", uuidOf(p.UUID, "profile")},
		{"PayloadDisplayName", p.DisplayName}, {"PayloadOrganization", p.Organization},
		{"PayloadDescription", p.Description}, {"PayloadScope", scope}, {"ConsentText", consent},
	}
	if p.RemovalDisallowed {
		top = append(top, pair{"PayloadRemovalDisallowed", true})
	}
	top = append(top, pair{"PayloadContent", []any{identity, p.mdmPayload(identityUUID)}})
	out := newPlist()
	out.value(top)
	return out.finish(), nil
}

// identityPayload is the payload of the device's identity, and its UUID.
func (p Profile) identityPayload() (dict, string) {
	id := uuidOf(p.UUID, "identity")
	if a := p.ACME; a != nil {
		payload := dict{
			{"PayloadType", "com.apple.security.acme"}, {"PayloadVersion", 1},
			{"PayloadIdentifier", p.Identifier + ".acme"}, {"PayloadUUID", id},
			{"PayloadDisplayName", p.DisplayName}, {"PayloadOrganization", p.Organization},
			{"DirectoryURL", a.DirectoryURL}, {"ClientIdentifier", a.ClientIdentifier},
			{"KeyType", "ECSECPrimeRandom"}, {"KeySize", 384}, {"HardwareBound", true},
			{"Subject", subject(a.CommonName, a.Organization)},
		}
		if a.Attest {
			payload = append(payload, pair{"Attest", true})
		}
		return payload, id
	}
	s := p.SCEP
	size := s.KeySize
	if size == 0 {
		size = 2048 // the device's own default is 1024
	}
	const signAndEncrypt = 5
	return dict{
		{"PayloadType", "com.apple.security.scep"}, {"PayloadVersion", 1},
		{"PayloadIdentifier", p.Identifier + ".scep"}, {"PayloadUUID", id},
		{"PayloadDisplayName", p.DisplayName}, {"PayloadOrganization", p.Organization},
		{"PayloadContent", dict{
			{"URL", s.URL}, {"Name", s.Name}, {"Challenge", s.Challenge}, {"Subject", subject(s.CommonName, s.Organization)},
			{"Key Type", "RSA"}, {"Keysize", size}, {"Key Usage", signAndEncrypt}, {"CAFingerprint", s.CAFingerprint},
		}},
	}, id
}

func (p Profile) mdmPayload(identity string) dict {
	m := p.MDM
	rights := m.AccessRights
	if rights == 0 {
		rights = AllRights
	}
	if m.EnrollmentMode == "BYOD" {
		rights = 0
	}
	capabilities := m.Capabilities
	if capabilities == nil {
		capabilities = []string{"com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken"}
	}
	return dict{
		{"PayloadType", "com.apple.mdm"}, {"PayloadVersion", 1},
		{"PayloadIdentifier", p.Identifier + ".mdm"}, {"PayloadUUID", uuidOf(p.UUID, "mdm")},
		{"PayloadDisplayName", p.DisplayName}, {"PayloadOrganization", p.Organization},
		{"IdentityCertificateUUID", identity}, {"Topic", m.Topic},
		{"ServerURL", m.ServerURL}, {"CheckInURL", m.CheckInURL}, {"AccessRights", int(rights)},
		{"SignMessage", !m.Unsigned}, {"CheckOutWhenRemoved", !m.Stays}, {"ServerCapabilities", capabilities},
		{"EnrollmentMode", m.EnrollmentMode}, {"AssignedManagedAppleID", m.AssignedManagedAppleID},
	}
}

// subject is a distinguished name as Apple wants it: lists of lists of pairs.
func subject(commonName, organization string) []any {
	name := []any{[]any{[]string{"CN", commonName}}}
	if organization != "" {
		name = append(name, []any{[]string{"O", organization}})
	}
	return name
}

// validate says which key is missing or wrong.
func (p Profile) validate() error {
	for _, c := range []struct {
		key string
		ok  bool
	}{
		{"PayloadIdentifier", identifier.MatchString(p.Identifier)},
		{"PayloadUUID", p.UUID != ""},
		{"PayloadDisplayName", p.DisplayName != ""},
		{"PayloadContent", (p.SCEP == nil) != (p.ACME == nil)},
		{"Topic", strings.HasPrefix(p.MDM.Topic, topicPrefix) && len(p.MDM.Topic) > len(topicPrefix)},
		{"ServerURL", address(p.MDM.ServerURL)},
		{"CheckInURL", p.MDM.CheckInURL == "" || address(p.MDM.CheckInURL)},
		{"AccessRights", p.MDM.AccessRights.valid()},
		{"EnrollmentMode", slices.Contains([]string{"", "BYOD", "ADDE"}, p.MDM.EnrollmentMode)},
		{"AssignedManagedAppleID", (p.MDM.EnrollmentMode == "") == (p.MDM.AssignedManagedAppleID == "")},
	} {
		if !c.ok {
			return errors.New("the key " + c.key + " is missing or malformed")
		}
	}
	texts := map[string]string{
		"PayloadDisplayName": p.DisplayName, "PayloadOrganization": p.Organization, "PayloadDescription": p.Description,
		"Topic": p.MDM.Topic, "AssignedManagedAppleID": p.MDM.AssignedManagedAppleID,
	}
	for language, text := range p.ConsentText {
		texts["ConsentText"] += language + text
	}
	if s := p.SCEP; s != nil {
		switch {
		case !address(s.URL):
			return errors.New("the key URL is missing or malformed")
		case s.Challenge == "" || len(s.Challenge) > longestChallenge:
			return fmt.Errorf("the key Challenge is missing or longer than %d characters", longestChallenge)
		case s.CommonName == "" || s.KeySize < 0 || s.KeySize != 0 && s.KeySize < 2048:
			return errors.New("the keys Subject or Keysize are missing or malformed")
		}
		texts["Subject"], texts["Name"], texts["Challenge"] = s.CommonName+s.Organization, s.Name, s.Challenge
	}
	if a := p.ACME; a != nil {
		if !address(a.DirectoryURL) || a.ClientIdentifier == "" || a.CommonName == "" {
			return errors.New("the keys DirectoryURL, ClientIdentifier or Subject are missing or malformed")
		}
		texts["Subject"], texts["ClientIdentifier"] = a.CommonName+a.Organization, a.ClientIdentifier
	}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if !plain(texts[key]) {
			return errors.New("the key " + key + " has characters that no profile can hold")
		}
	}
	return nil
}

// valid says whether Apple takes the mask.
func (r AccessRights) valid() bool {
	needs := func(right, other AccessRights) bool { return r&right == 0 || r&other != 0 }
	return r >= 0 && r <= AllRights && needs(InstallProfiles, InspectProfiles) && needs(InstallProvisioning, InspectProvisioning)
}

// address says whether a text is an address that a profile can hold. Devices
// want https; plain http is for trying out on one machine.
func address(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && plain(s)
}
