package enrollment_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func ExampleService_Adopt() {
	d := newDemo()
	ref := device.Ref{Source: "amapi", ID: "enterprises/LC01/devices/3a"}
	fleet := []enrollment.Adoption{{
		Ref: ref, User: "ann", Platform: device.Android, Mode: device.AndroidFullyManaged,
		State: device.Active, Name: "Ann's phone", LastContact: d.now,
	}}
	for range 2 { // the second time changes nothing
		results, err := d.Adopt(d.ctx, d.by, fleet)
		check(err)
		fmt.Println(results[0].Outcome, results[0].Err)
	}
	// From now on it is observed by its ref.
	status, err := d.Observe(d.ctx, device.Observation{Site: "acme", Ref: ref, At: d.now, Facts: map[device.Fact]bool{device.Permissions: false}})
	fmt.Println(status.State, status.Missing, err)
	// Output:
	// created <nil>
	// unchanged <nil>
	// impaired [permissions] <nil>
}

func ExampleReadAdoptions() {
	d := newDemo()
	file := strings.NewReader(`
{"ref":{"source":"mdm","id":"1"},"user_id":"ann","platform":"ios","state":"active","hardware":{"udid":"00008030-001"}}
{"ref":{"source":"mdm","id":"2"},"user":"bob","platform":"ios","state":"active"}
{"ref":{"source":"mdm","id":"3"},"email":"guest@example.com","user_name":"Guest","platform":"macos","state":"pending"}
`)
	var rows []enrollment.Adoption
	for row, err := range enrollment.ReadAdoptions(file) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		rows = append(rows, row)
	}
	results, err := d.Adopt(d.ctx, d.by, rows)
	check(err)
	for _, r := range results {
		fmt.Println(r.Ref.ID, r.Outcome)
	}
	// Output:
	// enrollment: line 3: not one JSON object with the fields of an adoption
	// 1 created
	// 3 created
}

func ExampleService_ExportDevices() {
	d := newDemo()
	_, err := d.Adopt(d.ctx, d.by, []enrollment.Adoption{{
		Ref: device.Ref{Source: "mdm", ID: "1"}, User: "ann", Platform: device.IOS, State: device.Pending,
	}})
	check(err)
	check(d.ExportDevices(d.ctx, d.by, os.Stdout))
	// Output:
	// {"ref":{"source":"mdm","id":"1"},"user_id":"ann","platform":"ios","mode":"ios_unsupervised","ownership":"personal","state":"pending","enrolled_at":"2026-03-01T12:00:00Z","last_contact":"2026-03-01T12:00:00Z","since":"2026-03-01T12:00:00Z"}
}

func ExampleService_ExportUser() {
	d := newDemo()
	d.phone("ann")
	export, err := d.ExportUser(d.ctx, d.by, "ann")
	check(err)
	fmt.Println(len(export.Invitations), "invitation,", len(export.Devices), "device,", len(export.Events), "events")
	text, err := json.Marshal(export.User)
	fmt.Println(string(text), err)
	// Output:
	// 1 invitation, 1 device, 5 events
	// {"id":"ann","name":"Ann Canary","email":"ann@example.com","language":"","outside_directory":false} <nil>
}

func ExampleService_EraseUser() {
	d := newDemo()
	in := d.phone("ann")
	fmt.Println(d.EraseUser(d.ctx, d.by, "ann"))
	fmt.Println(d.CheckIn(d.ctx, in.Token, 1))
	export, err := d.ExportUser(d.ctx, d.by, "ann")
	check(err)
	fmt.Printf("%q %q %d devices\n", export.User.Name, export.User.Email, len(export.Devices))
	// Output:
	// <nil>
	// enrollment: device deleted
	// "" "" 0 devices
}
