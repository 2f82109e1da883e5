package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// MaxBody is the greatest body of our own routes, in bytes.
const MaxBody = 64 << 10

// maxDepth is how deep JSON may nest: settings need four levels.
const maxDepth = 16

// DecodeJSON reads the body into v, a pointer to a struct: one JSON object, no
// unknown and no repeated field, nothing behind it. Every error is a [*Problem].
func DecodeJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if said := r.Header.Get("Content-Type"); said != "" {
		if media, _, err := mime.ParseMediaType(said); err != nil || media != "application/json" {
			return Refusal(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body has to be application/json.")
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Refusal(http.StatusRequestEntityTooLarge, "body_too_large", "The body is too large.")
	}
	if err != nil {
		return badJSON("The body was cut short.")
	}
	if !utf8.Valid(body) || len(bytes.TrimSpace(body)) == 0 || bytes.TrimSpace(body)[0] != '{' {
		return badJSON("The body is no JSON object.")
	}
	if err := checkKeys(body, reflect.TypeOf(v)); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	// Its errors quote the input and are dropped on purpose.
	if err := decoder.Decode(v); err != nil {
		return badJSON("The body does not have the fields that this route takes, or one has the wrong type.")
	}
	return nil
}

// checkKeys refuses what encoding/json lets pass: a key given twice, or in
// another case than the field's, deep nesting, and more than one value.
func checkKeys(body []byte, shape reflect.Type) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := checkValue(d, shape, 0); err != nil {
		return badJSON("The body is no JSON, repeats a field or has an unknown one.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badJSON("Something follows the JSON object.")
	}
	return nil
}

var errShape = errors.New("web: JSON of another shape")

func checkValue(d *json.Decoder, shape reflect.Type, depth int) error {
	if depth > maxDepth {
		return errShape
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name := fmt.Sprint(key)
			field, known := fieldOf(shape, name)
			if seen[name] || !known {
				return errShape
			}
			seen[name] = true
			if err := checkValue(d, field, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := checkValue(d, elementOf(shape), depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the closing one
	return err
}

// fieldOf returns the type of a field by its exact name on the wire.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return nil, true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	case t.Kind() != reflect.Struct:
		return nil, true // the decoder says that the type is wrong
	}
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag == name {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

func elementOf(t reflect.Type) reflect.Type {
	if t != nil && t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return nil
}

func badJSON(detail string) *Problem { return Refusal(http.StatusBadRequest, "bad_json", detail) }
