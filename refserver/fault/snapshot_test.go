package fault

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"example.com/enrollkit/credentials"
)

// snapshot is what the database says, as far as clients know of it.
type snapshot struct {
	byExternal map[string]string    // user ids
	users      map[string][2]string // e-mail and name
	invs       map[string]invRow
	invsOf     map[string][]string // a user's
	devices    map[string]deviceRow
	enrolled   map[string]string         // device ids by user and enrollment id
	kept       map[string][]result       // kept answers by site and Idempotency-Key
	tries      map[string]int            // counters
	events     map[string]map[string]int // by subject and type
	leased     map[string]int            // messages that were claimed and are not finished, and how often
	attempts   map[string]int            // more than one, by message
	waiting    int
}

type invRow struct {
	site, user, email, state, reason string
	generation, live, enrolled       int
	accepted                         bool
}

type deviceRow struct {
	user, invitation, state, enrollment string
	generation                          int
	deleted, gone                       bool
	seq                                 int64
	facts                               map[string]bool
}

// result is one person's of an answer to an invite.
type result struct {
	User       string `json:"user_id"`
	Invitation string `json:"invitation_id"`
	State      string `json:"state"`
	Replaced   string `json:"replaced"`
	Kept       bool   `json:"kept"`
	Error      string `json:"error"`
}

// openCopy copies a database whose server is gone, its log included, and opens
// the copy: the server itself has to find what the kill left.
func openCopy(path, dir string) (*sql.DB, error) {
	copied := filepath.Join(dir, "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := os.RemoveAll(copied + suffix); err != nil {
			return nil, err
		}
		if err := copyFile(path+suffix, copied+suffix); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	if err := os.RemoveAll(copied + "-shm"); err != nil {
		return nil, err
	}
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Path: copied}).String())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

func readSnapshot(ctx context.Context, db *sql.DB) (*snapshot, error) {
	s := &snapshot{
		byExternal: map[string]string{}, users: map[string][2]string{}, invs: map[string]invRow{}, invsOf: map[string][]string{},
		devices: map[string]deviceRow{}, enrolled: map[string]string{}, kept: map[string][]result{}, tries: map[string]int{},
		events: map[string]map[string]int{}, leased: map[string]int{}, attempts: map[string]int{},
	}
	each := func(query string, read func(rows *sql.Rows) error) error {
		_, err := collect(ctx, db, query, nil, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, read(rows) })
		if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		return nil
	}
	for _, part := range []struct {
		query string
		read  func(rows *sql.Rows) error
	}{
		{`SELECT id, external_id, email, name FROM ref_users`, func(rows *sql.Rows) error {
			var id, external, email, name string
			err := rows.Scan(&id, &external, &email, &name)
			s.byExternal[external], s.users[id] = id, [2]string{email, name}
			return err
		}},
		{`SELECT id, site, user_id, email, state, reason, pin_generation, live, enrolled, accepted_at <> 0 FROM enroll_invitations`, func(rows *sql.Rows) error {
			var id string
			var r invRow
			err := rows.Scan(&id, &r.site, &r.user, &r.email, &r.state, &r.reason, &r.generation, &r.live, &r.enrolled, &r.accepted)
			s.invs[id], s.invsOf[r.user] = r, append(s.invsOf[r.user], id)
			return err
		}},
		{`SELECT d.id, d.user_id, d.invitation, d.state, d.enrollment_id, d.generation, d.deleted_at <> 0, d.facts, coalesce(c.seq, -1), coalesce(c.gone, 0)
			FROM enroll_devices d LEFT JOIN enroll_contacts c ON c.site = d.site AND c.device = d.id`, func(rows *sql.Rows) error {
			var id string
			var facts []byte
			r := deviceRow{facts: map[string]bool{}}
			err := rows.Scan(&id, &r.user, &r.invitation, &r.state, &r.enrollment, &r.generation, &r.deleted, &facts, &r.seq, &r.gone)
			if err != nil {
				return err
			}
			var said map[string]map[string]struct{ Value bool }
			if err := json.Unmarshal(facts, &said); err != nil {
				return err
			}
			for fact, by := range said {
				if a, ok := by["agent"]; ok {
					r.facts[fact] = a.Value
				}
			}
			s.devices[id] = r
			return nil
		}},
		// A re-enrollment overwrites the id in the row; the kept answers have all.
		{`SELECT substr(scope, 8), key, json_extract(CAST(result AS TEXT), '$.d') FROM enroll_records WHERE scope LIKE 'enroll/%'
			UNION SELECT user_id, enrollment_id, id FROM enroll_devices WHERE enrollment_id <> ''`, func(rows *sql.Rows) error {
			var user, enrollment, id string
			err := rows.Scan(&user, &enrollment, &id)
			s.enrolled[user+"/"+enrollment] = id
			return err
		}},
		{`SELECT site, key, CAST(result AS TEXT) FROM enroll_records WHERE scope LIKE 'invite/%'`, func(rows *sql.Rows) error {
			var site, key, text string
			if err := rows.Scan(&site, &key, &text); err != nil {
				return err
			}
			var list []struct {
				U, I, S, R, C string
				K             bool
			}
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				return err
			}
			for _, r := range list {
				s.kept[site+"/"+key] = append(s.kept[site+"/"+key], result{r.U, r.I, r.S, r.R, r.K, r.C})
			}
			return nil
		}},
		{`SELECT key, n FROM enroll_counters`, func(rows *sql.Rows) error {
			var key string
			var n int
			err := rows.Scan(&key, &n)
			s.tries[key] = n
			return err
		}},
		{`SELECT subject, type, count(*) FROM enroll_events GROUP BY subject, type`, func(rows *sql.Rows) error {
			var subject, kind string
			var n int
			err := rows.Scan(&subject, &kind, &n)
			if s.events[subject] == nil {
				s.events[subject] = map[string]int{}
			}
			s.events[subject][kind] = n
			return err
		}},
		{`SELECT id, attempt, status = 'waiting', lease_until <> 0 FROM enroll_messages`, func(rows *sql.Rows) error {
			var id string
			var attempt int
			var waiting, leased bool
			err := rows.Scan(&id, &attempt, &waiting, &leased)
			if waiting {
				s.waiting++
			}
			if leased {
				s.leased[id] = attempt
			}
			if attempt > 1 {
				s.attempts[id] = attempt
			}
			return err
		}},
	} {
		if err := each(part.query, part.read); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// triesOf is the counter of an invitation's PIN.
func (s *snapshot) triesOf(site, id string, generation int) int {
	return s.tries[credentials.Policy{}.PINBudgetLimit(site, id, generation).Key]
}
