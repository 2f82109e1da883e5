// Package imports brings lists of users into a site in the background: each is a
// row of a table, checked first and imported once somebody says so, so that one
// sees how far it has come, from any page, and after a restart it goes on where
// it was.
package imports

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/usercsv"
)

// State is how far a job has come.
type State string

// The states. A job that is checked waits for somebody to start it.
const (
	Checking  State = "checking"
	Checked   State = "checked"
	Importing State = "importing"
	Imported  State = "imported"
)

// Running reports whether the job goes on by itself.
func (s State) Running() bool { return s == Checking || s == Importing }

// Job is one list on its way.
type Job struct {
	ID     string                `json:"id"`
	State  State                 `json:"state"`
	Total  int                   `json:"total"`
	Done   int                   `json:"done"`
	Counts accounts.ImportCounts `json:"counts"`
	By     string                `json:"by"`
	At     time.Time             `json:"at"`

	site string
}

// How much is kept, and how long.
const (
	kept   = 24 * time.Hour // then a job and its list go, unless it is being imported
	atOnce = 4              // jobs that are worked on
	// MaxOpen is how many jobs of one site are worked on, and how many that
	// were checked wait to be started; older ones go.
	MaxOpen = 20
)

// ErrTooMany says that a site has too many jobs under way.
var ErrTooMany = errors.New("imports: too many imports under way")

// Jobs is the table and who works on it. Make one with [New]. It is safe for
// concurrent use, by several nodes: a job is worked on by whoever holds its
// lease, and taken over when that runs out. Whoever lost it writes nothing more,
// because every lot is committed with the fence that came with the lease.
type Jobs struct {
	db       *database.DB
	accounts *accounts.Accounts
	log      *slog.Logger
	wake     chan struct{} // this node's own

	mu      sync.Mutex
	working map[string]bool
}

// leaseFor is how long a job is nobody else's; each lot renews it.
const leaseFor = 15 * time.Second

// errLost says that somebody else works on the job by now, or that it is gone.
var errLost = errors.New("imports: another node has taken the job over, or it was removed")

// New returns the jobs in a database. What a list says stays in the table for as
// long as its job.
func New(db *database.DB, a *accounts.Accounts, log *slog.Logger) *Jobs {
	return &Jobs{db: db, accounts: a, log: log, wake: make(chan struct{}, 1), working: map[string]bool{}}
}

// Add notes a list, to be checked or, if unchecked says so, imported at once.
// A list that cannot be read at all is a [*usercsv.Error].
func (j *Jobs) Add(ctx context.Context, by accounts.Principal, file []byte, unchecked bool) (Job, error) {
	parsed, err := usercsv.Parse(file)
	if err != nil {
		return Job{}, err
	}
	now := time.Now().UTC()
	job := Job{ID: "imp_" + strings.ToLower(rand.Text()), State: Checking, Total: len(parsed.Rows), By: by.Display(), At: now, site: by.Site}
	if unchecked {
		job.State = Importing
	}
	err = j.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "imports of "+by.Site); err != nil {
			return err
		}
		if err := forget(ctx, c, by.Site); err != nil {
			return err
		}
		var running int
		if err := c.Row(ctx, `SELECT count(*) FROM ref_imports WHERE site = ? AND state IN (?, ?)`,
			[]any{by.Site, string(Checking), string(Importing)}, &running); err != nil {
			return err
		}
		if running >= MaxOpen {
			return ErrTooMany
		}
		_, err := c.Exec(ctx, `INSERT INTO ref_imports (site, id, state, total, done, counts, by, at, file) VALUES (?, ?, ?, ?, 0, '{}', ?, ?, ?)`,
			job.site, job.ID, string(job.State), job.Total, job.By, now.UnixMicro(), file)
		return err
	})
	if err == nil {
		j.rouse()
	}
	return job, err
}

// forget removes all but the latest lists of a site that were checked and not
// started.
func forget(ctx context.Context, c database.Conn, site string) error {
	_, err := c.Exec(ctx, `DELETE FROM ref_imports WHERE site = ? AND state = ? AND id NOT IN (
		SELECT id FROM ref_imports WHERE site = ? AND state = ? ORDER BY at DESC, id LIMIT ?)`,
		site, string(Checked), site, string(Checked), MaxOpen-1)
	if err != nil {
		return err
	}
	return forgetResults(ctx, c)
}

// isOld is the condition of what is past its time. A list that could not be
// checked all day goes, too.
const isOld = `at < ? AND state <> ?`

