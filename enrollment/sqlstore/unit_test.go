package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

func TestUnit(t *testing.T) {
	ctx := t.Context()

	t.Run("writes begin IMMEDIATE whatever the connection is set to, and views do not", func(t *testing.T) {
		db := &script{}
		s := open(t, db)
		require.NoError(t, s.Update(ctx, well))
		require.Equal(t, "BEGIN IMMEDIATE", db.log[0])
		require.NoError(t, s.View(ctx, well))
		require.Equal(t, "BEGIN DEFERRED", db.log[len(db.log)-2])
	})

	t.Run("a unit inside a unit is refused", func(t *testing.T) {
		s := open(t, &script{})
		for _, outer := range []func(context.Context, func(context.Context, enrollment.Tx) error) error{s.Update, s.View} {
			for _, inner := range []func(context.Context, func(context.Context, enrollment.Tx) error) error{s.Update, s.View} {
				require.ErrorIs(t, outer(ctx, func(ctx context.Context, _ enrollment.Tx) error { return inner(ctx, well) }), ErrNested)
			}
		}
	})

	t.Run("a unit whose statement failed is not kept, even if it says so", func(t *testing.T) {
		full := errors.New("disk full")
		db := &script{fail: map[string]error{"INSERT INTO mine VALUES (1)": full}}
		s := open(t, db)
		err := s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			_ = tx.Counters().Delete(ctx, "a")
			u := tx.(*unit)
			_ = u.fail(full)
			return nil
		})
		require.ErrorIs(t, err, full)
		require.Equal(t, 1, db.count("ROLLBACK TO enroll_unit"))
	})

	t.Run("a transaction is of no use after its unit", func(t *testing.T) {
		s := open(t, &script{})
		var kept enrollment.Tx
		require.NoError(t, s.Update(ctx, func(_ context.Context, tx enrollment.Tx) error { kept = tx; return nil }))
		require.ErrorIs(t, kept.Counters().Delete(ctx, "a"), ErrEnded)
	})

	t.Run("the embedder's rows ride in ours", func(t *testing.T) {
		db := &script{}
		s := open(t, db)
		require.NoError(t, s.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			q, ok := Conn(tx)
			require.True(t, ok)
			_, err := q.Exec(ctx, "INSERT INTO mine VALUES (1)")
			return err
		}))
		require.Equal(t, []string{"BEGIN IMMEDIATE", "SAVEPOINT enroll_unit", "INSERT INTO mine VALUES (1)", "RELEASE enroll_unit", "COMMIT"}, db.log)

		require.NoError(t, s.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			q, _ := Conn(tx)
			_, err := q.Exec(ctx, "INSERT INTO mine VALUES (1)")
			require.ErrorIs(t, err, ErrReadOnly)
			return nil
		}))
		_, ok := Conn(nil)
		require.False(t, ok)
	})

	t.Run("inside the embedder's transaction there are savepoints and nothing else", func(t *testing.T) {
		db := &script{}
		s := open(t, db).InTx(db)
		require.NoError(t, s.Update(ctx, well))
		require.Error(t, s.Update(ctx, func(context.Context, enrollment.Tx) error { return errors.New("refused") }))
		require.Equal(t, []string{
			"SAVEPOINT enroll_unit", "RELEASE enroll_unit",
			"SAVEPOINT enroll_unit", "ROLLBACK TO enroll_unit", "RELEASE enroll_unit",
		}, db.log)
		_, err := s.Spend(ctx, at, nil)
		require.ErrorIs(t, err, enrollment.ErrOwnTransaction)

		db.fail = map[string]error{"ROLLBACK TO enroll_unit": errors.New("no such savepoint")}
		err = s.Update(ctx, func(context.Context, enrollment.Tx) error { return errors.New("refused") })
		require.ErrorIs(t, err, ErrBroken)
	})
}

func TestStatements(t *testing.T) {
	t.Run("the rebinder knows tables, indexes and arguments", func(t *testing.T) {
		numbered := SQLite
		numbered.placeholder = func(n int) string { return fmt.Sprintf("$%d", n) }
		for _, c := range []struct {
			dialect Dialect
			options Options
			text    string
			want    string
		}{
			{SQLite, Options{Prefix: "e_"}, "SELECT ? FROM @a", "SELECT ? FROM e_a"},
			{numbered, Options{Prefix: "e_"}, "SELECT ?, ? FROM @a", "SELECT $1, $2 FROM e_a"},
			{SQLite, Options{Prefix: "e_", Schema: "s"}, "CREATE INDEX ~a ON @a", "CREATE INDEX e_a ON s.e_a"},
		} {
			require.Equal(t, c.want, c.dialect.render(c.options, c.text))
		}
	})

	t.Run("the text behind a beginning is the least one that is greater than all", func(t *testing.T) {
		for _, c := range []struct{ text, want string }{
			{"", ""},
			{"a", "b"},
			{"az", "a{"},
			{"\x7f", "\u0080"},
			{"\uD7FF", "\uE000"},
			{"a\U0010FFFF", "b"},
			{"\U0010FFFF", ""},
		} {
			require.Equal(t, c.want, behind(c.text), "behind %q", c.text)
		}
	})

	t.Run("JSON that would lose something is noticed", func(t *testing.T) {
		for _, c := range []struct {
			text string
			want bool
		}{
			{`"a"`, false}, {`"\u0000"`, true}, {`"\ufffd"`, true}, {`"\\u0000"`, false}, {`"\\\u0000"`, true}, {`"\`, false}, {`"�"`, false},
		} {
			require.Equal(t, c.want, replaced([]byte(c.text)), c.text)
		}
	})

	t.Run("names that are no identifiers are refused", func(t *testing.T) {
		for _, name := range []string{"a b", "a;", "A", "1a", `a"`, "é", strings.Repeat("a", maxName+1)} {
			_, err := New(&script{}, SQLite, Options{Prefix: name})
			require.ErrorIs(t, err, ErrOptions, "%q", name)
			_, err = InTx(&script{}, SQLite, Options{Schema: name})
			require.ErrorIs(t, err, ErrOptions, "%q", name)
		}
	})

	t.Run("every table and index has the prefix", func(t *testing.T) {
		list, err := Migrations(SQLite, Options{Prefix: "x_"})
		require.NoError(t, err)
		for _, statement := range list[0].statements() {
			for line := range strings.Lines(statement) {
				if strings.HasPrefix(line, "CREATE") {
					require.Contains(t, line, " x_")
				}
			}
			require.NotContains(t, statement, "@")
			require.NotContains(t, statement, "~")
		}
	})

	t.Run("a version error says what to do", func(t *testing.T) {
		require.Contains(t, (&VersionError{Have: 0, Want: 2}).Error(), "migrate it to version 2")
		require.Contains(t, (&VersionError{Have: 1, Want: 2}).Error(), "older than 2: migrate it")
		require.Contains(t, (&VersionError{Have: 3, Want: 2}).Error(), "start a newer program")
	})
}
