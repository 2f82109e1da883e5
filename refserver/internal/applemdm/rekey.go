package applemdm

import (
	"context"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/sealed"
)

// Rekey seals with the ring's current key what is sealed with another, of at most
// limit enrollments. It returns how many rows it changed; call it until that is 0.
func Rekey(ctx context.Context, db *database.DB, ring *credentials.Keyring, limit int) (n int, err error) {
	type stale struct {
		site, id string
		key      int64
		sealed   []byte
	}
	current := int64(ring.Current())
	err = db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		n = 0
		var list []stale
		err := c.Rows(ctx, `SELECT site, id, key_id, sealed FROM ref_apple_enrollments WHERE key_id <> ? AND sealed IS NOT NULL ORDER BY site, id LIMIT ?`,
			[]any{current, limit}, func(row database.Scanner) error {
				var s stale
				err := row.Scan(&s.site, &s.id, &s.key, &s.sealed)
				list = append(list, s)
				return err
			})
		if err != nil {
			return err
		}
		for _, s := range list {
			plain, err := sealed.Open(ring, purpose, s.key, s.sealed, "enrollment", s.site, s.id)
			if err != nil {
				return err
			}
			_, text, err := sealed.Seal(ring, purpose, plain, "enrollment", s.site, s.id)
			if err != nil {
				return err
			}
			// Only if nobody wrote it meanwhile.
			_, err = c.Exec(ctx, `UPDATE ref_apple_enrollments SET key_id = ?, sealed = ? WHERE site = ? AND id = ? AND sealed = ?`,
				current, text, s.site, s.id, s.sealed)
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// KeyUses counts by key what is sealed.
func KeyUses(ctx context.Context, db *database.DB) (map[uint32]int64, error) {
	found := map[uint32]int64{}
	err := db.Rows(ctx, `SELECT key_id, count(*) FROM ref_apple_enrollments WHERE sealed IS NOT NULL GROUP BY key_id`, nil, func(row database.Scanner) error {
		var key, n int64
		err := row.Scan(&key, &n)
		found[uint32(key)] += n
		return err
	})
	return found, err
}
