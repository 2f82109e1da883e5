// Ownstore: one part of the storage is the embedder's own, the rest is ours.
// Here every journal entry also goes to the embedder's audit log, in the same
// unit of work. A store made this way is a store like any other: the test beside
// this file runs the contract on it.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"sync"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

// audited is a Storage that copies the journal.
type audited struct {
	enrollment.Storage
	log *auditLog
}

// Update keeps a unit's entries aside and writes them once it is committed.
func (a audited) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	var entries []enrollment.Event
	err := a.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		entries = nil // the unit may run again
		return fn(ctx, auditedTx{tx, &entries})
	})
	if err == nil {
		a.log.write(entries)
	}
	return err
}

// auditedTx overrides one group of a unit of work.
type auditedTx struct {
	enrollment.Tx
	entries *[]enrollment.Event
}

func (t auditedTx) Journal() enrollment.Journal { return auditedJournal{t.Tx.Journal(), t.entries} }

type auditedJournal struct {
	enrollment.Journal
	entries *[]enrollment.Event
}

func (j auditedJournal) Append(ctx context.Context, list ...enrollment.Event) error {
	*j.entries = append(*j.entries, list...)
	return j.Journal.Append(ctx, list...)
}

// auditLog stands for the embedder's own.
type auditLog struct {
	mu      sync.Mutex
	entries []enrollment.Event
}

func (l *auditLog) write(list []enrollment.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, list...)
}

func main() {
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "admin"}
	log := &auditLog{}
	svc := must(enrollment.New(audited{memstore.New(), log}, enrollment.Config{
		Keyring: must(credentials.NewKeyring(must(credentials.NewKey(1, rand.Reader)))),
		Sites:   enrollment.OneSite{ID: "acme", PublicURL: must(url.Parse("https://mdm.example.com"))},
	}))
	invited := must(svc.Invite(ctx, by, enrollment.InviteRequest{Email: "anna@example.com"}))
	must(svc.Deactivate(ctx, by, invited.Invitation))
	for _, e := range log.entries {
		fmt.Printf("%s by %s %q\n", e.Type, e.Actor, e.Reason)
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
