package sqlstore

import (
	"context"
	"fmt"

	"example.com/enrollkit/enrollment"
)

// maxRows is how many rows one statement writes or names at most: more make it
// no faster, and every length is a statement of its own to parse.
const maxRows = 200

// collect returns the rows of a statement, scanned into the fields of each.
func collect[T any](ctx context.Context, u *unit, fields func(*T) []any, text string, args ...any) ([]T, error) {
	var list []T
	err := u.read(ctx, text, args, func(r Rows) error {
		var row T
		if err := r.Scan(fields(&row)...); err != nil {
			return err
		}
		list = append(list, row)
		return nil
	})
	return list, err
}

// one returns the only row of a statement, or an error wrapping ErrNotFound.
func one[T any](ctx context.Context, u *unit, fields func(*T) []any, text string, args ...any) (row T, err error) {
	list, err := collect(ctx, u, fields, text, args...)
	if err != nil {
		return row, err
	}
	if len(list) == 0 {
		return row, enrollment.ErrNotFound
	}
	return list[0], nil
}

// insert writes rows, maxRows to a statement, and returns how many it wrote.
// into is "@table (columns)", conflict what follows the values.
func insert[T any](ctx context.Context, u *unit, into string, fields func(*T) []any, conflict string, list []T) (written int64, err error) {
	return written, inserts(u, into, fields, conflict, list, func(text string, values []any) error {
		n, err := u.exec(ctx, text, values...)
		written += n
		return err
	})
}

// insertLater is insert where nothing but a broken database refuses a row.
func insertLater[T any](ctx context.Context, u *unit, into string, fields func(*T) []any, conflict string, list []T) error {
	return inserts(u, into, fields, conflict, list, func(text string, values []any) error { return u.later(ctx, text, values...) })
}

func inserts[T any](u *unit, into string, fields func(*T) []any, conflict string, list []T, run func(text string, values []any) error) error {
	for len(list) > 0 {
		n := min(len(list), maxRows)
		var (
			values []any
			width  int
			err    error
		)
		for i := range n {
			f := fields(&list[i])
			width = len(f)
			if values, err = args(values, f); err != nil {
				return err
			}
		}
		if n*width > u.rendered.dialect.maxArgs {
			return fmt.Errorf("sqlstore: %d arguments", n*width)
		}
		if err := run("INSERT INTO "+into+" VALUES "+tuples(n, width)+" "+conflict, values); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// add inserts rows of which none may exist: all, or none and an error wrapping
// ErrExists. The conflict is no error to the database, which on some systems
// would end the transaction.
func add[T any](ctx context.Context, u *unit, into string, fields func(*T) []any, list []T) error {
	write := func() error {
		n, err := insert(ctx, u, into, fields, "ON CONFLICT DO NOTHING", list)
		if err == nil && n < int64(len(list)) {
			err = enrollment.ErrExists
		}
		return err
	}
	if len(list) <= 1 {
		return write()
	}
	return u.all(ctx, write)
}

// replace inserts rows or replaces those of the same key.
func replace[T any](ctx context.Context, u *unit, into string, fields func(*T) []any, conflict string, list []T) error {
	write := func() error {
		_, err := insert(ctx, u, into, fields, conflict, list)
		return err
	}
	if len(list) <= maxRows {
		return write()
	}
	return u.all(ctx, write)
}

// last returns list without the rows that a later one of the same key replaces,
// since one statement cannot write a row twice.
func last[T any, K comparable](list []T, key func(*T) K) []T {
	at := make(map[K]int, len(list))
	out := make([]T, 0, len(list))
	for i := range list {
		k := key(&list[i])
		if n, ok := at[k]; ok {
			out[n] = list[i]
			continue
		}
		at[k] = len(out)
		out = append(out, list[i])
	}
	return out
}

// where collects conditions and their arguments.
type where struct {
	text string
	args []any
}

func (w *where) and(condition string, args ...any) {
	if w.text != "" {
		w.text += " AND "
	}
	w.text += condition
	w.args = append(w.args, args...)
}

// in restricts a column to values; no value matches nothing.
func (w *where) in(column string, values []any) {
	if len(values) == 0 {
		w.and("1 = 0")
		return
	}
	w.and(column+" IN ("+marks(len(values))+")", values...)
}

// limit returns the clause for at most n rows.
func (w *where) limit(n int) string {
	w.args = append(w.args, max(n, 0))
	return " LIMIT ?"
}

// limitOrAll is limit, but 0 means all.
func (w *where) limitOrAll(n int) string {
	if n <= 0 {
		return ""
	}
	return w.limit(n)
}
