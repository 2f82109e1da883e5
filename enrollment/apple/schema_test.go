package apple_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/apple"
)

// rule is one key of Apple's schema.
type rule struct {
	required bool
	ok       func(any) bool
}

var (
	anyText = func(v any) bool { s, ok := v.(string); return ok && s != "" }
	number  = func(v any) bool { _, ok := v.(int); return ok }
	boolean = func(v any) bool { _, ok := v.(bool); return ok }
	data    = func(v any) bool { _, ok := v.([]byte); return ok }
	anyDict = func(v any) bool { _, ok := v.(entries); return ok }
	is      = func(want any) func(any) bool { return func(v any) bool { return v == want } }
	matches = func(pattern string) func(any) bool {
		re := regexp.MustCompile(pattern)
		return func(v any) bool { s, ok := v.(string); return ok && re.MatchString(s) }
	}
	oneOf = func(list ...string) func(any) bool {
		return func(v any) bool { s, ok := v.(string); return ok && slices.Contains(list, s) }
	}
	texts = func(allowed ...string) func(any) bool {
		return func(v any) bool {
			list, ok := v.([]any)
			for _, item := range list {
				s, isText := item.(string)
				ok = ok && isText && (len(allowed) == 0 || slices.Contains(allowed, s))
			}
			return ok
		}
	}
	uuid = matches(`^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$`)
	// subject is a list of lists of pairs of texts.
	name = func(v any) bool {
		list, ok := v.([]any)
		for _, rdn := range list {
			set, isList := rdn.([]any)
			ok = ok && isList && len(set) > 0
			for _, pair := range set {
				p, isPair := pair.([]any)
				ok = ok && isPair && len(p) == 2 && anyText(p[0]) && anyText(p[1])
			}
		}
		return ok && len(list) > 0
	}
)

// schemas are Apple's published keys of the payloads that a profile of ours may
// have. A key that is not here is a mistake, even if a device ignores it.
var schemas = map[string]map[string]rule{
	"Configuration": {
		"PayloadType": {true, is("Configuration")}, "PayloadVersion": {true, is(1)}, "PayloadIdentifier": {true, anyText},
		"PayloadUUID": {true, uuid}, "PayloadContent": {true, func(v any) bool { l, ok := v.([]any); return ok && len(l) == 2 }},
		"PayloadDisplayName": {false, anyText}, "PayloadOrganization": {false, anyText}, "PayloadDescription": {false, anyText},
		"PayloadScope": {false, oneOf("System", "User")}, "PayloadRemovalDisallowed": {false, boolean}, "ConsentText": {false, anyDict},
	},
	"com.apple.mdm": {
		"IdentityCertificateUUID": {true, uuid}, "Topic": {true, matches(`^com\.apple\.mgmt\..+`)},
		"ServerURL": {true, matches(`^https://`)}, "CheckInURL": {false, matches(`^https://`)},
		"AccessRights": {false, func(v any) bool {
			n, ok := v.(int)
			return ok && n > 0 && n <= 8191 && (n&2 == 0 || n&1 != 0) && (n&128 == 0 || n&64 != 0)
		}},
		"SignMessage": {false, boolean}, "CheckOutWhenRemoved": {false, boolean},
		"ServerCapabilities": {false, texts("com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token")},
		"EnrollmentMode":     {false, oneOf("BYOD", "ADDE")}, "AssignedManagedAppleID": {false, anyText}, "UseDevelopmentAPNS": {false, boolean},
	},
	"com.apple.security.scep": {"PayloadContent": {true, anyDict}},
	"scep": {
		"URL": {true, matches(`^https?://`)}, "Name": {false, anyText}, "Subject": {false, name},
		"Challenge": {false, func(v any) bool { s, ok := v.(string); return ok && len(s) > 0 && len(s) <= 255 }},
		"Keysize":   {false, func(v any) bool { n, ok := v.(int); return ok && slices.Contains([]int{1024, 2048, 4096}, n) }},
		"Key Type":  {false, is("RSA")}, "Key Usage": {false, func(v any) bool { n, ok := v.(int); return ok && slices.Contains([]int{1, 4, 5}, n) }},
		"CAFingerprint": {false, data}, "Retries": {false, number}, "RetryDelay": {false, number}, "SubjectAltName": {false, anyDict},
		"KeyIsExtractable": {false, boolean}, "AllowAllAppsAccess": {false, boolean},
	},
	"com.apple.security.acme": {
		"DirectoryURL": {true, matches(`^https://`)}, "ClientIdentifier": {true, anyText}, "KeyType": {true, is("ECSECPrimeRandom")},
		"KeySize":       {true, func(v any) bool { n, ok := v.(int); return ok && (n == 256 || n == 384) }},
		"HardwareBound": {true, is(true)}, "Subject": {true, name}, "Attest": {false, boolean},
		"ExtendedKeyUsage": {false, texts()}, "UsageFlags": {false, number},
	},
}

