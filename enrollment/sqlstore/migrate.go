package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Migration is one step from one version of the tables to the next.
type Migration struct {
	Version int    // 1, 2, 3 ...
	Name    string // "base"
	// SQL is one or more statements, each ended by a semicolon at the end of a
	// line. The last one notes the version.
	SQL string
}

// Migrations returns every step in order, for the embedder's own tool. Each is
// to be run once, in a transaction of its own. It returns an error wrapping
// [ErrOptions] if the options name no tables.
func Migrations(d Dialect, o Options) ([]Migration, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(d.migrations, "*.sql")
	if err != nil {
		return nil, err
	}
	var list []Migration
	for _, name := range files { // in the order of their names
		text, err := fs.ReadFile(d.migrations, name)
		if err != nil {
			return nil, err
		}
		var m Migration
		if _, err := fmt.Sscanf(name, "%d_%s", &m.Version, &m.Name); err != nil {
			return nil, fmt.Errorf("sqlstore: migration %s: %w", name, err)
		}
		m.Name = strings.TrimSuffix(m.Name, ".sql")
		note := fmt.Sprintf("\nINSERT INTO @versions (version, name) VALUES (%d, '%s');\n", m.Version, m.Name)
		m.SQL = d.render(o, strings.TrimRight(string(text), "\n")+"\n"+note)
		list = append(list, m)
	}
	return list, nil
}

// statements splits SQL at the semicolons that end lines, for drivers that take
// one statement at a time.
func (m Migration) statements() []string {
	var list []string
	for text := range strings.SplitSeq(m.SQL, ";\n") {
		if text = strings.TrimSpace(text); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// VersionError says that the tables are not those that the program needs.
type VersionError struct {
	Have int // 0: there are none
	Want int
}

func (e *VersionError) Error() string {
	switch {
	case e.Have > e.Want:
		return fmt.Sprintf("sqlstore: the database is at version %d, newer than this program, which knows %d: start a newer program", e.Have, e.Want)
	case e.Have == 0:
		return fmt.Sprintf("sqlstore: the database has no tables of ours: migrate it to version %d", e.Want)
	}
	return fmt.Sprintf("sqlstore: the database is at version %d, older than %d: migrate it", e.Have, e.Want)
}

// Check returns a [*VersionError] unless the tables are of the version that the
// program needs.
func (s *Store) Check(ctx context.Context) error {
	have, err := s.version(ctx, s.db)
	if err != nil {
		return err
	}
	if want := s.migrations[len(s.migrations)-1].Version; have != want {
		return &VersionError{Have: have, Want: want}
	}
	return nil
}

// Migrate brings the tables to the version that the program needs. It may be
// called again, and by several processes at once; it returns a [*VersionError]
// if the tables are newer.
func (s *Store) Migrate(ctx context.Context) error {
	for _, m := range s.migrations {
		if err := s.migrate(ctx, m); err != nil {
			return fmt.Errorf("sqlstore: migration %d (%s): %w", m.Version, m.Name, err)
		}
	}
	return s.Check(ctx)
}

func (s *Store) migrate(ctx context.Context, m Migration) (err error) {
	// Most of the time there is nothing to do, which takes no right and no lock.
	have, err := s.version(ctx, s.db)
	if err != nil || have >= m.Version {
		return err
	}
	tx, err := s.db.Begin(ctx, BeginOptions{Statement: s.dialect.beginWrite})
	if err != nil {
		return err
	}
	if err = s.dialect.hold(ctx, tx, s.options, "migrate"); err == nil {
		have, err = s.version(ctx, tx) // another may have been quicker
	}
	if err == nil && have < m.Version {
		for _, statement := range m.statements() {
			if _, err = tx.Exec(ctx, statement); err != nil {
				break
			}
		}
		if err == nil {
			return tx.Commit(context.WithoutCancel(ctx))
		}
	}
	return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
}

// version returns the version of the tables, 0 if there are none.
func (s *Store) version(ctx context.Context, q Querier) (int, error) {
	have, err := number(ctx, q, s.dialect.render(s.options, s.dialect.hasVersions))
	if err != nil || have == 0 {
		return 0, err
	}
	return number(ctx, q, s.dialect.render(s.options, "SELECT max(version) FROM @versions"))
}

// number returns the first column of the first row, or 0.
func number(ctx context.Context, q Querier, query string, args ...any) (n int, err error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}
