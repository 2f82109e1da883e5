package checks_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/sqlstore/verify"
	"example.com/enrollkit/refserver/sqlitedb"
)

// A database that somebody has edited by hand.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sound: true
	// counts: acme active: told 7, really 0
}

func example(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "checks")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sqlitedb.Open(filepath.Join(dir, "enroll.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		return err
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		return err
	}
	svc, err := enrollment.New(store, enrollment.Config{Keyring: ring})
	if err != nil {
		return err
	}
	if err := svc.Check(ctx); err != nil {
		return err
	}

	report, err := verify.Check(ctx, store, verify.Options{Keyring: ring, Now: time.Now()})
	if err != nil {
		return err
	}
	fmt.Println("sound:", report.OK())

	by := store.Render("INSERT INTO @slot_counts (site, state, n) VALUES (?, ?, ?)")
	if _, err := db.ExecContext(ctx, by, "acme", "active", 7); err != nil {
		return err
	}
	if report, err = verify.Check(ctx, store, verify.Options{Keyring: ring, Now: time.Now()}); err != nil {
		return err
	}
	for _, v := range report.Violations {
		fmt.Printf("%s: %s\n", v.Rule, v.Detail)
	}
	return nil
}
