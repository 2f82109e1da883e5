package android

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxPayload is the longest provisioning code in bytes: what the largest QR code
// holds at level L. A third of it is as much as phones read with ease.
const MaxPayload = 2953

// maxDepth is how deep bundles may be nested.
const maxDepth = 8

// ErrPayload is what every [*PayloadError] unwraps to.
var ErrPayload = errors.New("android: not a provisioning code")

// PayloadError lists what is wrong with a provisioning code. It repeats no values.
type PayloadError struct{ Problems []Problem }

// Problem is one thing that is wrong. Code is malformed, too_long, duplicate,
// unknown, wrong_type, out_of_range, required, without_ssid, contradiction,
// deprecated or ignored.
type Problem struct {
	Key  string // in full; empty: the code as a whole
	Code string
}

func (e *PayloadError) Error() string {
	list := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		list[i] = strings.TrimPrefix(strings.TrimPrefix(p.Key, prefix)+" ", " ") + p.Code
	}
	return ErrPayload.Error() + ": " + strings.Join(list, ", ")
}

// Unwrap returns [ErrPayload].
func (e *PayloadError) Unwrap() error { return ErrPayload }

// CheckPayload reads the content of a provisioning QR code strictly and answers
// nil or a [*PayloadError]. Devices are lenient in the wrong places: a key that is
// misspelt, a boolean in quotation marks or a checksum of the wrong length are
// taken without a word, and the enrollment fails at its end. Only long names are
// known: the setup wizard's reader need not know the aliases of AOSP's.
func CheckPayload(payload []byte) error {
	if len(payload) > MaxPayload {
		return &PayloadError{[]Problem{{"", "too_long"}}}
	}
	values, err := readPayload(payload)
	if err != nil {
		return err
	}
	var wrong []Problem
	add := func(name, code string) { wrong = append(wrong, Problem{prefix + name, code}) }
	for key, value := range values {
		name, ours := strings.CutPrefix(key, prefix)
		i := -1
		if ours {
			i = indexKey(name)
		}
		if i < 0 {
			wrong = append(wrong, Problem{shortened(key), "unknown"})
			continue
		}
		if code := keys[i].kind.check(value); code != "" {
			add(name, code)
		}
		if keys[i].useless != "" {
			add(name, keys[i].useless)
		}
	}
	has := func(name string) bool { _, ok := values[prefix+name]; return ok }
	if !has("DEVICE_ADMIN_COMPONENT_NAME") {
		add("DEVICE_ADMIN_COMPONENT_NAME", "required")
	}
	signature, file := has("DEVICE_ADMIN_SIGNATURE_CHECKSUM"), has("DEVICE_ADMIN_PACKAGE_CHECKSUM")
	switch {
	case signature && file:
		add("DEVICE_ADMIN_PACKAGE_CHECKSUM", "contradiction") // it wins, and ends with the next version
	case has("DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION") && !signature && !file:
		add("DEVICE_ADMIN_SIGNATURE_CHECKSUM", "required")
	}
	if !has("WIFI_SSID") {
		for key := range values {
			if name, _ := strings.CutPrefix(key, prefix); strings.HasPrefix(name, "WIFI_") && indexKey(name) >= 0 {
				add(name, "without_ssid")
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.SortFunc(wrong, func(a, b Problem) int { return strings.Compare(a.Key+a.Code, b.Key+b.Code) })
	return &PayloadError{wrong}
}

func indexKey(name string) int {
	for i, k := range keys {
		if k.name == name {
			return i
		}
	}
	return -1
}

// shortened keeps a key that somebody made up from filling a log.
func shortened(key string) string {
	if len(key) > 80 || !isPlain(key) {
		return ""
	}
	return key
}

// readPayload reads one JSON object, each key once.
func readPayload(payload []byte) (map[string]any, error) {
	malformed := &PayloadError{[]Problem{{"", "malformed"}}}
	if !utf8.Valid(payload) {
		return nil, malformed
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	value, err := readValue(dec, 0)
	if problem, ok := errors.AsType[*PayloadError](err); ok {
		return nil, problem
	}
	values, ok := value.(map[string]any)
	if err != nil || !ok {
		return nil, malformed
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed
	}
	return values, nil
}

var errDeep = errors.New("android: nested too deep")

// readValue is encoding/json's own decoding that minds keys that stand twice,
// of which devices take either.
func readValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth > maxDepth {
		return nil, errDeep
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			value, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	}
	object := map[string]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if _, twice := object[name]; twice {
			return nil, &PayloadError{[]Problem{{shortened(name), "duplicate"}}}
		}
		if object[name], err = readValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return object, err
}
