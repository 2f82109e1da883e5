// Owntx: our writes beside the embedder's, in the embedder's own transaction.
// An employee is hired and invited, or neither: when the transaction rolls back,
// there is no invitation, no journal entry, and no mail is ever sent.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// hr is the embedder's product.
type hr struct {
	db    *sql.DB
	store *sqlstore.Store
	svc   *enrollment.Service
}

// hire writes a row of ours and invites the person, in one transaction. A check
// of ours may still refuse both.
func (h *hr) hire(ctx context.Context, name, email string, approve func() error) (err error) {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if _, err := tx.ExecContext(ctx, "INSERT INTO employees (name, email) VALUES (?, ?)", name, email); err != nil {
		return err
	}
	inside := h.svc.With(h.store.InTx(sqlstore.SQLTx(tx)))
	_, err = inside.Invite(ctx, enrollment.Actor{Site: "acme", ID: "hr"}, enrollment.InviteRequest{Email: email, Name: name, Send: true})
	if err != nil {
		return err
	}
	if err := approve(); err != nil {
		return err
	}
	return tx.Commit()
}

func main() {
	ctx := context.Background()
	dir := must(os.MkdirTemp("", "owntx"))
	defer os.RemoveAll(dir)
	file := "file:" + filepath.Join(dir, "hr.db") + "?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=busy_timeout(5000)"
	db := must(sql.Open("sqlite", file))
	defer db.Close()
	must(db.ExecContext(ctx, "CREATE TABLE employees (name TEXT, email TEXT)"))

	store := must(sqlstore.New(sqlstore.SQL(db), sqlstore.SQLite, sqlstore.Options{Prefix: "enroll_"}))
	must(0, store.Migrate(ctx)) // or run sqlstore.Migrations with your own tool
	mail := printer{}
	h := &hr{db: db, store: store, svc: must(enrollment.New(store, enrollment.Config{
		Keyring:   must(credentials.NewKeyring(must(credentials.NewKey(1, rand.Reader)))),
		Sites:     enrollment.OneSite{ID: "acme", PublicURL: must(url.Parse("https://mdm.example.com"))},
		Deliverer: mail,
	}))}

	yes := func() error { return nil }
	no := func() error { return errors.New("no budget") }
	fmt.Println("Anna:", h.hire(ctx, "Anna", "anna@example.com", yes))
	fmt.Println("Petr:", h.hire(ctx, "Petr", "petr@example.com", no))

	must(h.svc.DeliverDue(ctx))
	var employees, invitations int
	must(0, db.QueryRowContext(ctx, "SELECT count(*) FROM employees").Scan(&employees))
	must(0, db.QueryRowContext(ctx, "SELECT count(*) FROM enroll_invitations").Scan(&invitations))
	fmt.Println(employees, "employee,", invitations, "invitation")
}

// printer stands for a mail system.
type printer struct{}

func (printer) Deliver(_ context.Context, m enrollment.Mail) error {
	fmt.Println("mail to", m.To)
	return nil
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
