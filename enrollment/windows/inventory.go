package windows

import (
	"encoding/json"
	"path"
	"strings"

	"example.com/enrollkit/device"
)

const detail = "./DevDetail/"

// nodes are what a device is asked for in each session that it begins, and what
// the answer says of it; some go into the inventory alone.
var nodes = []struct {
	address string
	note    func(o *device.Observation, value string)
}{
	{detail + "Ext/Microsoft/DeviceName", func(o *device.Observation, v string) { o.Name = v }},
	{detail + "SwV", func(o *device.Observation, v string) { o.OSVersion = v }},
	{"./DevInfo/Man", func(o *device.Observation, v string) { o.Manufacturer = v }},
	{"./DevInfo/Mod", func(o *device.Observation, v string) { o.Model = v }},
	{detail + "Ext/Microsoft/SMBIOSSerialNumber", func(o *device.Observation, v string) { o.Hardware.Serial = identifies(v) }},
	{detail + "Ext/Microsoft/OSPlatform", nil},
	{detail + "Ext/Microsoft/ProcessorArchitecture", nil},
	{detail + "Ext/Microsoft/TotalRAM", nil},
	{detail + "DevTyp", nil},
	{detail + "HwV", nil},
	{"./DevInfo/Lang", nil},
}

// observation is what a message says of its device. Whoever gets this far is
// managed. Only the answer about what the device is in detail is an inventory: the
// first message of a session brings a few of the values by itself.
func (m session) observation() (o device.Observation, err error) {
	if m.left {
		return device.Observation{Left: true}, nil
	}
	inventory, answered := map[string]string{}, false
	for _, n := range nodes {
		value, ok := m.results[n.address]
		if !ok {
			continue
		}
		if n.note != nil {
			n.note(&o, value)
		}
		inventory[path.Base(n.address)] = value
		answered = answered || strings.HasPrefix(n.address, detail)
	}
	if m.begins || answered {
		o.Facts = map[device.Fact]bool{device.ManagementProfile: true}
	}
	if answered {
		o.Inventory, err = json.Marshal(inventory)
	}
	return o, err
}
