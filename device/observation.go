package device

import "time"

// Observation is what one source saw of a device at one time.
type Observation struct {
	Site   string
	Device string // our id; or empty, and Ref says which
	Ref    Ref    // the device in the source's own system
	Was    string // our id of the device that had the Ref, if that is known; it names no device, but says what became of one
	Source Source // who says so; empty: Ref.Source
	At     time.Time

	Facts        map[Fact]bool
	Hardware     Hardware // what is known of it; empty fields say nothing
	Name         string
	Manufacturer string
	Model        string
	OSVersion    string
	// Inventory is a JSON object that replaces what was known; empty says nothing.
	// That there is one asserts [InventoryReceived].
	Inventory []byte

	// Left says that the device has left management.
	Left bool
}
