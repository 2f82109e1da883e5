package apple

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plist is an XML property list that is being written. The package writes them
// and reads none: reading is the business of whoever speaks the protocol.
type plist struct{ bytes.Buffer }

// Apple's readers want exactly this head.
const plistHead = xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` +
	"\n<plist version=\"1.0\">\n"

func newPlist() *plist {
	p := new(plist)
	p.WriteString(plistHead)
	return p
}

func (p *plist) finish() []byte {
	p.WriteString("</plist>\n")
	return p.Bytes()
}

// pair is one entry of a dictionary.
type pair struct {
	key   string
	value any
}

// dict is a dictionary in the order of writing. An entry whose value is empty
// text, a nil list, 0, or a nil dictionary is left out; false is written.
type dict []pair

// value writes a string, []byte, bool, int, []string, dict, []any.
func (p *plist) value(v any) {
	switch v := v.(type) {
	case string:
		p.text("string", v)
	case []byte:
		p.text("data", base64.StdEncoding.EncodeToString(v))
	case bool:
		p.WriteString("<" + strconv.FormatBool(v) + "/>\n")
	case int:
		p.text("integer", strconv.Itoa(v))
	case []string:
		p.WriteString("<array>\n")
		for _, item := range v {
			p.text("string", item)
		}
		p.WriteString("</array>\n")
	case []any:
		p.WriteString("<array>\n")
		for _, item := range v {
			p.value(item)
		}
		p.WriteString("</array>\n")
	case dict:
		p.WriteString("<dict>\n")
		for _, e := range v {
			if !empty(e.value) {
				p.text("key", e.key)
				p.value(e.value)
			}
		}
		p.WriteString("</dict>\n")
	}
}

func (p *plist) text(element, s string) {
	p.WriteString("<" + element + ">")
	_ = xml.EscapeText(&p.Buffer, []byte(s)) // a buffer takes everything
	p.WriteString("</" + element + ">\n")
}

func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []byte:
		return len(v) == 0
	case int:
		return v == 0
	case []string:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case dict:
		return len(v) == 0
	}
	return false
}

// plain reports whether XML can hold a text as it is: encoding/xml would put
// U+FFFD in the place of what it cannot.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r == utf8.RuneError || r == 0xfffe || r == 0xffff
	})
}
