package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// The embedder's own migration tool gets the SQL, with the names of its choice.
func ExampleMigrations() {
	list, err := sqlstore.Migrations(sqlstore.SQLite, sqlstore.Options{Prefix: "acme_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range list {
		fmt.Printf("%d %s: makes %d tables\n", m.Version, m.Name, strings.Count(m.SQL, "CREATE TABLE acme_"))
	}
	// Output:
	// 1 base: makes 17 tables
}

// One transaction for the embedder's rows and ours: both are committed, or
// neither is.
func ExampleStore_InTx() {
	invite := func(ctx context.Context, db *sql.DB, store *sqlstore.Store, users ...enrollment.User) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders (note) VALUES ('phones')"); err != nil {
			return err
		}
		err = store.InTx(sqlstore.SQLTx(tx)).Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Users().Lock(ctx, users...)
			return err
		})
		if err != nil {
			return err
		}
		return tx.Commit()
	}
	_ = invite
}
