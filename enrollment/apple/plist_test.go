package apple_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// entries is a dictionary as it was read.
type entries map[string]any

// readPlist reads a property list as strictly as a device does, without the
// package's own help.
func readPlist(t *testing.T, text []byte) entries {
	t.Helper()
	top, err := parsePlist(text)
	require.NoError(t, err)
	return top
}

func parsePlist(text []byte) (entries, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	start, err := next(d)
	if err != nil || start == nil || start.Name.Local != "plist" {
		return nil, errors.New("no plist")
	}
	if start, err = next(d); err != nil || start == nil {
		return nil, errors.New("nothing in the plist")
	}
	v, err := value(d, *start)
	if err != nil {
		return nil, err
	}
	top, ok := v.(entries)
	if !ok {
		return nil, errors.New("no dictionary")
	}
	if end, err := next(d); err != nil || end != nil {
		return nil, errors.New("more than one value")
	}
	if _, err := d.Token(); err != nil && err != io.EOF {
		return nil, err
	}
	return top, nil
}

// next is the next start of an element, nil at the end of the enclosing one.
func next(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			return &token, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if strings.TrimSpace(string(token)) != "" {
				return nil, errors.New("text between elements")
			}
		}
	}
}

func value(d *xml.Decoder, start xml.StartElement) (any, error) {
	switch start.Name.Local {
	case "dict":
		out := entries{}
		for {
			key, err := next(d)
			if err != nil || key == nil {
				return out, err
			}
			if key.Name.Local != "key" {
				return nil, errors.New("a value without a key")
			}
			name, err := text(d)
			if err != nil {
				return nil, err
			}
			if _, twice := out[name]; twice {
				return nil, errors.New(name + " twice")
			}
			item, err := next(d)
			if err != nil || item == nil {
				return nil, errors.New(name + " without a value")
			}
			if out[name], err = value(d, *item); err != nil {
				return nil, err
			}
		}
	case "array":
		out := []any{}
		for {
			item, err := next(d)
			if err != nil || item == nil {
				return out, err
			}
			v, err := value(d, *item)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	case "true", "false":
		end, err := next(d)
		if err != nil || end != nil {
			return nil, errors.New("a boolean with content")
		}
		return start.Name.Local == "true", nil
	}
	content, err := text(d)
	if err != nil {
		return nil, err
	}
	switch start.Name.Local {
	case "string":
		return content, nil
	case "integer":
		return strconv.Atoi(content)
	case "data":
		return base64.StdEncoding.DecodeString(content)
	}
	return nil, errors.New("element " + start.Name.Local)
}

// text is the content of an element without children.
func text(d *xml.Decoder) (string, error) {
	var b strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.CharData:
			b.Write(token)
		case xml.EndElement:
			return b.String(), nil
		default:
			return "", errors.New("an element within text")
		}
	}
}
