package floor

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"sync"
)

// Local is a Program with statements that are to be closed.
type Local struct {
	program
	s *sqliteSession
}

// SQLite is one connection that writes, with prepared statements and one BEGIN
// IMMEDIATE transaction for each call, and the pool for reading. Whoever waits
// to write waits in Go, which is faster and fairer than in SQLite.
func SQLite(ctx context.Context, db *sql.DB) (*Local, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &sqliteSession{writer: conn, known: map[string]*sql.Stmt{}, db: db, read: map[string]*sql.Stmt{}}
	return &Local{program{name: "floor", session: s}, s}, nil
}

// Close gives back the connection. Closing twice is no error.
func (l *Local) Close() error {
	var errs []error
	for _, list := range []map[string]*sql.Stmt{l.s.known, l.s.read} {
		for _, stmt := range list {
			errs = append(errs, stmt.Close())
		}
		clear(list)
	}
	if err := l.s.writer.Close(); !errors.Is(err, sql.ErrConnDone) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

type sqliteSession struct {
	mu     sync.Mutex // held from begin to commit
	writer *sql.Conn
	known  map[string]*sql.Stmt

	db     *sql.DB
	readMu sync.Mutex
	read   map[string]*sql.Stmt
}

var numbered = regexp.MustCompile(`\$\d+`)

// prepared returns a statement of the writer, with ? for $1.
func (s *sqliteSession) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt := s.known[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.writer.PrepareContext(ctx, numbered.ReplaceAllString(text, "?"))
	if err == nil {
		s.known[text] = stmt
	}
	return stmt, err
}

func (s *sqliteSession) begin(ctx context.Context) (tx, error) {
	s.mu.Lock()
	t := sqliteTx{s}
	if err := t.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	return t, nil
}

func (s *sqliteSession) exec(ctx context.Context, text string, args ...any) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stmt, err := s.prepared(ctx, text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *sqliteSession) reader(ctx context.Context, text string) (*sql.Stmt, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if stmt := s.read[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, numbered.ReplaceAllString(text, "?"))
	if err == nil {
		s.read[text] = stmt
	}
	return stmt, err
}

func (s *sqliteSession) page(ctx context.Context, first string, args []any, second string, more []any) (n int, err error) {
	err = s.list(ctx, first, args, func(rows *sql.Rows) error {
		n++
		return rows.Scan(new(slot).fields()...)
	})
	if err != nil {
		return 0, err
	}
	counts := map[string]int64{}
	return n, s.list(ctx, second, more, func(rows *sql.Rows) error {
		var state string
		var count int64
		err := rows.Scan(&state, &count)
		counts[state] = count
		return err
	})
}

func (s *sqliteSession) list(ctx context.Context, text string, args []any, scan func(*sql.Rows) error) error {
	stmt, err := s.reader(ctx, text)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

type sqliteTx struct{ s *sqliteSession }

func (t sqliteTx) exec(ctx context.Context, text string, args ...any) error {
	stmt, err := t.s.prepared(ctx, text)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

func (t sqliteTx) row(ctx context.Context, text string, args []any, dest ...any) (bool, error) {
	stmt, err := t.s.prepared(ctx, text)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (t sqliteTx) commit(ctx context.Context) error {
	defer t.s.mu.Unlock()
	return t.exec(ctx, "COMMIT")
}

func (t sqliteTx) rollback(ctx context.Context) {
	defer t.s.mu.Unlock()
	_ = t.exec(ctx, "ROLLBACK")
}
