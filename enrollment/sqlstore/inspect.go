package sqlstore

import (
	"context"
	"fmt"
)

// Render returns SQL that is written as this package writes its own, in the
// words of the store's dialect: @name is the table of that name, with schema and
// prefix, and ? the next argument. It is for statements of the embedder that read
// our tables, such as those of package verify; text in quotes is rendered too.
func (s *Store) Render(text string) string { return s.dialect.render(s.options, text) }

// Soundness is what the database system says of its own structures.
type Soundness struct {
	Wrong []string // in its words, without values of rows
	// Unasked says why the system could not be asked; empty if it was.
	Unasked string
}

// Soundness asks the database system itself whether its tables and indexes are
// whole: SQLite by PRAGMA integrity_check, which reads the whole file,
// PostgreSQL by bt_index_check of its extension amcheck, which reads our indexes
// without keeping anybody from writing. The extension is not installed for that,
// and its functions are the superuser's unless they were granted. A structure so
// broken that asking fails is no error, but wrong.
func (s *Store) Soundness(ctx context.Context) (Soundness, error) {
	if s.dialect.name == SQLite.name {
		said, err := words(ctx, s.db, "PRAGMA integrity_check")
		switch {
		case ctx.Err() != nil:
			return Soundness{}, ctx.Err()
		case err != nil:
			return Soundness{Wrong: []string{err.Error()}}, nil
		case len(said) == 1 && said[0] == "ok":
			return Soundness{}, nil
		}
		return Soundness{Wrong: said}, nil
	}
	check, err := words(ctx, s.db, `SELECT CASE WHEN has_function_privilege(p.oid, 'execute') THEN quote_ident(n.nspname) || '.bt_index_check' ELSE '' END
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
		WHERE e.extname = 'amcheck' AND p.proname = 'bt_index_check' ORDER BY 1 DESC LIMIT 1`)
	switch {
	case err != nil:
		return Soundness{}, fmt.Errorf("sqlstore: amcheck: %w", cmpErr(ctx, err))
	case len(check) == 0:
		return Soundness{Unasked: "the extension amcheck is not installed"}, nil
	case check[0] == "":
		return Soundness{Unasked: "no right to run bt_index_check"}, nil
	}
	indexes, err := words(ctx, s.db, s.Render(`SELECT i.indexrelid::regclass::text FROM pg_index i
		WHERE i.indrelid IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace =
			(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('@versions')) AND starts_with(c.relname, '~'))
		ORDER BY 1`))
	if err != nil {
		return Soundness{}, fmt.Errorf("sqlstore: amcheck: %w", cmpErr(ctx, err))
	}
	var found Soundness
	for _, index := range indexes {
		// One statement each, or the first unsound index would hide the others.
		if _, err := words(ctx, s.db, "SELECT "+check[0]+"($1::text::regclass, true)::text", index); err != nil {
			if ctx.Err() != nil {
				return Soundness{}, ctx.Err()
			}
			found.Wrong = append(found.Wrong, err.Error())
		}
	}
	return found, nil
}

// words returns the rows of a statement with one column of text.
func words(ctx context.Context, q Querier, query string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
