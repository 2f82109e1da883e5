package android

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
)

// Provisioning is what a new device, or one that was reset, is told on its first
// screen by a QR code. Component is required; everything else may be empty.
type Provisioning struct {
	Component string // the agent's device admin receiver, see [IsComponent]
	Download  string // where to get the agent, https; empty: it is installed already
	// Certificate is that of the certificate which signs the agent: it outlives
	// versions. File is that of one version's file. With a Download, one of them
	// is required, and both are refused.
	Certificate, File Checksum
	MinimumVersion    int // version code of an installed agent below which it is downloaded

	// Extras reach the agent unchanged: texts, numbers, booleans, lists and maps.
	// The invitation's token is among them.
	Extras map[string]any

	WiFi         *WiFi  // the network to use; nil: the person chooses one
	Locale       string // "cs_CZ"
	TimeZone     string // "Europe/Prague"
	LocalTime    time.Time
	SystemApps   bool // leaves all of them enabled
	Unencrypted  bool // does not encrypt the device
	MobileData   bool // downloads by it if need be
	Offline      bool // provisions without a network where the device can
	Organization string
	Support      string // an https address
}

// WiFi is a network that a new device joins before anything else. Its password
// stands in the code in clear, see [Provisioning.Warnings].
type WiFi struct {
	SSID     string
	Security string             // "NONE", "WPA" or "WEP"; empty: WPA with a password, and NONE without
	Password credentials.Secret // in clear in the code
	Hidden   bool
}

// Warning is a stable code of something to think about; it is no error.
type Warning string

const (
	// WarnWiFiPassword: whoever sees the code can read the network's password.
	WarnWiFiPassword Warning = "wifi_password_in_code"
	// WarnWiFiOpen: what the device downloads can be watched.
	WarnWiFiOpen Warning = "wifi_open"
	// WarnFileChecksum: the code is over with the agent's next version.
	WarnFileChecksum Warning = "file_checksum_ends_with_version"
	// WarnUnencrypted: the device is not encrypted.
	WarnUnencrypted Warning = "device_not_encrypted"
	// WarnDeviceAdmin: from Android 10 on, a device admin can do little.
	WarnDeviceAdmin Warning = "device_admin_limited"
)

// Warnings are what to tell whoever makes a code.
func (p Provisioning) Warnings() (list []Warning) {
	switch {
	case p.WiFi == nil:
	case !p.WiFi.Password.IsZero():
		list = append(list, WarnWiFiPassword)
	case p.WiFi.security() == "NONE":
		list = append(list, WarnWiFiOpen)
	}
	if !p.File.IsZero() {
		list = append(list, WarnFileChecksum)
	}
	if p.Unencrypted {
		list = append(list, WarnUnencrypted)
	}
	return list
}

func (w WiFi) security() string {
	switch {
	case w.Security != "":
		return w.Security
	case w.Password.IsZero():
		return "NONE"
	}
	return "WPA"
}

// Encode returns the content of the QR code: a JSON object with long key names
// and without white space, which [CheckPayload] has taken. It is a secret by what
// is in Extras, and by the network's password. The error is a [*PayloadError].
func (p Provisioning) Encode() (credentials.Secret, error) {
	out := map[string]any{}
	put := func(name string, value any, there bool) {
		if there {
			out[prefix+name] = value
		}
	}
	put("DEVICE_ADMIN_COMPONENT_NAME", p.Component, p.Component != "")
	put("DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION", p.Download, p.Download != "")
	put("DEVICE_ADMIN_SIGNATURE_CHECKSUM", p.Certificate.String(), !p.Certificate.IsZero())
	put("DEVICE_ADMIN_PACKAGE_CHECKSUM", p.File.String(), !p.File.IsZero())
	put("DEVICE_ADMIN_MINIMUM_VERSION_CODE", p.MinimumVersion, p.MinimumVersion != 0)
	put("ADMIN_EXTRAS_BUNDLE", maps.Clone(p.Extras), len(p.Extras) > 0)
	put("LOCALE", p.Locale, p.Locale != "")
	put("TIME_ZONE", p.TimeZone, p.TimeZone != "")
	put("LOCAL_TIME", p.LocalTime.UnixMilli(), !p.LocalTime.IsZero())
	put("LEAVE_ALL_SYSTEM_APPS_ENABLED", true, p.SystemApps)
	put("SKIP_ENCRYPTION", true, p.Unencrypted)
	put("USE_MOBILE_DATA", true, p.MobileData)
	put("ALLOW_OFFLINE", true, p.Offline)
	put("ORGANIZATION_NAME", p.Organization, p.Organization != "")
	put("SUPPORT_URL", p.Support, p.Support != "")
	if w := p.WiFi; w != nil {
		put("WIFI_SSID", w.SSID, true)
		put("WIFI_SECURITY_TYPE", w.security(), true)
		put("WIFI_PASSWORD", w.Password.Reveal(), !w.Password.IsZero())
		put("WIFI_HIDDEN", true, w.Hidden)
		secured := w.security() != "NONE"
		if secured == w.Password.IsZero() || w.security() == "EAP" {
			return credentials.Secret{}, &PayloadError{[]Problem{{prefix + "WIFI_SECURITY_TYPE", "contradiction"}}}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // each \u0026 would cost six characters of the code
	if err := enc.Encode(out); err != nil {
		return credentials.Secret{}, &PayloadError{[]Problem{{prefix + "ADMIN_EXTRAS_BUNDLE", "malformed"}}}
	}
	payload := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if err := CheckPayload(payload); err != nil {
		return credentials.Secret{}, err
	}
	return credentials.NewSecret(payload), nil
}

// Package returns the package of the component.
func (p Provisioning) Package() string {
	pkg, _, _ := strings.Cut(p.Component, "/")
	return pkg
}
