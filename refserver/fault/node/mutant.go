//go:build fault

package main

import (
	"context"
	"net/http"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// What a mutant puts around the parts of the node; each of the files mutant_*.go
// sets some of them. Without one they are nil.
var (
	mutateStorage func(enrollment.Storage) enrollment.Storage
	mutateSchema  func(ctx context.Context, db sqlstore.Database) error
	mutateHandler func(http.Handler) http.Handler
)

func wrapStorage(s *sqlstore.Store, points *failpoints) enrollment.Storage {
	var storage enrollment.Storage = s
	if mutateStorage != nil {
		storage = mutateStorage(s)
	}
	return failingStorage{storage, points}
}

func wrapSchema(ctx context.Context, db sqlstore.Database) error {
	if mutateSchema == nil {
		return nil
	}
	return mutateSchema(ctx, db)
}

func wrapHandler(h http.Handler) http.Handler {
	if mutateHandler == nil {
		return h
	}
	return mutateHandler(h)
}
