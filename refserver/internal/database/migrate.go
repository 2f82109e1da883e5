package database

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings enrollkit's tables and the server's own to the version that
// this program needs. Nodes that start together wait for each other.
func (db *DB) Migrate(ctx context.Context) error {
	if err := db.Unbounded().Migrate(ctx); err != nil {
		return plainVersion(err)
	}
	return db.migrateOwn(ctx)
}

// plainVersion says of a version only what there is to do about it.
func plainVersion(err error) error {
	if version, ok := errors.AsType[*sqlstore.VersionError](err); ok {
		return version
	}
	return err
}

// Check returns an error if the tables are not those of this program.
func (db *DB) Check(ctx context.Context) error {
	if err := db.Store.Check(ctx); err != nil {
		return plainVersion(err)
	}
	files, err := db.files()
	if err != nil {
		return err
	}
	have, err := db.version(ctx, db.own)
	if err == nil && have != len(files) {
		err = tooNew(have, len(files))
	}
	return err
}

func tooNew(have, want int) error {
	if have < want {
		return fmt.Errorf("database: the server's tables are at version %d, older than %d: start this program on it once", have, want)
	}
	return fmt.Errorf("database: the server's tables are at version %d, newer than this program, which knows %d: start a newer program", have, want)
}

func (db *DB) files() ([]string, error) {
	return fs.Glob(migrations, db.dialect.migrations+"/*.sql") // in the order of their names
}

func (db *DB) version(ctx context.Context, c Conn) (n int, err error) {
	switch err := c.Row(ctx, db.dialect.hasVersion, nil, &n); {
	case errors.Is(err, enrollment.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return n, c.Row(ctx, `SELECT coalesce(max(version), 0) FROM ref_version`, nil, &n)
}

func (db *DB) migrateOwn(ctx context.Context) (err error) {
	files, err := db.files()
	if err != nil {
		return err
	}
	begin := ""
	if !db.Shared() {
		begin = "BEGIN IMMEDIATE"
	}
	tx, err := db.patient.Begin(ctx, sqlstore.BeginOptions{Statement: begin})
	if err != nil {
		return fmt.Errorf("database: migrate: %w", err)
	}
	done := false
	defer func() {
		if !done {
			_ = tx.Rollback(context.WithoutCancel(ctx)) // err says what happened
		}
	}()
	c := Conn{tx, db.dialect}
	if err := c.Hold(ctx, "migrate"); err != nil { // other nodes start at the same time
		return fmt.Errorf("database: migrate: %w", err)
	}
	have, err := db.version(ctx, c)
	if err != nil {
		return fmt.Errorf("database: migrate: %w", err)
	}
	if have > len(files) {
		return tooNew(have, len(files))
	}
	for n := have; n < len(files); n++ {
		if err := migrateTo(ctx, c, files[n], n+1); err != nil {
			return fmt.Errorf("database: migration %s: %w", files[n], err)
		}
	}
	done = true
	return tx.Commit(context.WithoutCancel(ctx))
}

func migrateTo(ctx context.Context, c Conn, file string, version int) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	statements := []string{`CREATE TABLE IF NOT EXISTS ref_version (version INTEGER NOT NULL)`}
	for statement := range strings.SplitSeq(string(text), ";\n") {
		if strings.TrimSpace(statement) != "" {
			statements = append(statements, statement)
		}
	}
	for _, statement := range statements {
		if _, err := c.Exec(ctx, statement); err != nil {
			return err
		}
	}
	_, err = c.Exec(ctx, `INSERT INTO ref_version (version) VALUES (?)`, version)
	return err
}
