package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/server"
)

// commandFlags are the flags of a command that works beside the servers. It
// knows where the database and the key ring are as serve does.
type commandFlags struct {
	*flag.FlagSet
	database, keyring *string
	env               func(string) string
	errOut            io.Writer
}

func newCommandFlags(name, usage string, env func(string) string, errOut io.Writer) *commandFlags {
	f := &commandFlags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), env: env, errOut: errOut}
	f.SetOutput(errOut)
	f.database = f.String("database", "", "`sqlite:PATH` or postgres://...; also ENROLLKIT_DATABASE")
	f.keyring = f.String("keyring", "", "`path` of the key ring; also ENROLLKIT_KEYRING")
	f.Usage = func() {
		_, _ = fmt.Fprintln(errOut, usage)
		f.PrintDefaults()
	}
	return f
}

// parse reads the flags and returns what serve makes of them; more is what
// stands behind them. Without help or mistakes, done is nil.
func (f *commandFlags) parse(args []string) (cfg server.Config, done error) {
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return cfg, exitCode(0)
	case err != nil:
		return cfg, exitCode(2) // it is said already
	}
	var given []string
	for name, value := range map[string]string{"-database": *f.database, "-keyring": *f.keyring} {
		if value != "" {
			given = append(given, name, value)
		}
	}
	o, err := readOptions(given, f.env, f.errOut)
	if err != nil {
		return cfg, err
	}
	return cfg, o.database(&cfg)
}

// openBeside opens the database of servers that may be running. It has to be
// of this program's version.
func openBeside(ctx context.Context, cfg server.Config, o database.Options) (*database.DB, error) {
	o.AllowUnsafe = true // it is there already; who may start on it is serve's to say
	db, err := database.Open(ctx, cfg.Database, o)
	if err != nil {
		return nil, err
	}
	if err := db.Check(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// closing closes a database at the end of a command.
func closing(db *database.DB, err *error) {
	if failed := db.Close(); failed != nil {
		*err = errors.Join(*err, failed)
	}
}
