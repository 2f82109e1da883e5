package device_test

import (
	"fmt"
	"time"

	"example.com/enrollkit/device"
)

// A device is judged from what is known of it.
func Example() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := device.Device{Platform: device.Windows, Mode: device.WindowsMode}.Enroll(now)
	fmt.Println(d.State, d.Missing(nil))

	d.Facts, _ = d.Facts.Assert(device.SourceMDM, device.ManagementProfile, true, now)
	d.Facts, _ = d.Facts.Assert(device.SourceMDM, device.InventoryReceived, true, now)
	d, _ = d.Judge(nil, now)
	fmt.Println(d.State, d.Missing(nil))
	// Output:
	// pending [management_profile inventory_received]
	// active []
}

// A site may require more, or less, of a mode.
func ExampleRequirements() {
	strict := device.DefaultRequirements()
	strict[device.MacOSMode] = append(strict[device.MacOSMode], device.Supervised)
	fmt.Println(strict.Of(device.MacOSMode), strict.Validate())
	// Output: [management_profile user_approved inventory_received supervised] <nil>
}

// The strongest id wins, and what vendors ship on many machines is no id.
func ExampleHardware_Identity() {
	fmt.Println(device.Hardware{Serial: "C02XK1", UDID: "00008110-000A"}.Identity("Apple"))
	fmt.Println(device.Hardware{Serial: "C02XK1"}.Identity("Apple"))
	fmt.Printf("%q\n", device.Hardware{Serial: "To be filled by O.E.M."}.Identity("Acme"))
	// Output:
	// udid:00008110-000a
	// serial:apple:c02xk1
	// ""
}
