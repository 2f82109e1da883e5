package windows

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// What a message may cost. Those of real devices are below 10 KiB, seven deep,
// and have some hundred elements.
const (
	// MaxBody is the greatest message in bytes.
	MaxBody = 64 << 10

	maxDepth      = 32
	maxElements   = 2000
	maxTokens     = 4 * maxElements // tags, texts between them, comments
	maxAttributes = 16              // of one element
)

// errXML is the one answer to what is not XML that we read.
var errXML = errors.New("windows: not XML of this kind")

// element is one element of a message. Its text is what stands directly in it.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	text     string
	children []*element

	collected strings.Builder // text, until the element ends
}

// parseXML reads a whole message, without a document type, entities of its own or
// processing instructions: nothing in it can stand for more than it is.
func parseXML(raw []byte) (*element, error) {
	if len(raw) > MaxBody {
		return nil, errXML
	}
	raw = bytes.TrimLeft(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), " \t\r\n")
	decoder := xml.NewDecoder(bytes.NewReader(raw))
	var root *element
	var open []*element
	count := 0
	for n := 0; n < maxTokens; n++ {
		token, err := decoder.Token()
		if err == io.EOF && root != nil && len(open) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, errXML
		}
		switch t := token.(type) {
		case xml.StartElement:
			count++
			if count > maxElements || len(open) >= maxDepth || len(t.Attr) > maxAttributes || len(open) == 0 && root != nil {
				return nil, errXML
			}
			e := &element{name: t.Name, attrs: t.Copy().Attr}
			if len(open) == 0 {
				root = e
			} else {
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			ended := open[len(open)-1]
			ended.text = ended.collected.String()
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].collected.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, errXML
			}
		case xml.ProcInst:
			if n > 0 || t.Target != "xml" {
				return nil, errXML
			}
		case xml.Directive:
			return nil, errXML
		}
	}
	return nil, errXML
}

// all lists the children of a name; with space empty, in any namespace. Of a nil
// element there are none.
func (e *element) all(space, local string) (list []*element) {
	if e == nil {
		return nil
	}
	for _, child := range e.children {
		if child.name.Local == local && (space == "" || child.name.Space == space) {
			list = append(list, child)
		}
	}
	return list
}

// child is the first child of a name, or nil.
func (e *element) child(space, local string) *element {
	if list := e.all(space, local); len(list) > 0 {
		return list[0]
	}
	return nil
}

// value is the text without the white space around it; of a nil element, "".
func (e *element) value() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.text)
}

// attr is an attribute by its local name: senders differ in whether it has a
// prefix.
func (e *element) attr(local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attrs {
		if a.Name.Local == local && a.Name.Space != "xmlns" {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}
