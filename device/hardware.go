package device

import "strings"

// Hardware holds what identifies the hardware itself. Every field is a claim of
// the device and may be empty.
type Hardware struct {
	UDID    string `json:"udid,omitempty"`    // Apple
	ESID    string `json:"esid,omitempty"`    // Android enrollment-specific id
	HWDevID string `json:"hwdevid,omitempty"` // Windows hardware hash
	Serial  string `json:"serial,omitempty"`  // unique within a manufacturer
	IMEI    string `json:"imei,omitempty"`    // phones, company-owned only
}

// Known returns h with what newer says of it; an empty field says nothing.
func (h Hardware) Known(newer Hardware) Hardware {
	for _, f := range []struct {
		mine  *string
		newer string
	}{{&h.UDID, newer.UDID}, {&h.ESID, newer.ESID}, {&h.HWDevID, newer.HWDevID}, {&h.Serial, newer.Serial}, {&h.IMEI, newer.IMEI}} {
		if f.newer != "" {
			*f.mine = f.newer
		}
	}
	return h
}

// junk are values that vendors ship on many machines, lower case; they count
// as absent (security.md T43, platforms.md section 9).
var junk = map[string]bool{
	"unknown": true, "none": true, "null": true, "n/a": true, "na": true, "undefined": true,
	"to be filled by o.e.m.": true, "to be filled by oem": true, "default string": true,
	"system serial number": true, "not specified": true, "not applicable": true, "invalid": true,
	"not available": true, "oem": true, "o.e.m.": true, "123456789": true, "0123456789": true,
	"0123456789abcdef": true, "1234567890": true, "123456789012345": true, "android_id": true,
}

// usable returns the id in its one spelling, or "" if it identifies nothing.
func usable(id string) string {
	id = strings.ToLower(strings.TrimSpace(id))
	bare := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == ':' || r == '.' {
			return -1
		}
		return r
	}, id)
	if bare == "" || junk[id] || strings.Count(bare, bare[:1]) == len(bare) {
		return "" // absent, known junk, or one character repeated (000000, xxxx)
	}
	return id
}

// Identity returns the strongest usable id of h, with its kind in front, or ""
// if h identifies nothing. Within one site and platform, equal identities are
// the same hardware. A serial number counts together with its manufacturer.
// The order is that of platforms.md section 9.
func (h Hardware) Identity(manufacturer string) string {
	for _, id := range []struct{ kind, value string }{
		{"udid", usable(h.UDID)},
		{"esid", usable(h.ESID)},
		{"hwdevid", usable(h.HWDevID)},
		{"serial", usable(h.Serial)},
		{"imei", usable(h.IMEI)},
	} {
		switch {
		case id.value == "":
		case id.kind == "serial":
			return "serial:" + strings.ToLower(strings.TrimSpace(manufacturer)) + ":" + id.value
		default:
			return id.kind + ":" + id.value
		}
	}
	return ""
}
