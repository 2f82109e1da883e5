package simulate

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"example.com/enrollkit/device"
)

// Device is one piece of hardware in a person's hands.
type Device struct {
	Kind      string
	Platform  device.Platform
	Name      string // as its owner calls it
	Ownership device.Ownership
	Mode      device.Mode // as its agent asks for; empty: as invited
	UserAgent string      // of its browser

	Manufacturer, Model, OSVersion string
	Hardware                       device.Hardware
}

const (
	hexDigits = "0123456789ABCDEF"
	serials   = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ" // no I and no O, as on labels
)

// newDevice draws a device of a kind. Its hardware ids come from ids, which
// differs between runs.
func newDevice(rng, ids *rand.Rand, k kind, owner name, own device.Ownership) Device {
	m := models[k][rng.IntN(len(models[k]))]
	d := Device{
		Kind: string(k), Platform: k.platform(), Ownership: own, UserAgent: m.agent,
		Manufacturer: m.manufacturer, Model: m.name, OSVersion: m.os,
		Hardware: hardware(ids, k, own),
	}
	d.Name = owner.first + "'s " + m.name
	switch k {
	case windowsPC:
		d.Name = "LT-" + text(ids, serials, 8)
	case iPhone, iPad, mac:
		d.Name = owner.first + "’s " + map[kind]string{iPhone: "iPhone", iPad: "iPad", mac: "MacBook"}[k]
	}
	return d
}

// hardware draws the ids that an agent can see on such a device.
func hardware(ids *rand.Rand, k kind, own device.Ownership) device.Hardware {
	switch k {
	case androidPhone, androidTablet:
		h := device.Hardware{ESID: text(ids, hexDigits, 16)}
		if own == device.Company { // hidden on personal devices since Android 10
			h.Serial = "R5" + text(ids, serials, 9)
			if k == androidPhone {
				h.IMEI = imei(ids)
			}
		}
		return h
	case iPhone, iPad:
		return device.Hardware{UDID: "00008120-" + text(ids, hexDigits, 16), Serial: text(ids, serials, 10)}
	case mac:
		return device.Hardware{UDID: uuid(ids), Serial: "C02" + text(ids, serials, 7)}
	}
	return device.Hardware{HWDevID: strings.ToLower(text(ids, hexDigits, 64)), Serial: text(ids, serials, 7)}
}

// imei is 14 digits and their Luhn digit.
func imei(ids *rand.Rand) string {
	digits, sum := "35"+text(ids, "0123456789", 12), 0
	for i, c := range digits {
		n := int(c - '0')
		if i%2 == 1 {
			n = n*2/10 + n*2%10
		}
		sum += n
	}
	return digits + fmt.Sprint((10-sum%10)%10)
}

func uuid(r *rand.Rand) string {
	s := text(r, hexDigits, 32)
	return s[:8] + "-" + s[8:12] + "-4" + s[13:16] + "-A" + s[17:20] + "-" + s[20:]
}

func text(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// inventory is what an agent tells of the device besides facts.
func (d Device) inventory(rng *rand.Rand) map[string]any {
	v := map[string]any{
		"os_version":  d.OSVersion,
		"language":    "en",
		"storage":     map[string]int{"total_gb": 128, "free_gb": 8 + rng.IntN(100)},
		"battery":     map[string]any{"percent": 5 + rng.IntN(95), "charging": rng.IntN(4) == 0},
		"encrypted":   rng.IntN(20) > 0,
		"passcode":    rng.IntN(10) > 0,
		"app_version": "5." + fmt.Sprint(rng.IntN(4)) + ".0",
	}
	if d.Platform == device.Android {
		v["security_patch"] = fmt.Sprintf("2026-%02d-05", 1+rng.IntN(10))
		v["rooted"] = false
	}
	if d.Platform != device.Windows && d.Platform != device.MacOS {
		v["network"] = map[string]any{"carrier": "Example Mobile", "roaming": rng.IntN(10) == 0}
	}
	return v
}

// stream is a source of random numbers for one purpose of one person. Streams
// are independent: what one person does moves nobody else's.
func stream(seed uint64, person int, purpose string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", person, purpose)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
