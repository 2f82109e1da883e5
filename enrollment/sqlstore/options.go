package sqlstore

import (
	"errors"
	"fmt"
)

// Options name the tables.
type Options struct {
	// Prefix begins the name of every table. Lower-case letters, digits and
	// underscores, at most 32. Defaults to "enroll_".
	Prefix string
	// Schema holds the tables, where the system has schemas. It is not
	// created. Defaults to the connection's.
	Schema string
}

// DefaultPrefix is the prefix of the tables unless Options say otherwise.
const DefaultPrefix = "enroll_"

// maxName leaves room for the rest in PostgreSQL's 63 bytes.
const maxName = 32

// ErrOptions refuses a name that is no plain identifier.
var ErrOptions = errors.New("sqlstore: invalid option")

func (o Options) withDefaults() (Options, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !isName(o.Prefix) {
		return o, fmt.Errorf("%w: prefix %q", ErrOptions, o.Prefix)
	}
	if o.Schema != "" && !isName(o.Schema) {
		return o, fmt.Errorf("%w: schema %q", ErrOptions, o.Schema)
	}
	return o, nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}
