package windowsclient

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Device is what a client says of itself.
type Device struct {
	ID           string // DeviceID of the RST and Source of sessions
	HWDevID      string
	Name         string
	Manufacturer string
	Model        string
	Serial       string // of the SMBIOS; told in a session alone
	OSVersion    string
	MACs, IMEIs  []string // may be several, and may repeat
	// Type is EnrollmentType: "Full" puts the certificate into the user's store,
	// "Device" into the machine's. Defaults to "Full".
	Type string
}

// NewDevice returns a device whose names come from a number.
func NewDevice(n int) Device {
	sum := fmt.Sprintf("%X", sha256.Sum256(fmt.Appendf(nil, "windows device %d", n)))
	return Device{
		ID: sum[:32], HWDevID: sum, Name: fmt.Sprintf("DESKTOP-%d", n), Manufacturer: "Dell Inc.", Model: "Latitude 5450",
		Serial: "SN" + sum[:8], OSVersion: "10.0.22631.4602",
		MACs: []string{"00-15-5D-" + sum[:2] + "-" + sum[2:4] + "-01", "00-15-5D-" + sum[:2] + "-" + sum[2:4] + "-02"},
	}
}

// items are the AdditionalContext of a request, in the order of Windows.
func (d Device) items() (list [][2]string) {
	kind := d.Type
	if kind == "" {
		kind = "Full"
	}
	add := func(name, value string) {
		if value != "" {
			list = append(list, [2]string{name, value})
		}
	}
	add("DeviceID", d.ID)
	add("DeviceName", d.Name)
	for _, imei := range d.IMEIs {
		add("IMEI", imei)
	}
	for _, mac := range d.MACs {
		add("MAC", mac)
	}
	add("EnrollmentType", kind)
	add("DeviceType", "CIMClient_Windows")
	add("OSVersion", d.OSVersion)
	add("HWDevID", d.HWDevID)
	return list
}

// node returns what the device answers for a node of its management tree.
func (d Device) node(uri string) (string, bool) {
	value, ok := map[string]string{
		"./devinfo/devid": d.ID, "./devinfo/man": d.Manufacturer, "./devinfo/mod": d.Model, "./devinfo/dmv": "1.3", "./devinfo/lang": "en-US",
		"./devdetail/swv": d.OSVersion, "./devdetail/fwv": "1.2.3", "./devdetail/hwv": "1.2.3", "./devdetail/oem": d.Manufacturer, "./devdetail/devtyp": "Notebook",
		"./devdetail/ext/microsoft/devicename":                  d.Name,
		"./devdetail/ext/microsoft/osplatform":                  "Windows 11 Pro",
		"./devdetail/ext/microsoft/smbiosserialnumber":          d.Serial,
		"./devdetail/ext/microsoft/dnscomputername":             d.Name + ".example.com",
		"./devdetail/ext/microsoft/resolution":                  "1920x1200",
		"./devdetail/ext/microsoft/totalram":                    "16384",
		"./devdetail/ext/microsoft/totalstorage":                "476940",
		"./devdetail/ext/microsoft/processorarchitecture":       "9",
		"./devdetail/ext/microsoft/processortype":               "9",
		"./devdetail/ext/wlanmacaddress":                        strings.ReplaceAll(strings.Join(d.MACs[:min(1, len(d.MACs))], ""), "-", ""),
		"./device/vendor/msft/devicestatus/os/edition":          "48",
		"./vendor/msft/devicestatus/os/edition":                 "48",
		"./devdetail/ext/devicehardwaredata":                    d.HWDevID,
		"./devdetail/ext/microsoft/localtime":                   "2026-01-01T12:00:00.0000000+01:00",
		"./devdetail/lrgobj":                                    "false",
		"./vendor/msft/devicestatus/secureboot/securebootstate": "1",
	}[strings.ToLower(uri)]
	return value, ok && value != ""
}
