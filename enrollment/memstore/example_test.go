package memstore_test

import (
	"context"
	"errors"
	"fmt"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
)

func ExampleNew() {
	store := memstore.New()
	ctx := context.Background()

	err := store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		return tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: "42", Name: "Zoë"})
	})
	if err != nil {
		fmt.Println(err)
	}

	// What a unit that fails wrote is not there.
	err = store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		if err := tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: "42", Name: "somebody else"}); err != nil {
			return err
		}
		return errors.New("changed my mind")
	})
	fmt.Println(err)

	err = store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		u, err := tx.Users().Get(ctx, "acme", "42")
		fmt.Println(u.Name)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// changed my mind
	// Zoë
}
