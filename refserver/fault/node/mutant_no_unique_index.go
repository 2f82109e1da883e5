//go:build fault && mutant_no_unique_index

package main

import (
	"context"

	"example.com/enrollkit/enrollment/sqlstore"
)

// The mistake: the database has no unique indexes, and the program alone looks
// whether something is there already.
func init() {
	mutateSchema = func(ctx context.Context, db sqlstore.Database) error {
		for _, index := range []string{"enroll_invitations_active", "enroll_devices_identity"} {
			if _, err := db.Exec(ctx, "DROP INDEX IF EXISTS "+index); err != nil {
				return err
			}
		}
		return nil
	}
}
