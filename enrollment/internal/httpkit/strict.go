package httpkit

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep a body may nest objects and arrays.
const MaxDepth = 32

// checkStrictly refuses what encoding/json lets pass, for a body that is to be
// decoded into a value of type t.
func checkStrictly(body []byte, t reflect.Type) error {
	if !utf8.Valid(body) {
		return badJSON("The body is not UTF-8.")
	}
	if !json.Valid(body) { // does not recurse, so it bears any depth
		return badJSON("The body is not one JSON object.")
	}
	w := walker{text: body}
	w.space()
	if w.text[w.at] != '{' {
		return badJSON("The body is not one JSON object.")
	}
	return w.value(t, 1)
}

// walker goes once through a text that is known to be valid JSON.
type walker struct {
	text []byte
	at   int
}

// value walks over one value that is to become a t; nil: anything.
func (w *walker) value(t reflect.Type, depth int) error {
	w.space()
	c := w.text[w.at]
	if (c == '{' || c == '[') && depth > MaxDepth {
		return badJSON("The body nests too deeply.")
	}
	switch c {
	case '{':
		return w.object(concrete(t), depth)
	case '[':
		return w.array(concrete(t), depth)
	case '"':
		_, err := w.str()
		return err
	}
	for w.at < len(w.text) && !strings.ContainsRune(",]} \t\r\n", rune(w.text[w.at])) {
		w.at++
	}
	return nil
}

func (w *walker) object(t reflect.Type, depth int) error {
	seen := map[string]bool{}
	for w.more('}') {
		key, err := w.str()
		if err != nil {
			return err
		}
		if seen[key] {
			return badJSON("A field appears twice.")
		}
		seen[key] = true
		inner, known := member(t, key)
		if !known {
			return badJSON("There is an unknown field.")
		}
		w.space()
		w.at++ // the colon
		if err := w.value(inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) array(t reflect.Type, depth int) error {
	var inner reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		inner = t.Elem()
	}
	for w.more(']') {
		if err := w.value(inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// more steps over the bracket or comma in front of the next member and reports
// whether there is one; otherwise it steps over the closing bracket.
func (w *walker) more(end byte) bool {
	w.space()
	if w.text[w.at] != end {
		w.at++ // the opening bracket, or a comma
		w.space()
	}
	if w.text[w.at] == end {
		w.at++
		return false
	}
	return true
}

// str walks over a string and returns it unescaped.
func (w *walker) str() (string, error) {
	start := w.at
	escaped := false
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] != '\\' {
			continue
		}
		escaped = true
		w.at++
		if w.text[w.at] != 'u' {
			continue
		}
		high := w.hex(w.at + 1)
		w.at += 4
		if high < 0xd800 || high > 0xdfff {
			continue
		}
		if high > 0xdbff || w.text[w.at+1] != '\\' || w.text[w.at+2] != 'u' {
			return "", badJSON("A text has half a surrogate pair.")
		}
		if low := w.hex(w.at + 3); low < 0xdc00 || low > 0xdfff {
			return "", badJSON("A text has half a surrogate pair.")
		}
		w.at += 6
	}
	w.at++
	raw := w.text[start:w.at]
	if !escaped {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", badJSON("The body is not one JSON object.")
	}
	return s, nil
}

func (w *walker) hex(at int) uint64 {
	n, _ := strconv.ParseUint(string(w.text[at:at+4]), 16, 32) // valid JSON has four digits here
	return n
}

func (w *walker) space() {
	for w.at < len(w.text) && strings.IndexByte(" \t\r\n", w.text[w.at]) >= 0 {
		w.at++
	}
}

// concrete follows pointers. A type that decodes itself takes anything, which
// is nil.
func concrete(t reflect.Type) reflect.Type {
	unmarshaler := reflect.TypeFor[json.Unmarshaler]()
	for t != nil {
		if t.Implements(unmarshaler) || reflect.PointerTo(t).Implements(unmarshaler) {
			return nil
		}
		if t.Kind() != reflect.Pointer {
			return t
		}
		t = t.Elem()
	}
	return nil
}

// member returns the type of the value under key in a t, nil for anything, and
// whether a t has such a member.
func member(t reflect.Type, key string) (reflect.Type, bool) {
	switch {
	case t == nil:
		return nil, true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	case t.Kind() != reflect.Struct:
		return nil, true // a wrong type, which the decoder refuses
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			if inner := concrete(f.Type); inner != nil && inner.Kind() == reflect.Struct {
				if found, ok := member(inner, key); ok {
					return found, true
				}
			}
		case !f.IsExported() || f.Tag.Get("json") == "-":
		case name == key || name == "" && f.Name == key:
			return f.Type, true
		}
	}
	return nil, false
}