// forgetOld removes what is past its time, of every site.
func (j *Jobs) forgetOld(ctx context.Context) error {
	args := []any{time.Now().Add(-kept).UnixMicro(), string(Importing)}
	var id string
	err := j.db.Row(ctx, `SELECT id FROM ref_imports WHERE `+isOld+` LIMIT 1`, args, &id)
	if errors.Is(err, enrollment.ErrNotFound) {
		return nil // as a rule, and nobody had to wait for the one writer of SQLite
	}
	if err != nil {
		return err
	}
	return j.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if _, err := c.Exec(ctx, `DELETE FROM ref_imports WHERE `+isOld, args...); err != nil {
			return err
		}
		return forgetResults(ctx, c)
	})
}

func forgetResults(ctx context.Context, c database.Conn) error {
	_, err := c.Exec(ctx, `DELETE FROM ref_import_results WHERE (site, id) NOT IN (SELECT site, id FROM ref_imports)`)
	return err
}

// Start imports a list that was checked. One that is started already goes on.
func (j *Jobs) Start(ctx context.Context, site, id string) error {
	err := j.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		n, err := c.Exec(ctx, `UPDATE ref_imports SET state = ?, done = 0, counts = '{}', lease_until = 0 WHERE site = ? AND id = ? AND state = ?`,
			string(Importing), site, id, string(Checked))
		if err != nil {
			return err
		}
		if n == 0 {
			_, err = get(ctx, c, site, id)
			return err
		}
		_, err = c.Exec(ctx, `DELETE FROM ref_import_results WHERE site = ? AND id = ?`, site, id)
		return err
	})
	if err == nil {
		j.rouse()
	}
	return err
}

func (j *Jobs) rouse() {
	select {
	case j.wake <- struct{}{}:
	default: // it is awake
	}
	j.db.Signals.Changed(database.Imports)
}

const columns = `site, id, state, total, done, counts, by, at`

// rows is a unit, or the database itself.
type rows interface {
	Rows(ctx context.Context, text string, args []any, scan func(database.Scanner) error) error
}

func list(ctx context.Context, from rows, where string, args ...any) (jobs []Job, err error) {
	jobs = []Job{}
	err = from.Rows(ctx, `SELECT `+columns+` FROM ref_imports WHERE `+where, args, func(row database.Scanner) error {
		var job Job
		var counts, state string
		var at int64
		if err := row.Scan(&job.site, &job.ID, &state, &job.Total, &job.Done, &counts, &job.By, &at); err != nil {
			return err
		}
		job.State, job.At = State(state), time.UnixMicro(at).UTC()
		jobs = append(jobs, job)
		return json.Unmarshal([]byte(counts), &jobs[len(jobs)-1].Counts)
	})
	return jobs, err
}

func get(ctx context.Context, from rows, site, id string) (Job, error) {
	jobs, err := list(ctx, from, `site = ? AND id = ?`, site, id)
	if err == nil && len(jobs) == 0 {
		err = enrollment.ErrNotFound
	}
	if err != nil {
		return Job{}, err
	}
	return jobs[0], nil
}

// Get returns one job of a site.
func (j *Jobs) Get(ctx context.Context, site, id string) (Job, error) {
	return get(ctx, j.db, site, id)
}

// List returns the jobs of a site, the newest first.
func (j *Jobs) List(ctx context.Context, site string) ([]Job, error) {
	return list(ctx, j.db, `site = ? ORDER BY at DESC, id LIMIT 20`, site)
}

// Results returns what became of each row so far.
func (j *Jobs) Results(ctx context.Context, site, id string) (list []accounts.ImportResult, err error) {
	list = []accounts.ImportResult{}
	err = j.db.Rows(ctx, `SELECT results FROM ref_import_results WHERE site = ? AND id = ? ORDER BY first`, []any{site, id},
		func(row database.Scanner) error {
			var part string
			if err := row.Scan(&part); err != nil {
				return err
			}
			var results []accounts.ImportResult
			if err := json.Unmarshal([]byte(part), &results); err != nil {
				return err
			}
			list = append(list, results...)
			return nil
		})
	return list, err
}

// Labels says whom the rows of a list are about, by address or name, as long as
// the list is not imported.
func (j *Jobs) Labels(ctx context.Context, site, id string) (map[int]string, error) {
	var file []byte
	err := j.db.Row(ctx, `SELECT file FROM ref_imports WHERE site = ? AND id = ? AND state = ?`, []any{site, id, string(Checked)}, &file)
	if errors.Is(err, enrollment.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parsed, err := usercsv.Parse(file)
	if err != nil {
		return nil, err
	}
	labels := make(map[int]string, len(parsed.Rows))
	for _, r := range parsed.Rows {
		labels[r.N] = r.Label(parsed)
	}
	return labels, nil
}
