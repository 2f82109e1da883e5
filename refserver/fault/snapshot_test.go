package fault

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
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
	messages   map[string]messageRow
	waiting    int
	unnumbered int // events
	journal    int // events in all
	siteEvents map[string]int
}

// messageRow is one of the outbox.
type messageRow struct {
	kind, status string
	attempt      int
	spread       bool // an alert that became one for each administrator
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

// storeOf is a store over a database that is looked at.
func storeOf(db *sql.DB) (*sqlstore.Store, error) {
	return sqlstore.New(sqlstore.SQL(db), sqlstore.SQLite, sqlstore.Options{})
}

// readSnapshot reads one state of a database, whoever else works on it. With
// accounts, the reference server's own users are looked at, too.
func readSnapshot(ctx context.Context, store *sqlstore.Store, accounts bool) (*snapshot, error) {
	var s *snapshot
	err := store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		q, ok := sqlstore.Conn(tx)
		if !ok {
			return errors.New("no connection")
		}
		s = &snapshot{
			byExternal: map[string]string{}, users: map[string][2]string{}, invs: map[string]invRow{}, invsOf: map[string][]string{},
			devices: map[string]deviceRow{}, enrolled: map[string]string{}, kept: map[string][]result{}, tries: map[string]int{},
			events: map[string]map[string]int{}, leased: map[string]int{}, attempts: map[string]int{}, messages: map[string]messageRow{}, siteEvents: map[string]int{},
		}
		parts := []part{
			{`SELECT id, site, user_id, email, state, reason, pin_generation, live, enrolled, accepted_at FROM @invitations`, s.readInvitation},
			{`SELECT d.id, d.user_id, d.invitation, d.state, d.enrollment_id, d.generation, d.deleted_at, d.facts, coalesce(c.seq, -1), coalesce(c.gone, 0)
				FROM @devices d LEFT JOIN @contacts c ON c.site = d.site AND c.device = d.id`, s.readDevice},
			{`SELECT site, scope, key, result FROM @records`, s.readRecord},
			{`SELECT key, n FROM @counters`, s.readCounter},
			{`SELECT site, subject, type, count(*) FROM @events GROUP BY site, subject, type`, s.readEvents},
			{`SELECT count(*) FROM @events WHERE site_seq = 0`, func(row sqlstore.Rows) error { return row.Scan(&s.unnumbered) }},
			{`SELECT id, kind, admin, attempt, status, lease_until FROM @messages`, s.readMessage},
		}
		if accounts {
			parts = append(parts, part{`SELECT id, external_id, email, name FROM ref_users`, s.readUser})
		}
		for _, p := range parts {
			if err := p.run(ctx, q, store); err != nil {
				return fmt.Errorf("%s: %w", p.query, err)
			}
		}
		return nil
	})
	return s, err
}

// part is one query of a snapshot.
type part struct {
	query string
	read  func(row sqlstore.Rows) error
}

func (p part) run(ctx context.Context, q sqlstore.Querier, store *sqlstore.Store) error {
	rows, err := q.Query(ctx, store.Render(p.query))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := p.read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *snapshot) readUser(row sqlstore.Rows) error {
	var id, external, email, name string
	err := row.Scan(&id, &external, &email, &name)
	s.byExternal[external], s.users[id] = id, [2]string{email, name}
	return err
}

func (s *snapshot) readInvitation(row sqlstore.Rows) error {
	var id string
	var accepted int64
	var r invRow
	err := row.Scan(&id, &r.site, &r.user, &r.email, &r.state, &r.reason, &r.generation, &r.live, &r.enrolled, &accepted)
	r.accepted = accepted != 0
	s.invs[id], s.invsOf[r.user] = r, append(s.invsOf[r.user], id)
	return err
}

func (s *snapshot) readDevice(row sqlstore.Rows) error {
	var id, facts string
	var deletedAt, gone int64
	r := deviceRow{facts: map[string]bool{}}
	err := row.Scan(&id, &r.user, &r.invitation, &r.state, &r.enrollment, &r.generation, &deletedAt, &facts, &r.seq, &gone)
	if err != nil {
		return err
	}
	r.deleted, r.gone = deletedAt != 0, gone != 0
	var said map[string]map[string]struct{ Value bool }
	if err := json.Unmarshal([]byte(facts), &said); err != nil {
		return err
	}
	for fact, by := range said {
		if a, ok := by["agent"]; ok {
			r.facts[fact] = a.Value
		}
	}
	if r.enrollment != "" {
		s.enrolled[r.user+"/"+r.enrollment] = id
	}
	s.devices[id] = r
	return nil
}

// readRecord reads a kept answer. A re-enrollment overwrites the enrollment id in
// the device's row; the kept answers have all.
func (s *snapshot) readRecord(row sqlstore.Rows) error {
	var site, scope, key string
	var kept []byte
	if err := row.Scan(&site, &scope, &key, &kept); err != nil {
		return err
	}
	if user, ok := strings.CutPrefix(scope, "enroll/"); ok {
		var enrolled struct {
			Device string `json:"d"`
		}
		err := json.Unmarshal(kept, &enrolled)
		s.enrolled[user+"/"+key] = enrolled.Device
		return err
	}
	if !strings.HasPrefix(scope, "invite/") {
		return nil
	}
	var list []struct {
		U, I, S, R, C string
		K             bool
	}
	err := json.Unmarshal(kept, &list)
	for _, r := range list {
		s.kept[site+"/"+key] = append(s.kept[site+"/"+key], result{r.U, r.I, r.S, r.R, r.K, r.C})
	}
	return err
}

func (s *snapshot) readCounter(row sqlstore.Rows) error {
	var key string
	var n int
	err := row.Scan(&key, &n)
	s.tries[key] = n
	return err
}

func (s *snapshot) readEvents(row sqlstore.Rows) error {
	var site, subject, kind string
	var n int
	err := row.Scan(&site, &subject, &kind, &n)
	if s.events[subject] == nil {
		s.events[subject] = map[string]int{}
	}
	s.events[subject][kind] += n
	s.journal += n
	s.siteEvents[site] += n
	return err
}

func (s *snapshot) readMessage(row sqlstore.Rows) error {
	var id, admin string
	var m messageRow
	var lease int64
	err := row.Scan(&id, &m.kind, &admin, &m.attempt, &m.status, &lease)
	m.spread = m.kind == string(enrollment.MessageAlert) && admin == ""
	s.messages[id] = m
	if m.status == string(enrollment.MessageWaiting) {
		s.waiting++
	}
	if lease != 0 {
		s.leased[id] = m.attempt
	}
	if m.attempt > 1 {
		s.attempts[id] = m.attempt
	}
	return err
}

// triesOf is the counter of an invitation's PIN.
func (s *snapshot) triesOf(site, id string, generation int) int {
	return s.tries[credentials.Policy{}.PINBudgetLimit(site, id, generation).Key]
}
