package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/enrollkit/credentials"
)

// A row is described once, by pointers to its fields in the order of its
// columns: rows are scanned into them, and args reads them back. What SQL has no
// type for goes through one of the types below.

// stamp is a time: microseconds, and 0 for the zero time.
type stamp struct{ t *time.Time }

// Scan implements sql.Scanner.
func (s stamp) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("time from %T", src)
	}
	*s.t = moment(n)
	return nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// flag is a bool: 1 or 0.
type flag struct{ b *bool }

// Scan implements sql.Scanner.
func (f flag) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("bool from %T", src)
	}
	*f.b = n != 0
	return nil
}

// mac is a MAC: its bytes, and NULL for the zero MAC.
type mac struct{ m *credentials.MAC }

// Scan implements sql.Scanner.
func (m mac) Scan(src any) (err error) {
	*m.m = credentials.MAC{}
	if b, ok := src.([]byte); ok {
		*m.m, err = credentials.ParseMAC(b)
	}
	return err
}

// bin is bytes: NULL for nil, which drivers do not all tell from none.
type bin struct{ b *[]byte }

// Scan implements sql.Scanner.
func (b bin) Scan(src any) error {
	*b.b = nil
	if bytes, ok := src.([]byte); ok {
		*b.b = append([]byte{}, bytes...)
	}
	return nil
}

// doc is a value as JSON.
type doc struct{ v any }

// Scan implements sql.Scanner.
func (d doc) Scan(src any) error {
	switch src := src.(type) {
	case string:
		return json.Unmarshal([]byte(src), d.v)
	case []byte:
		return json.Unmarshal(src, d.v)
	}
	return fmt.Errorf("JSON from %T", src)
}

// args appends what fields point to, as arguments.
func args(list []any, fields []any) ([]any, error) {
	for _, field := range fields {
		var value any
		switch p := field.(type) {
		case *string:
			value = *p
		case *int:
			value = int64(*p)
		case *int64:
			value = *p
		case *uint32:
			value = int64(*p)
		case bin:
			if *p.b != nil {
				value = *p.b
			}
		case stamp:
			value = micros(*p.t)
		case flag:
			value = bit(*p.b)
		case mac:
			value = macArg(*p.m)
		case doc:
			text, err := json.Marshal(p.v)
			if err != nil {
				return nil, fmt.Errorf("sqlstore: %w", err)
			}
			if replaced(text) {
				return nil, ErrText
			}
			value = string(text)
		default:
			return nil, fmt.Errorf("sqlstore: no argument from %T", field)
		}
		list = append(list, value)
	}
	return list, nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func macArg(m credentials.MAC) any {
	if m.IsZero() {
		return nil
	}
	return m.Bytes()
}

func macArgs(macs []credentials.MAC) []any {
	list := make([]any, 0, len(macs))
	for _, m := range macs {
		if !m.IsZero() {
			list = append(list, m.Bytes())
		}
	}
	return list
}

// plain refuses texts that a database would refuse or change.
func plain(args []any) error {
	for _, arg := range args {
		if !isPlain(arg) {
			return ErrText
		}
	}
	return nil
}

func isPlain(arg any) bool {
	s, ok := arg.(string)
	return !ok || strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}

// matchless returns args with NULL, which equals nothing, for texts that no row
// can have.
func matchless(args []any) []any {
	args = slices.Clone(args)
	for i, arg := range args {
		if !isPlain(arg) {
			args[i] = nil
		}
	}
	return args
}

// replaced reports whether JSON holds a NUL, or a byte that json.Marshal had to
// replace: both are escapes that it writes for nothing else.
func replaced(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if rest := string(text[i+1 : min(i+6, len(text))]); rest == "u0000" || rest == "ufffd" {
			return true
		}
		i++ // what is escaped may be a backslash
	}
	return false
}

// anys converts a slice to arguments.
func anys[S ~string](list []S) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// marks returns n placeholders: "?, ?, ?".
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// tuples returns rows of n placeholders: "(?, ?), (?, ?)".
func tuples(rows, n int) string {
	return strings.TrimSuffix(strings.Repeat("("+marks(n)+"), ", rows), ", ")
}
