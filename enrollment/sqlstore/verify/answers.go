package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// keptEnrollment is the kept answer to an enrollment.
type keptEnrollment struct {
	Device     string `json:"d"`
	Generation int    `json:"g"`
}

// answered looks for the kept answer of every device that enrolled so lately
// that it has to be there.
func answered(ctx context.Context, c *checker) error {
	if !c.byTime(enrollmentsAnswered) {
		return nil
	}
	return c.query(ctx, `SELECT d.id, d.generation, r.result
		FROM @devices d LEFT JOIN @records r ON r.site = d.site AND r.scope = 'enroll/' || d.user_id AND r.key = d.enrollment_id
		WHERE d.enrollment_id <> '' AND d.deleted_at = 0 AND d.enrolled_at >= ?`,
		[]any{c.ago(enrollment.RecordsKept)}, func(r sqlstore.Rows) error {
			var id string
			var generation int
			var result []byte
			if err := r.Scan(&id, &generation, &result); err != nil {
				return err
			}
			var kept keptEnrollment
			switch {
			case result == nil:
				c.say(enrollmentsAnswered, "%s has no kept answer", id)
			case json.Unmarshal(result, &kept) != nil || kept != keptEnrollment{id, generation}:
				c.say(enrollmentsAnswered, "%s has the kept answer of another", id)
			}
			return nil
		})
}

// named is what a kept answer names.
type named struct{ site, id string }

// keptEnrollments looks for the devices that kept answers name.
func keptEnrollments(ctx context.Context, c *checker) error {
	return c.keptNames(ctx, enrollmentsKept, "enroll/", "@devices", func(result []byte) ([]string, error) {
		var kept keptEnrollment
		err := json.Unmarshal(result, &kept)
		return []string{kept.Device}, err
	})
}

// keptInvites looks for the invitations that kept answers name.
func keptInvites(ctx context.Context, c *checker) error {
	return c.keptNames(ctx, invitesKept, "invite/", "@invitations", func(result []byte) (ids []string, err error) {
		var kept []struct {
			Invitation string `json:"i"`
		}
		err = json.Unmarshal(result, &kept)
		for _, k := range kept {
			if k.Invitation != "" {
				ids = append(ids, k.Invitation)
			}
		}
		return ids, err
	})
}

// pageOfAnswers is how many kept answers are read at once; a page names rows
// that are looked for before the next. One answer may name ten thousand.
const pageOfAnswers = 100

// keptNames looks for the rows of a table that the kept answers of a scope name.
// An answer that is past its time may outlive a tombstone by a moment.
func (c *checker) keptNames(ctx context.Context, rule, scope, table string, read func([]byte) ([]string, error)) error {
	after := []any{"", "", ""}
	now := int64(0)
	if !c.o.Now.IsZero() {
		now = c.ago(0)
	}
	for {
		var list []named
		rows := 0
		err := c.query(ctx, `SELECT site, scope, key, result FROM @records WHERE (site, scope, key) > (?, ?, ?)
			AND scope LIKE '`+scope+`%' AND (expires_at = 0 OR expires_at > ?) ORDER BY site, scope, key LIMIT ?`,
			append(after, now, pageOfAnswers), func(r sqlstore.Rows) error {
				var site, in, key string
				var result []byte
				if err := r.Scan(&site, &in, &key, &result); err != nil {
					return err
				}
				rows++
				after = []any{site, in, key}
				ids, err := read(result)
				if err != nil {
					c.say(rule, "an answer of scope %s is unreadable", in)
				}
				for _, id := range ids {
					list = append(list, named{site, id})
				}
				return nil
			})
		if err != nil {
			return fmt.Errorf("rule %s: %w", rule, err)
		}
		if err := c.missing(ctx, rule, table, list); err != nil || rows < pageOfAnswers {
			return err
		}
	}
}

// missing notes those of a list that are no rows of a table.
func (c *checker) missing(ctx context.Context, rule, table string, list []named) error {
	for batch := range slices.Chunk(list, 200) {
		there := make(map[named]bool, len(batch))
		var args []any
		for _, n := range batch {
			args = append(args, n.site, n.id)
		}
		err := c.query(ctx, "SELECT site, id FROM "+table+" WHERE (site, id) IN (VALUES "+
			strings.TrimSuffix(strings.Repeat("(?, ?), ", len(batch)), ", ")+")", args, func(r sqlstore.Rows) error {
			var n named
			err := r.Scan(&n.site, &n.id)
			there[n] = true
			return err
		})
		if err != nil {
			return fmt.Errorf("rule %s: %w", rule, err)
		}
		for _, n := range batch {
			if !there[n] {
				c.say(rule, "%s is named and not there", n.id)
			}
		}
	}
	return nil
}
