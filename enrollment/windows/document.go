package windows

import (
	"bytes"
	"encoding/xml"
)

// document is XML that is being written.
type document struct{ bytes.Buffer }

// raw writes markup, in which nothing comes from outside.
func (d *document) raw(markup ...string) {
	for _, s := range markup {
		d.WriteString(s)
	}
}

// text writes what comes from outside. What XML cannot hold becomes U+FFFD.
func (d *document) text(s string) {
	_ = xml.EscapeText(&d.Buffer, []byte(s)) // a buffer takes everything
}

// leaf writes an element with nothing but text.
func (d *document) leaf(name, s string) {
	d.raw("<", name, ">")
	d.text(s)
	d.raw("</", name, ">")
}