// common are the keys of every payload.
var common = map[string]rule{
	"PayloadType": {true, anyText}, "PayloadVersion": {true, is(1)}, "PayloadIdentifier": {true, anyText}, "PayloadUUID": {true, uuid},
	"PayloadDisplayName": {false, anyText}, "PayloadOrganization": {false, anyText}, "PayloadDescription": {false, anyText},
}

// violations are what a profile has against Apple's schema.
func violations(profile entries) (list []string) {
	check := func(where string, d entries, schemas ...map[string]rule) {
		seen := map[string]bool{}
		for _, schema := range schemas {
			for key, r := range schema {
				v, there := d[key]
				seen[key] = true
				if r.required && !there || there && !r.ok(v) {
					list = append(list, fmt.Sprintf("%s: %s", where, key))
				}
			}
		}
		for key := range d {
			if !seen[key] {
				list = append(list, where+": "+key+" is no key")
			}
		}
	}
	check("profile", profile, schemas["Configuration"])
	uuids := map[any]string{profile["PayloadUUID"]: "profile"}
	var identity any
	payloads, _ := profile["PayloadContent"].([]any)
	for _, p := range payloads {
		payload, _ := p.(entries)
		kind, _ := payload["PayloadType"].(string)
		schema, known := schemas[kind]
		if !known {
			list = append(list, "payload "+kind)
			continue
		}
		check(kind, payload, common, schema)
		if other, taken := uuids[payload["PayloadUUID"]]; taken {
			list = append(list, kind+" has the UUID of "+other)
		}
		uuids[payload["PayloadUUID"]] = kind
		if kind == "com.apple.security.scep" {
			content, _ := payload["PayloadContent"].(entries)
			check("scep", content, schemas["scep"])
		}
		if kind != "com.apple.mdm" {
			identity = payload["PayloadUUID"]
			continue
		}
		mode, byAccount := payload["EnrollmentMode"]
		if _, account := payload["AssignedManagedAppleID"]; account != byAccount {
			list = append(list, "an account without a mode, or a mode without an account")
		}
		if _, rights := payload["AccessRights"]; rights == (mode == "BYOD") {
			list = append(list, "rights in a user enrollment, or none outside")
		}
	}
	if mdm := payload(profile, "com.apple.mdm"); mdm == nil || mdm["IdentityCertificateUUID"] != identity {
		list = append(list, "the identity is in no payload")
	}
	slices.Sort(list)
	return list
}

func TestProfilesAreWhatApplesSchemaSays(t *testing.T) {
	for name, change := range map[string]func(*apple.Profile){
		"by default": func(*apple.Profile) {},
		"with everything": func(p *apple.Profile) {
			p.ConsentText = map[string]string{"default": "We see <your> apps & more.", "cs": "Vidíme aplikace."}
			p.System, p.RemovalDisallowed = true, true
			p.MDM.AccessRights = apple.InspectProfiles | apple.InstallProfiles | apple.EraseDevice
			p.MDM.Unsigned, p.MDM.Stays, p.MDM.Capabilities = true, true, []string{"com.apple.mdm.token"}
			p.SCEP.CAFingerprint = []byte{1, 2, 3}
		},
		"of a user enrollment": func(p *apple.Profile) {
			p.MDM.EnrollmentMode, p.MDM.AssignedManagedAppleID = "BYOD", "ann@example.com"
		},
		"with ACME": func(p *apple.Profile) {
			p.SCEP, p.ACME = nil, &apple.ACME{
				DirectoryURL: "https://ca.example.com/acme", ClientIdentifier: p.SCEP.Challenge, CommonName: p.SCEP.CommonName, Attest: true,
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *apple.Config) { c.Adapt = func(p *apple.Profile, _ apple.Download) { change(p) } })
			_, tok := w.invite("ann")
			w.accept(tok, device.IOS)
			profile := w.profile(tok)
			assert.Empty(t, violations(profile))
			assert.Equal(t, "Acme & Sons", profile["PayloadOrganization"])
			if name == "with everything" {
				assert.Equal(t, entries{"default": "We see <your> apps & more.", "cs": "Vidíme aplikace."}, profile["ConsentText"])
				assert.Equal(t, 11, payload(profile, "com.apple.mdm")["AccessRights"])
			}
		})
	}
}

