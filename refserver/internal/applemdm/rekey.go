package applemdm

import (
	"context"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/database"
)

// Rekey seals with the ring's current key what is sealed with another: the key of
// the authority, and at most limit enrollments. It returns how many rows it
// changed; call it until that is 0.
func Rekey(ctx context.Context, db *database.DB, ring *credentials.Keyring, limit int) (n int, err error) {
	type stale struct {
		place  []string
		key    int64
		sealed []byte
	}
	current := int64(ring.Current())
	err = db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		n = 0
		var list []stale
		read := func(text string, args []any, place func(a, b string) []string) error {
			return c.Rows(ctx, text, args, func(row database.Scanner) error {
				var a, b string
				var s stale
				if err := row.Scan(&a, &b, &s.key, &s.sealed); err != nil {
					return err
				}
				s.place = place(a, b)
				list = append(list, s)
				return nil
			})
		}
		err := read(`SELECT id, topic, key_id, sealed FROM ref_apple_authority WHERE key_id <> ?`, []any{current},
			func(id, _ string) []string { return []string{"authority", id} })
		if err != nil {
			return err
		}
		err = read(`SELECT site, id, key_id, sealed FROM ref_apple_enrollments WHERE key_id <> ? AND sealed IS NOT NULL ORDER BY site, id LIMIT ?`,
			[]any{current, limit}, func(site, id string) []string { return []string{"enrollment", site, id} })
		if err != nil {
			return err
		}
		for _, s := range list {
			plain, err := open(ring, s.key, s.sealed, s.place...)
			if err != nil {
				return err
			}
			_, sealed, err := seal(ring, plain, s.place...)
			if err != nil {
				return err
			}
			if s.place[0] == "authority" {
				_, err = c.Exec(ctx, `UPDATE ref_apple_authority SET key_id = ?, sealed = ? WHERE id = ? AND key_id = ?`,
					current, sealed, s.place[1], s.key)
			} else {
				// Only if nobody wrote it meanwhile.
				_, err = c.Exec(ctx, `UPDATE ref_apple_enrollments SET key_id = ?, sealed = ? WHERE site = ? AND id = ? AND sealed = ?`,
					current, sealed, s.place[1], s.place[2], s.sealed)
			}
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
	err := db.Rows(ctx, `SELECT key_id, count(*) FROM ref_apple_authority GROUP BY key_id
		UNION ALL SELECT key_id, count(*) FROM ref_apple_enrollments WHERE sealed IS NOT NULL GROUP BY key_id`, nil, func(row database.Scanner) error {
		var key, n int64
		err := row.Scan(&key, &n)
		found[uint32(key)] += n
		return err
	})
	return found, err
}
