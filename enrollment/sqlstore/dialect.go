package sqlstore

import (
	"embed"
	"errors"
	"io/fs"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// Dialect is what differs between database systems. The statements themselves
// are the same for all.
type Dialect struct {
	name        string
	migrations  fs.FS                // NNNN_name.sql
	beginWrite  string               // begins a transaction that writes
	beginRead   string               // begins one that sees one state
	lock        string               // after a SELECT: keeps others from changing its rows
	placeholder func(n int) string   // of the n-th argument; nil: ?
	hasTable    string               // has a row if the table given exists
	maxArgs     int                  // of one statement
	taken       func(err error) bool // whether a unique index refused a row
}

// String returns the dialect's name.
func (d Dialect) String() string { return d.name }

// SQLite is SQLite 3.35 or later. See the package comment for the pragmas that
// it needs.
var SQLite = Dialect{
	name:       "sqlite",
	migrations: below("migrations/sqlite"),
	beginWrite: "BEGIN IMMEDIATE", // a deferred one fails with SQLITE_BUSY when it first writes, whatever the timeout
	beginRead:  "BEGIN DEFERRED",
	hasTable:   "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
	maxArgs:    32766, // SQLITE_MAX_VARIABLE_NUMBER since 3.32
	taken: func(err error) bool {
		const constraintPrimaryKey, constraintUnique = 1555, 2067
		var coded interface {
			error
			Code() int
		}
		return errors.As(err, &coded) && (coded.Code() == constraintUnique || coded.Code() == constraintPrimaryKey)
	},
}

func below(dir string) fs.FS {
	sub, err := fs.Sub(migrations, dir)
	if err != nil {
		panic(err) // dir is a constant
	}
	return sub
}

// render turns the SQL of this package into that of the dialect: @name is the
// table of that name, ~name an index, ? the next argument.
func (d Dialect) render(o Options, text string) string {
	var b strings.Builder
	args := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '@':
			if o.Schema != "" {
				b.WriteString(o.Schema)
				b.WriteByte('.')
			}
			b.WriteString(o.Prefix)
		case c == '~':
			b.WriteString(o.Prefix)
		case c == '?' && d.placeholder != nil:
			args++
			b.WriteString(d.placeholder(args))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
