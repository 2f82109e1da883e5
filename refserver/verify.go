package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/keyfile"
	"example.com/enrollkit/refserver/internal/sealed"
	ownverify "example.com/enrollkit/refserver/internal/verify"
)

// verifyDatabase is the command "verify": it looks for what must not be in a
// database, while servers run or not, changes nothing, and ends with 3 if it
// found anything.
func verifyDatabase(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) (err error) {
	flags := newCommandFlags("verify", "usage: refserver verify [flags]\n\nLooks for what must not be in the database. It ends with 3 if there is anything, and with 1 if it could not look.", env, errOut)
	cfg, done := flags.parse(args)
	if done != nil {
		return done
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	ring, err := keyfile.Read(cfg.Keyring)
	if err != nil {
		return err
	}
	db, err := openBeside(ctx, cfg, database.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer closing(db, &err)
	report, err := verify.Check(ctx, db.Unbounded(), verify.Options{Keyring: ring, Now: time.Now()})
	if err != nil {
		return err
	}
	own, err := ownverify.Check(ctx, db, time.Now())
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	switch err := authority.CheckRing(ctx, db, ring); {
	case errors.Is(err, credentials.ErrUnknownKey), errors.Is(err, sealed.ErrChanged):
		own = append(own, verify.Violation{Rule: "authority keys", Says: "the key ring opens every key of the certificate authorities", Detail: err.Error()})
	case err != nil:
		return fmt.Errorf("verify: %w", err)
	}
	report.Violations = append(report.Violations, own...)
	report.Found += len(own)
	if err := report.Print(out); err != nil {
		return err
	}
	if !report.OK() {
		return exitCode(3)
	}
	return nil
}
