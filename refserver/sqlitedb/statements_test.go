package sqlitedb_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What a connection keeps prepared must not show: a statement inside itself,
// more statements than are kept, and tables that change under them.
func TestKeptStatementsAnswerAsNewOnes(t *testing.T) {
	ctx := context.Background()
	db := openFile(t, filepath.Join(t.TempDir(), "enroll.db"))
	conn, err := db.Conn(ctx)
	must(t, err)
	defer conn.Close()
	exec := func(text string, args ...any) {
		t.Helper()
		_, err := conn.ExecContext(ctx, text, args...)
		must(t, err)
	}
	numbers := func(text string, args ...any) (list []int) {
		t.Helper()
		rows, err := conn.QueryContext(ctx, text, args...)
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var n int
			must(t, rows.Scan(&n))
			list = append(list, n)
		}
		must(t, rows.Err())
		return list
	}
	same := func(got []int, want string) {
		t.Helper()
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	exec("CREATE TABLE t (n INTEGER)")
	for i := range 3 {
		exec("INSERT INTO t (n) VALUES (?)", i)
	}
	const all = "SELECT n FROM t WHERE n >= ? ORDER BY n"

	t.Run("a statement inside itself", func(t *testing.T) {
		rows, err := conn.QueryContext(ctx, all, 0)
		must(t, err)
		var outer []int
		for rows.Next() {
			var n int
			must(t, rows.Scan(&n))
			outer = append(outer, n)
			same(numbers(all, 1), "[1 2]")
		}
		must(t, rows.Err())
		must(t, rows.Close())
		same(outer, "[0 1 2]")
	})
	t.Run("rows that are left early", func(t *testing.T) {
		rows, err := conn.QueryContext(ctx, all, 0)
		must(t, err)
		rows.Next()
		must(t, rows.Close())
		same(numbers(all, 0), "[0 1 2]")
	})
	t.Run("more than are kept", func(t *testing.T) {
		for i := range 600 {
			same(numbers(fmt.Sprintf("SELECT %d", i)), fmt.Sprintf("[%d]", i))
		}
		same(numbers(all, 2), "[2]")
	})
	t.Run("a long one", func(t *testing.T) {
		same(numbers("SELECT 1 "+strings.Repeat(" ", 5000)), "[1]")
	})
	t.Run("a table that changes", func(t *testing.T) {
		exec("ALTER TABLE t RENAME COLUMN n TO m")
		exec("ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 7")
		same(numbers("SELECT DISTINCT n FROM t"), "[7]")
		same(numbers(all, 0), "[7 7 7]")
	})
	t.Run("an error", func(t *testing.T) {
		exec("CREATE UNIQUE INDEX u ON t (m)")
		for range 2 {
			if _, err := conn.ExecContext(ctx, "INSERT INTO t (m) VALUES (?)", 1); err == nil {
				t.Error("taken, and taken in")
			}
		}
		exec("INSERT INTO t (m) VALUES (?)", 9)
	})
	t.Run("no commit is held up", func(t *testing.T) {
		exec("BEGIN IMMEDIATE")
		same(numbers("SELECT count(*) FROM t"), "[4]")
		exec("COMMIT")
		exec("BEGIN IMMEDIATE")
		exec("ROLLBACK")
	})
}
