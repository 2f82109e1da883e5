package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/enrollkit/refserver/internal/database"
)

// backup is the command "backup": it copies the database of a running server to
// a new file, as it is at one moment.
func backup(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) (err error) {
	flags := newCommandFlags("backup", "usage: refserver backup [flags] FILE\n\nCopies a SQLite database to a new file, while the server runs. Keep the key ring elsewhere: without it\nnothing in the copy opens, and with it everything does. For PostgreSQL use pg_dump.", env, errOut)
	cfg, done := flags.parse(args)
	if done != nil {
		return done
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return exitCode(2)
	}
	if database.IsPostgres(cfg.Database) {
		return errors.New("backup is for SQLite: use pg_dump --format=custom, and pg_restore")
	}
	path, err := filepath.Abs(flags.Arg(0))
	if err != nil {
		return err
	}
	// Nobody else may read it, and nothing is written over.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already", path)
	}
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	// It changes nothing, but SQLite takes VACUUM INTO for a write.
	db, err := openBeside(ctx, cfg, database.Options{Beside: true})
	if err == nil {
		err = errors.Join(db.CopyTo(ctx, path), db.Close())
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	_, err = fmt.Fprintln(out, "copied to", path)
	return err
}
