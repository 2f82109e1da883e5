// Owntx-pgx: our writes beside the embedder's, in the embedder's own pgx.Tx. An
// employee is hired and invited, or neither: when the transaction rolls back,
// there is no invitation, no journal entry, and no mail is ever sent.
//
//	go run . postgres://user@host/empty_database
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// hr is the embedder's product.
type hr struct {
	pool  *pgxpool.Pool
	store *sqlstore.Store
	svc   *enrollment.Service
}

// hire writes a row of ours and invites the person, in one transaction. A check
// of ours may still refuse both. If the database gives up on the transaction
// (40001, 40P01), the error is the caller's, who alone can repeat the whole.
func (h *hr) hire(ctx context.Context, name, email string, approve func() error) error {
	return pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO hr.employees (name, email) VALUES ($1, $2)", name, email); err != nil {
			return err
		}
		inside := h.svc.With(h.store.InTx(Tx(tx)))
		_, err := inside.Invite(ctx, enrollment.Actor{Site: "acme", ID: "hr"}, enrollment.InviteRequest{Email: email, Name: name, Send: true})
		if err != nil {
			return err
		}
		return approve()
	})
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: owntx-pgx DSN-OF-AN-EMPTY-DATABASE")
		os.Exit(2)
	}
	ctx := context.Background()
	pool := must(pgxpool.New(ctx, os.Args[1]))
	defer pool.Close()
	must(pool.Exec(ctx, "CREATE SCHEMA hr"))
	must(pool.Exec(ctx, "CREATE SCHEMA enrollment"))
	must(pool.Exec(ctx, "CREATE TABLE hr.employees (name TEXT, email TEXT)"))

	store := must(sqlstore.New(New(pool), sqlstore.PostgreSQL, sqlstore.Options{Schema: "enrollment"}))
	must(0, store.Migrate(ctx)) // or run sqlstore.Migrations with your own tool
	mail := printer{}
	h := &hr{pool: pool, store: store, svc: must(enrollment.New(store, enrollment.Config{
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
	must(0, pool.QueryRow(ctx, "SELECT count(*) FROM hr.employees").Scan(&employees))
	must(0, pool.QueryRow(ctx, "SELECT count(*) FROM enrollment.enroll_invitations").Scan(&invitations))
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
