package sqlitedb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/refserver/sqlitedb"
)

// A store in a file, a unit of work that takes the embedder's rows with it, and
// a transaction of the embedder that takes ours.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// the database has no tables of ours: true
	// after our unit: 1 order
	// after their rollback: no such user: true
}

func example(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "enroll")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sqlitedb.Open(filepath.Join(dir, "enroll.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(sqlstore.SQL(db.DB), sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		return err
	}
	var version *sqlstore.VersionError
	fmt.Println("the database has no tables of ours:", errors.As(store.Check(ctx), &version) && version.Have == 0)
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE orders (note TEXT)"); err != nil {
		return err
	}

	// Their row in our unit.
	err = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		if err := tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: "jan"}); err != nil {
			return err
		}
		conn, _ := sqlstore.Conn(tx)
		_, err := conn.Exec(ctx, "INSERT INTO orders (note) VALUES (?)", "a phone for Jan")
		return err
	})
	if err != nil {
		return err
	}
	var orders int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&orders); err != nil {
		return err
	}
	fmt.Println("after our unit:", orders, "order")

	// Our unit in their transaction.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = store.InTx(sqlstore.SQLTx(tx)).Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		return tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: "eva"})
	})
	if err := errors.Join(err, tx.Rollback()); err != nil {
		return err
	}
	return store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		_, err := tx.Users().Get(ctx, "acme", "eva")
		fmt.Println("after their rollback: no such user:", errors.Is(err, enrollment.ErrNotFound))
		return nil
	})
}
