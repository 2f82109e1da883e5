package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/keyfile"
)

const authorityUsage = `usage: refserver authority [flags] list | rotate apple | rotate windows

Looks after the certificate authorities by which devices are known, while servers
run: they notice it with their next certificate.

  list           show the roots of each authority and what they signed
  rotate NAME    make a new root, which signs from now on; certificates of those
                 before stay good until their own end

`

// authorities is the command "authority".
func authorities(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) (err error) {
	flags := newCommandFlags("authority", authorityUsage, env, errOut)
	cfg, done := flags.parse(args)
	if done != nil {
		return done
	}
	verb, name := flags.Arg(0), flags.Arg(1)
	known := name == "" || slices.Contains([]string{authority.Apple, authority.Windows}, name)
	if want := map[string]int{"list": 1, "rotate": 2}[verb]; want == 0 || flags.NArg() != want || !known {
		flags.Usage()
		return exitCode(2)
	}
	looks := verb == "list"
	db, err := openBeside(ctx, cfg, database.Options{Beside: !looks, ReadOnly: looks})
	if err != nil {
		return err
	}
	defer closing(db, &err)
	if !looks {
		ring, err := keyfile.Read(cfg.Keyring)
		if err != nil {
			return err
		}
		// One that does not open what is there would lock the servers out.
		if err := authority.CheckRing(ctx, db, ring); err != nil {
			return fmt.Errorf("key ring %s does not belong to this database: %w", cfg.Keyring, err)
		}
		if _, err := authority.Rotate(ctx, db, name, ring, time.Now()); err != nil {
			return err
		}
	}
	return listAuthorities(ctx, db, out)
}

func listAuthorities(ctx context.Context, db *database.DB, out io.Writer) error {
	list, err := authority.List(ctx, db, time.Now())
	if err != nil {
		return err
	}
	for i, g := range list {
		signs := ""
		if i == len(list)-1 || list[i+1].Name != g.Name {
			signs = ", signs"
		}
		last := ""
		if !g.Last.IsZero() {
			last = ", the last until " + g.Last.Format(time.DateOnly)
		}
		_, err := fmt.Fprintf(out, "%s %d%s: made %s, until %s; %d certificates are good%s\n",
			g.Name, g.Number, signs, g.Made.Format(time.DateOnly), g.Ends.Format(time.DateOnly), g.Certificates, last)
		if err != nil {
			return err
		}
	}
	return nil
}