// A checker that says nothing finds nothing.
func TestTheSchemaIsChecked(t *testing.T) {
	w := newWorld(t)
	_, tok := w.invite("ann")
	w.accept(tok, device.IOS)
	for want, spoil := range map[string]func(entries){
		"com.apple.mdm: Topic":                  func(p entries) { payload(p, "com.apple.mdm")["Topic"] = "com.example" },
		"com.apple.mdm: ServerURL":              func(p entries) { payload(p, "com.apple.mdm")["ServerURL"] = "http://mdm.example.com" },
		"com.apple.mdm: AccessRights":           func(p entries) { payload(p, "com.apple.mdm")["AccessRights"] = 2 },
		"com.apple.mdm: SignMessages is no key": func(p entries) { payload(p, "com.apple.mdm")["SignMessages"] = true },
		"the identity is in no payload":         func(p entries) { payload(p, "com.apple.mdm")["IdentityCertificateUUID"] = p["PayloadUUID"] },
		"profile: PayloadVersion":               func(p entries) { p["PayloadVersion"] = "1" },
		"scep: Challenge": func(p entries) {
			payload(p, "com.apple.security.scep")["PayloadContent"].(entries)["Challenge"] = strings.Repeat("x", 256)
		},
		"scep: Subject": func(p entries) {
			payload(p, "com.apple.security.scep")["PayloadContent"].(entries)["Subject"] = "CN=x"
		},
	} {
		profile := w.profile(tok)
		spoil(profile)
		assert.Equal(t, []string{want}, violations(profile))
	}
}

func TestAProfileThatADeviceWouldNotTakeIsNotMade(t *testing.T) {
	good := func() apple.Profile {
		return apple.Profile{
			Identifier: "com.example.mdm", UUID: "1", DisplayName: "Example",
			MDM:  apple.MDM{Topic: topic, ServerURL: "https://mdm.example.com/mdm"},
			SCEP: &apple.SCEP{URL: "https://mdm.example.com/scep", Challenge: "secret", CommonName: "e-1"},
		}
	}
	_, err := good().Encode()
	require.NoError(t, err)
	for want, spoil := range map[string]func(*apple.Profile){
		"PayloadIdentifier":            func(p *apple.Profile) { p.Identifier = "mdm" },
		"PayloadUUID":                  func(p *apple.Profile) { p.UUID = "" },
		"PayloadDisplayName":           func(p *apple.Profile) { p.DisplayName = "" },
		"PayloadContent":               func(p *apple.Profile) { p.ACME = &apple.ACME{} },
		"Topic":                        func(p *apple.Profile) { p.MDM.Topic = "com.example" },
		"ServerURL":                    func(p *apple.Profile) { p.MDM.ServerURL = "mdm.example.com" },
		"CheckInURL":                   func(p *apple.Profile) { p.MDM.CheckInURL = "ftp://x" },
		"AccessRights":                 func(p *apple.Profile) { p.MDM.AccessRights = apple.InstallProfiles },
		"EnrollmentMode":               func(p *apple.Profile) { p.MDM.EnrollmentMode = "byod" },
		"AssignedManagedAppleID":       func(p *apple.Profile) { p.MDM.EnrollmentMode = "BYOD" },
		"URL":                          func(p *apple.Profile) { p.SCEP.URL = "" },
		"Challenge":                    func(p *apple.Profile) { p.SCEP.Challenge = strings.Repeat("secret", 43) },
		"Subject or Keysize":           func(p *apple.Profile) { p.SCEP.KeySize = 1024 },
		"PayloadDescription has":       func(p *apple.Profile) { p.Description = "a\x00b" },
		"ConsentText has":              func(p *apple.Profile) { p.ConsentText = map[string]string{"default": "\xff"} },
		"DirectoryURL, ClientIdentifi": func(p *apple.Profile) { p.SCEP, p.ACME = nil, &apple.ACME{} },
	} {
		p := good()
		spoil(&p)
		_, err := p.Encode()
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "apple: profile: the key")
		assert.NotContains(t, err.Error(), "secret")
	}
}

// Whatever a site is called, its profile says so and nothing else.
func FuzzProfile(f *testing.F) {
	f.Add("Acme", "We see <your> apps & more.", "secret")
	f.Add("</string><key>x</key>", "]]>", "&#0;")
	f.Fuzz(func(t *testing.T, name, consent, challenge string) {
		p := apple.Profile{
			Identifier: "com.example.mdm", UUID: name, DisplayName: name, Organization: name, ConsentText: map[string]string{"default": consent},
			MDM:  apple.MDM{Topic: topic, ServerURL: "https://mdm.example.com/mdm"},
			SCEP: &apple.SCEP{URL: "https://mdm.example.com/scep", Challenge: credentials.SecretString(challenge).Reveal(), CommonName: "e-1"},
		}
		text, err := p.Encode()
		if err != nil {
			return
		}
		read, err := parsePlist(text)
		require.NoError(t, err)
		assert.Empty(t, violations(read))
		assert.Equal(t, name, read["PayloadDisplayName"])
		if consent != "" {
			assert.Equal(t, consent, read["ConsentText"].(entries)["default"])
		}
		assert.Equal(t, challenge, payload(read, "com.apple.security.scep")["PayloadContent"].(entries)["Challenge"])
	})
}
