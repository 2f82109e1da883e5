package android

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// prefix is in front of every key of a provisioning code.
const prefix = "android.app.extra.PROVISIONING_"

// kind is what a value has to be. check returns a code for one that is not.
type kind struct {
	name  string
	check func(value any) (code string)
}

// keys is the table of provisioning keys, as AOSP's parser reads them
// (DevicePolicyManager and ExtrasProvisioningDataParser).
var keys = []struct {
	name string
	kind kind
	// useless says why the key does nothing in a QR code; empty: it does.
	useless string
}{
	{"DEVICE_ADMIN_COMPONENT_NAME", aText("component", IsComponent), ""},
	{"DEVICE_ADMIN_PACKAGE_NAME", aText("package", IsPackage), "deprecated"},
	{"DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION", aText("https address", isSecureLink), ""},
	{"DEVICE_ADMIN_SIGNATURE_CHECKSUM", aText("checksum", isChecksum), ""},
	{"DEVICE_ADMIN_PACKAGE_CHECKSUM", aText("checksum", isChecksum), ""},
	{"DEVICE_ADMIN_PACKAGE_DOWNLOAD_COOKIE_HEADER", aText("text", isPlain), ""},
	{"DEVICE_ADMIN_MINIMUM_VERSION_CODE", anInt(0, math.MaxInt32), ""},
	{"ADMIN_EXTRAS_BUNDLE", bundle, ""},
	{"WIFI_SSID", aText("text", isSSID), ""},
	{"WIFI_SECURITY_TYPE", oneOf("NONE", "WPA", "WEP", "EAP"), ""},
	{"WIFI_PASSWORD", aText("text", isPlain), ""},
	{"WIFI_HIDDEN", aBool, ""},
	{"WIFI_PROXY_HOST", aText("text", isPlain), ""},
	{"WIFI_PROXY_PORT", anInt(1, math.MaxUint16), ""},
	{"WIFI_PROXY_BYPASS", aText("text", isPlain), ""},
	{"WIFI_PAC_URL", aText("text", isPlain), ""},
	{"WIFI_EAP_METHOD", oneOf("PEAP", "TLS", "TTLS", "PWD", "SIM", "AKA", "AKA_PRIME"), ""},
	{"WIFI_PHASE2_AUTH", oneOf("NONE", "PAP", "MSCHAP", "MSCHAPV2", "GTC", "SIM", "AKA", "AKA_PRIME"), ""},
	{"WIFI_CA_CERTIFICATE", aText("base64", isBase64), ""},
	{"WIFI_USER_CERTIFICATE", aText("base64", isBase64), ""},
	{"WIFI_IDENTITY", aText("text", isPlain), ""},
	{"WIFI_ANONYMOUS_IDENTITY", aText("text", isPlain), ""},
	{"WIFI_DOMAIN", aText("text", isPlain), ""},
	{"LOCALE", aText("locale", locale.MatchString), ""},
	{"TIME_ZONE", aText("time zone", timeZone.MatchString), ""},
	{"LOCAL_TIME", anInt(0, math.MaxInt64), ""},
	{"LEAVE_ALL_SYSTEM_APPS_ENABLED", aBool, ""},
	{"SKIP_ENCRYPTION", aBool, ""},
	{"USE_MOBILE_DATA", aBool, ""},
	{"SKIP_EDUCATION_SCREENS", aBool, "ignored"},
	{"SENSORS_PERMISSION_GRANT_OPT_OUT", aBool, ""},
	{"ALLOW_OFFLINE", aBool, ""},
	{"KEEP_SCREEN_ON", aBool, ""},
	{"ORGANIZATION_NAME", aText("text", isPlain), ""},
	{"SUPPORT_URL", aText("https address", isSecureLink), ""},
	{"DISCLAIMERS", kind{"array", func(any) string { return "" }}, "ignored"},
	{"EMAIL_ADDRESS", aText("text", isPlain), "deprecated"},
	{"MAIN_COLOR", anInt(math.MinInt32, math.MaxInt32), "deprecated"},
	{"LOGO_URI", aText("text", isPlain), "deprecated"},
	{"DEVICE_ADMIN_PACKAGE_LABEL", aText("text", isPlain), "deprecated"},
	{"DEVICE_ADMIN_PACKAGE_ICON_URI", aText("text", isPlain), "deprecated"},
	{"ROLE_HOLDER_PACKAGE_DOWNLOAD_LOCATION", aText("https address", isSecureLink), "ignored"},
	{"ROLE_HOLDER_SIGNATURE_CHECKSUM", aText("checksum", isChecksum), "ignored"},
	{"ROLE_HOLDER_PACKAGE_DOWNLOAD_COOKIE_HEADER", aText("text", isPlain), "ignored"},
	{"ROLE_HOLDER_EXTRAS_BUNDLE", bundle, "ignored"},
}

func aText(name string, right func(string) bool) kind {
	return kind{name, func(value any) string {
		s, ok := value.(string)
		switch {
		case !ok:
			return "wrong_type"
		case s == "" || !right(s):
			return "malformed"
		}
		return ""
	}}
}

// aBool is true or false; a device takes "true" for nothing, without a word.
var aBool = kind{"boolean", func(value any) string {
	if _, ok := value.(bool); !ok {
		return "wrong_type"
	}
	return ""
}}

func anInt(least, most int64) kind {
	return kind{"integer", func(value any) string {
		n, ok := value.(json.Number)
		if !ok {
			return "wrong_type"
		}
		i, err := strconv.ParseInt(string(n), 10, 64)
		switch {
		case err != nil:
			return "wrong_type"
		case i < least || i > most:
			return "out_of_range"
		}
		return ""
	}}
}

func oneOf(names ...string) kind {
	return aText("one of a list", func(s string) bool { return slices.Contains(names, s) })
}

// bundle is a PersistableBundle: texts, numbers, booleans, lists of one of these,
// and bundles.
var bundle = kind{"object", func(value any) string {
	o, ok := value.(map[string]any)
	switch {
	case !ok:
		return "wrong_type"
	case !persistable(o):
		return "malformed"
	}
	return ""
}}

func persistable(value any) bool {
	switch v := value.(type) {
	case string, bool, json.Number:
		return true
	case map[string]any:
		for _, e := range v {
			if !persistable(e) {
				return false
			}
		}
		return true
	case []any:
		for _, e := range v {
			if scalar(e) == "" || scalar(e) != scalar(v[0]) {
				return false
			}
		}
		return true
	}
	return false
}

// scalar names the type of what a list may hold.
func scalar(value any) string {
	switch value.(type) {
	case string:
		return "text"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	}
	return ""
}

// isChecksum takes what devices take: URL-safe base64 of 32 bytes.
func isChecksum(s string) bool {
	_, err := ParseChecksum(s)
	return err == nil && len(s) <= base64.URLEncoding.EncodedLen(len(Checksum{}))
}

func isSSID(s string) bool { return isPlain(s) && len(s) <= 32 }

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil && isPlain(s)
}
