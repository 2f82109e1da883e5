//go:build fault && mutant_commit_retried

package main

import (
	"context"
	"errors"

	"example.com/enrollkit/enrollment"
)

// The mistake: a unit whose commit had no answer is run again, as if it had not
// happened.
func init() {
	mutateStorage = func(s enrollment.Storage) enrollment.Storage { return hopeful{s} }
}

type hopeful struct{ enrollment.Storage }

func (s hopeful) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	err := s.Storage.Update(ctx, fn)
	if errors.Is(err, enrollment.ErrUnsettled) {
		err = s.Storage.Update(ctx, fn)
	}
	return err
}
