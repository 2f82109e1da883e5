package accounts

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// maxText is the longest name or other short text, in bytes.
const maxText = 256

// fields collects what is wrong with a request.
type fields []enrollment.FieldError

func (f *fields) add(field, code string) {
	*f = append(*f, enrollment.FieldError{Field: field, Code: code})
}

// err is a *enrollment.ValidationError, or nil if nothing is wrong.
func (f fields) err() error {
	if len(f) == 0 {
		return nil
	}
	return &enrollment.ValidationError{Fields: f}
}

// fieldsOf returns what an error of this package says of fields.
func fieldsOf(err error) fields {
	if invalid, ok := errors.AsType[*enrollment.ValidationError](err); ok {
		return invalid.Fields
	}
	return nil
}

// text takes one line of text.
func (f *fields) text(field, s string, required bool) {
	switch {
	case required && strings.TrimSpace(s) == "":
		f.add(field, "required")
	case len(s) > maxText:
		f.add(field, "too_long")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		f.add(field, "malformed")
	}
}

// email takes an address and returns the form in which it is looked up.
func (f *fields) email(field, s string) string {
	if s == "" {
		return ""
	}
	key, err := credentials.CanonicalEmail(s)
	if err != nil {
		f.add(field, "malformed")
	}
	return key
}

// adminKey is the form in which an administrator's address is compared: as any
// other, and beside that anybody "@localhost", who signs in and gets no mail
// from elsewhere.
func adminKey(email string) (string, error) {
	var wrong fields
	if local, ok := strings.CutSuffix(strings.ToLower(email), "@localhost"); ok {
		if key, err := credentials.CanonicalEmail(local + "@localhost.invalid"); err == nil {
			return strings.TrimSuffix(key, ".invalid"), nil
		}
	}
	key := wrong.email("admin_email", email)
	if email == "" {
		wrong.add("admin_email", "required")
	}
	return key, wrong.err()
}
