package adminhttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// The greatest sizes of bodies, in bytes: maxInvites people take less than
// inviteBody with the longest ids, names and addresses.
const (
	smallBody  = 64 << 10
	inviteBody = 1 << 20
)

// maxQueryText is the longest text in a query, in bytes.
const maxQueryText = 256

// nothing reads the body of a verb that takes none: it is absent, or {}.
func nothing(w http.ResponseWriter, r *http.Request) error {
	body := bufio.NewReader(r.Body)
	if _, err := body.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	return httpkit.DecodeJSON(w, r, smallBody, &struct{}{})
}

// wrong collects what is wrong with the fields of one request.
type wrong []enrollment.FieldError

func (f *wrong) add(field, code string) {
	*f = append(*f, enrollment.FieldError{Field: field, Code: code})
}

// err is a *enrollment.ValidationError, or nil if nothing is wrong.
func (f wrong) err() error {
	if len(f) == 0 {
		return nil
	}
	return &enrollment.ValidationError{Fields: f}
}

// query reads the parameters of a request. What is empty was not asked for.
type query struct {
	values url.Values
	wrong  wrong
}

// readQuery returns the query of r, or an error if it is no query at all.
func readQuery(r *http.Request) (*query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &httpkit.BodyError{Status: http.StatusBadRequest, Code: "bad_query", Detail: "The query of the address is malformed."}
	}
	return &query{values: values}, nil
}

// text returns a parameter that may be any text a store can compare with.
func (q *query) text(name string) string {
	given := q.values[name]
	if len(given) == 0 {
		return ""
	}
	switch s := given[0]; {
	case len(given) > 1:
		q.wrong.add(name, "repeated")
	case len(s) > maxQueryText:
		q.wrong.add(name, "too_long")
	case !clean(s):
		q.wrong.add(name, "malformed")
	default:
		return s
	}
	return ""
}

// token returns a page token, which is longer than a text may be.
func (q *query) token() string {
	given := q.values["page_token"]
	switch {
	case len(given) == 0:
		return ""
	case len(given) > 1:
		q.wrong.add("page_token", "repeated")
		return ""
	}
	return given[0]
}

// number returns a parameter from low to high, or 0 if it is not given.
func (q *query) number(name string, low, high int64) int64 {
	s := q.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		q.wrong.add(name, "malformed")
	case err != nil || n < low || n > high:
		q.wrong.add(name, "out_of_range")
	default:
		return n
	}
	return 0
}

// pageSize returns the parameter page_size; 0: not given.
func (q *query) pageSize() int { return int(q.number("page_size", 1, enrollment.MaxPageSize)) }

// oneOf returns a parameter that is one of a list.
func oneOf[T ~string](q *query, name string, known ...T) T {
	s := T(q.text(name))
	if s != "" && !slices.Contains(known, s) {
		q.wrong.add(name, "unknown")
		return ""
	}
	return s
}

// manyOf returns a parameter that may be given more than once, each time one of
// a list.
func manyOf[T ~string](q *query, name string, known ...T) []T {
	var chosen []T
	for _, s := range q.values[name] {
		switch {
		case s == "" || slices.Contains(chosen, T(s)):
		case slices.Contains(known, T(s)):
			chosen = append(chosen, T(s))
		default:
			q.wrong.add(name, "unknown")
			return nil
		}
	}
	return chosen
}

// clean reports whether s is text without control characters.
func clean(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// idempotencyKey returns the header of that name, "" if there is none.
func idempotencyKey(r *http.Request, wrong *wrong) string {
	const name = "Idempotency-Key"
	given := r.Header.Values(name)
	if len(given) == 0 {
		return ""
	}
	key := given[0]
	switch {
	case len(given) > 1:
		wrong.add(name, "repeated")
	case key == "":
		wrong.add(name, "required")
	case len(key) > 128:
		wrong.add(name, "too_long")
	case strings.IndexFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) >= 0:
		wrong.add(name, "malformed")
	}
	return key
}

// element is the name of one element of a list.
func element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
