package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/keyfile"
	"example.com/enrollkit/refserver/internal/server"
)

const keysUsage = `usage: refserver keys [flags] list | add | promote KEY | rotate | retire KEY

Changes the key ring while servers run: they notice it in a second.

  list          show the keys, who has them, and what is stored under each
  add           add a key that nobody uses yet
  promote KEY   make what is new with this key; every node has to have it
  rotate        add a key, promote it, and move everything that is stored to it
  retire KEY    take a key out, once nothing needs it any more

Every node has to read the same file, or get each change before the next one.
`

// keys is the command "keys".
func keys(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) (err error) {
	flags := newCommandFlags("keys", keysUsage, env, errOut)
	wait := flags.Duration("wait", time.Minute, "how `long` to wait until every node has noticed")
	cfg, done := flags.parse(args)
	if done != nil {
		return done
	}
	verb, key := flags.Arg(0), uint64(0)
	want := map[string]int{"list": 1, "add": 1, "promote": 2, "rotate": 1, "retire": 2}[verb]
	if want == 0 || flags.NArg() != want {
		flags.Usage()
		return exitCode(2)
	}
	if want == 2 {
		if key, err = strconv.ParseUint(flags.Arg(1), 10, 32); err != nil {
			return fmt.Errorf("%q is no key: want a number from refserver keys list", flags.Arg(1))
		}
	}
	ring, err := keyfile.Read(cfg.Keyring)
	if err != nil {
		return err
	}
	looks := verb == "list"
	db, err := openBeside(ctx, cfg, database.Options{Beside: !looks, ReadOnly: looks})
	if err != nil {
		return err
	}
	defer closing(db, &err)
	work, err := server.NewRotation(ctx, db, cfg.Keyring, ring)
	if err != nil {
		return err
	}
	work.Wait, work.Out = *wait, out
	switch verb {
	case "add":
		_, err = work.Add(ctx)
	case "promote":
		err = work.Promote(ctx, uint32(key))
	case "rotate":
		err = rotate(ctx, work)
	case "retire":
		err = work.Retire(ctx, uint32(key))
	}
	if err != nil {
		return err
	}
	return work.List(ctx)
}

func rotate(ctx context.Context, work *server.Rotation) error {
	id, err := work.Add(ctx)
	if err != nil {
		return err
	}
	if err := work.Promote(ctx, id); err != nil {
		return err
	}
	return work.Move(ctx)
}
