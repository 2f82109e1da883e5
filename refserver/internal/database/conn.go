package database

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// Conn runs the server's own statements, as a rule in a unit of work.
type Conn struct {
	q       sqlstore.Querier
	dialect dialect
}

// Scanner reads the columns of a row.
type Scanner interface{ Scan(to ...any) error }

// Hold waits until no other unit holds name, and holds it until this unit ends.
// On SQLite, where one unit writes at a time, there is nothing to do.
func (c Conn) Hold(ctx context.Context, name string) error {
	if !c.dialect.nodes {
		return nil
	}
	return c.Rows(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, []any{"refserver " + name}, func(Scanner) error { return nil })
}

// Exec runs a statement that writes and returns how many rows it affected. It
// returns an error wrapping [enrollment.ErrExists] if a unique index refuses. What
// is changed or deleted by a text that no database keeps is no row; to insert one
// is an error.
func (c Conn) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	if !keepable(args) {
		if strings.HasPrefix(text, "INSERT") {
			return 0, errText
		}
		return 0, nil
	}
	n, err := c.q.Exec(ctx, c.dialect.render(text), args...)
	return n, c.dialect.judge(err)
}

// Row scans the one row of an answer. It returns an error wrapping
// [enrollment.ErrNotFound] if there is none.
func (c Conn) Row(ctx context.Context, text string, args []any, to ...any) error {
	found := false
	err := c.Rows(ctx, text, args, func(row Scanner) error {
		if found {
			return nil
		}
		found = true
		return row.Scan(to...)
	})
	if err == nil && !found {
		return enrollment.ErrNotFound
	}
	return err
}

// Rows calls scan for each row of an answer. scan runs no other statement. A text
// that no database keeps, with a NUL or invalid UTF-8, is no row's.
func (c Conn) Rows(ctx context.Context, text string, args []any, scan func(Scanner) error) error {
	if !keepable(args) {
		return nil
	}
	rows, err := c.q.Query(ctx, c.dialect.render(text), args...)
	if err != nil {
		return c.dialect.judge(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return c.dialect.judge(rows.Err())
}

// errText says that a text cannot be kept. PostgreSQL says so by itself, SQLite
// would keep it.
var errText = errors.New("database: a text with a NUL or invalid UTF-8 is not kept")

// keepable reports whether a database keeps every text among args.
func keepable(args []any) bool {
	for _, a := range args {
		if s, ok := a.(string); ok && (strings.ContainsRune(s, 0) || !utf8.ValidString(s)) {
			return false
		}
	}
	return true
}

// dialect is what differs between the two for our own statements.
type dialect struct {
	sdk        sqlstore.Dialect
	migrations string // the directory
	nodes      bool   // several may use it at once, and arguments are $1, $2 ...
	hasVersion string // has a row if there is a table of versions
	taken      func(error) bool
}

var sqlite = dialect{
	sdk: sqlstore.SQLite, migrations: "migrations/sqlite",
	hasVersion: `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ref_version'`,
	taken: func(err error) bool {
		const constraintPrimaryKey, constraintUnique = 1555, 2067
		var coded interface {
			error
			Code() int
		}
		return errors.As(err, &coded) && (coded.Code() == constraintPrimaryKey || coded.Code() == constraintUnique)
	},
}

var postgres = dialect{
	sdk: sqlstore.PostgreSQL, migrations: "migrations/postgresql", nodes: true,
	hasVersion: `SELECT 1 WHERE to_regclass('ref_version') IS NOT NULL`,
	taken: func(err error) bool {
		var stated interface {
			error
			SQLState() string
		}
		return errors.As(err, &stated) && stated.SQLState() == "23505"
	},
}

// render numbers the arguments where the database wants that. No statement of
// ours has a question mark that is none.
func (d dialect) render(text string) string {
	if !d.nodes {
		return text
	}
	var b strings.Builder
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

func (d dialect) judge(err error) error {
	if err != nil && d.taken(err) {
		return fmt.Errorf("%w: %w", enrollment.ErrExists, err)
	}
	return err
}
