package authority

import (
	"context"
	"fmt"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/sealed"
)

// Rekey seals with the ring's current key what is sealed with another, of all
// authorities, and returns how many keys that were.
func Rekey(ctx context.Context, db *database.DB, ring *credentials.Keyring) (n int, err error) {
	type stale struct {
		name, role      string
		generation, key int64
		sealed          []byte
	}
	current := int64(ring.Current())
	err = db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		n = 0
		var list []stale
		err := c.Rows(ctx, `SELECT name, generation, role, key_id, sealed FROM ref_authorities WHERE key_id <> ? ORDER BY name, generation, role`,
			[]any{current}, func(row database.Scanner) error {
				var s stale
				err := row.Scan(&s.name, &s.generation, &s.role, &s.key, &s.sealed)
				list = append(list, s)
				return err
			})
		if err != nil {
			return err
		}
		for _, s := range list {
			purpose, place := purposeOf(s.name), placeOf(s.role, s.generation)
			plain, err := sealed.Open(ring, purpose, s.key, s.sealed, place...)
			if err != nil {
				return err
			}
			_, text, err := sealed.Seal(ring, purpose, plain, place...)
			if err != nil {
				return err
			}
			_, err = c.Exec(ctx, `UPDATE ref_authorities SET key_id = ?, sealed = ? WHERE name = ? AND generation = ? AND role = ? AND key_id = ?`,
				current, text, s.name, s.generation, s.role, s.key)
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// KeyUses counts by key of the ring what is sealed.
func KeyUses(ctx context.Context, db *database.DB) (map[uint32]int64, error) {
	found := map[uint32]int64{}
	err := db.Rows(ctx, `SELECT key_id, count(*) FROM ref_authorities GROUP BY key_id`, nil, func(row database.Scanner) error {
		var key, n int64
		err := row.Scan(&key, &n)
		found[uint32(key)] += n
		return err
	})
	return found, err
}

// CheckRing returns an error if a ring does not open every key of the authorities.
func CheckRing(ctx context.Context, db *database.DB, ring *credentials.Keyring) error {
	type stored struct {
		name, role      string
		generation, key int64
		sealed          []byte
	}
	var list []stored
	err := db.Rows(ctx, `SELECT name, role, generation, key_id, sealed FROM ref_authorities ORDER BY name, generation, role`, nil,
		func(row database.Scanner) error {
			var s stored
			err := row.Scan(&s.name, &s.role, &s.generation, &s.key, &s.sealed)
			list = append(list, s)
			return err
		})
	if err != nil {
		return err
	}
	for _, s := range list {
		if _, err := sealed.Open(ring, purposeOf(s.name), s.key, s.sealed, placeOf(s.role, s.generation)...); err != nil {
			return fmt.Errorf("authority: %s %d: %w", s.name, s.generation, err)
		}
	}
	return nil
}
