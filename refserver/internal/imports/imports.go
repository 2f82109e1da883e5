// Package imports brings lists of users into a site in the background: each is a
// row of a table, checked first and imported once somebody says so, so that one
// sees how far it has come, from any page, and after a restart it goes on where
// it was.
package imports

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
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
	kept   = 24 * time.Hour // then a job and its list go
	atOnce = 4              // jobs that are worked on
	// MaxOpen is how many jobs of one site are worked on, and how many that
	// were checked wait to be started; older ones go.
	MaxOpen = 20
)

// ErrTooMany says that a site has too many jobs under way.
var ErrTooMany = errors.New("imports: too many imports under way")

// Jobs is the table and who works on it. Make one with [Open]. It is safe for
// concurrent use.
type Jobs struct {
	db       *sql.DB
	accounts *accounts.Accounts
	log      *slog.Logger
	wake     chan struct{}

	mu      sync.Mutex
	working map[string]bool
}

// Open makes the tables if need be. What a list says stays in the table for as
// long as its job.
func Open(ctx context.Context, db *sql.DB, a *accounts.Accounts, log *slog.Logger) (*Jobs, error) {
	for _, statement := range []string{`CREATE TABLE IF NOT EXISTS ref_imports (
		site TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL,
		counts TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL, file BLOB NOT NULL,
		PRIMARY KEY (site, id))`,
		`CREATE TABLE IF NOT EXISTS ref_import_results (
		site TEXT NOT NULL, id TEXT NOT NULL, first INTEGER NOT NULL, results TEXT NOT NULL,
		PRIMARY KEY (site, id, first))`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("imports: %w", err)
		}
	}
	return &Jobs{db: db, accounts: a, log: log, wake: make(chan struct{}, 1), working: map[string]bool{}}, nil
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
	if err := j.forget(ctx, by.Site, now); err != nil {
		return Job{}, err
	}
	var running int
	if err := j.db.QueryRowContext(ctx, `SELECT count(*) FROM ref_imports WHERE site = ? AND state IN (?, ?)`, by.Site, Checking, Importing).Scan(&running); err != nil {
		return Job{}, err
	}
	if running >= MaxOpen {
		return Job{}, ErrTooMany
	}
	_, err = j.db.ExecContext(ctx, `INSERT INTO ref_imports (site, id, state, total, done, counts, by, at, file) VALUES (?, ?, ?, ?, 0, '{}', ?, ?, ?)`,
		job.site, job.ID, job.State, job.Total, job.By, now.UnixMicro(), file)
	if err == nil {
		j.rouse()
	}
	return job, err
}

// forget removes what is old, and all but the latest lists of a site that were
// checked and not started.
func (j *Jobs) forget(ctx context.Context, site string, now time.Time) error {
	_, err := j.db.ExecContext(ctx, `DELETE FROM ref_imports WHERE at < ? AND state IN (?, ?) OR site = ? AND state = ? AND id NOT IN (
		SELECT id FROM ref_imports WHERE site = ? AND state = ? ORDER BY at DESC, id LIMIT ?)`,
		now.Add(-kept).UnixMicro(), Checked, Imported, site, Checked, site, Checked, MaxOpen-1)
	if err != nil {
		return err
	}
	_, err = j.db.ExecContext(ctx, `DELETE FROM ref_import_results WHERE (site, id) NOT IN (SELECT site, id FROM ref_imports)`)
	return err
}

// Start imports a list that was checked. One that is started already goes on.
func (j *Jobs) Start(ctx context.Context, site, id string) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	done, err := tx.ExecContext(ctx, `UPDATE ref_imports SET state = ?, done = 0, counts = '{}' WHERE site = ? AND id = ? AND state = ?`,
		Importing, site, id, Checked)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		if err == nil {
			_, err = j.Get(ctx, site, id)
		}
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM ref_import_results WHERE site = ? AND id = ?`, site, id); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	j.rouse()
	return nil
}

func (j *Jobs) rouse() {
	select {
	case j.wake <- struct{}{}:
	default: // it is awake
	}
}

const columns = `site, id, state, total, done, counts, by, at`

func scan(row interface{ Scan(...any) error }) (job Job, err error) {
	var counts []byte
	var at int64
	err = row.Scan(&job.site, &job.ID, &job.State, &job.Total, &job.Done, &counts, &job.By, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return Job{}, enrollment.ErrNotFound
	}
	if err != nil {
		return Job{}, err
	}
	job.At = time.UnixMicro(at).UTC()
	return job, json.Unmarshal(counts, &job.Counts)
}

// Get returns one job of a site.
func (j *Jobs) Get(ctx context.Context, site, id string) (Job, error) {
	return scan(j.db.QueryRowContext(ctx, `SELECT `+columns+` FROM ref_imports WHERE site = ? AND id = ?`, site, id))
}

// List returns the jobs of a site, the newest first.
func (j *Jobs) List(ctx context.Context, site string) ([]Job, error) {
	return j.list(ctx, `site = ? ORDER BY at DESC, id LIMIT 20`, site)
}

func (j *Jobs) list(ctx context.Context, where string, args ...any) (list []Job, err error) {
	rows, err := j.db.QueryContext(ctx, `SELECT `+columns+` FROM ref_imports WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	list = []Job{}
	for rows.Next() {
		job, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, job)
	}
	return list, rows.Err()
}

// Results returns what became of each row so far.
func (j *Jobs) Results(ctx context.Context, site, id string) (list []accounts.ImportResult, err error) {
	rows, err := j.db.QueryContext(ctx, `SELECT results FROM ref_import_results WHERE site = ? AND id = ? ORDER BY first`, site, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	list = []accounts.ImportResult{}
	for rows.Next() {
		var part []byte
		if err := rows.Scan(&part); err != nil {
			return nil, err
		}
		var results []accounts.ImportResult
		if err := json.Unmarshal(part, &results); err != nil {
			return nil, err
		}
		list = append(list, results...)
	}
	return list, rows.Err()
}

// Labels says whom the rows of a list are about, by address or name, as long as
// the list is not imported.
func (j *Jobs) Labels(ctx context.Context, site, id string) (map[int]string, error) {
	var file []byte
	err := j.db.QueryRowContext(ctx, `SELECT file FROM ref_imports WHERE site = ? AND id = ? AND state = ?`, site, id, Checked).Scan(&file)
	if errors.Is(err, sql.ErrNoRows) {
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

// Run works on jobs until ctx ends, also on those that another process began.
func (j *Jobs) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	slots := make(chan struct{}, atOnce)
	again := time.NewTicker(5 * time.Second) // for what failed
	defer again.Stop()
	for {
		open, err := j.list(ctx, `state IN (?, ?) ORDER BY at, id`, Checking, Importing)
		if err != nil && ctx.Err() == nil {
			j.log.WarnContext(ctx, "imports: the list of jobs cannot be read", "error", err)
		}
		for _, job := range open {
			if !j.take(job) {
				continue
			}
			workers.Go(func() {
				defer j.rouse()
				defer j.give(job)
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-slots }()
				if err := j.work(ctx, job); err != nil && ctx.Err() == nil {
					j.log.WarnContext(ctx, "import stopped, to be tried again", "site", job.site, "import", job.ID, "error", err)
					time.Sleep(time.Second)
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-j.wake:
		case <-again.C:
		}
	}
}

func (j *Jobs) take(job Job) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.working[job.ID] {
		return false
	}
	j.working[job.ID] = true
	return true
}

func (j *Jobs) give(job Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.working, job.ID)
}

// work does what is left of a job.
func (j *Jobs) work(ctx context.Context, job Job) error {
	// It may have come further since it was listed.
	job, err := j.Get(ctx, job.site, job.ID)
	if err != nil || !job.State.Running() {
		return err
	}
	var file []byte
	if err := j.db.QueryRowContext(ctx, `SELECT file FROM ref_imports WHERE site = ? AND id = ?`, job.site, job.ID).Scan(&file); err != nil {
		return err
	}
	parsed, err := usercsv.Parse(file)
	if err != nil {
		return err
	}
	if job.State == Checking && job.Done > 0 { // what a check remembers is not in the table
		job.Done, job.Counts = 0, accounts.ImportCounts{}
		if _, err := j.db.ExecContext(ctx, `DELETE FROM ref_import_results WHERE site = ? AND id = ?`, job.site, job.ID); err != nil {
			return err
		}
	}
	err = j.accounts.ImportUsers(ctx, accounts.Import{
		Site: job.site, File: parsed, DryRun: job.State == Checking, From: job.Done, Record: true,
		Each: func(tx *sql.Tx, results []accounts.ImportResult) error {
			text, err := json.Marshal(results)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO ref_import_results (site, id, first, results) VALUES (?, ?, ?, ?)`,
				job.site, job.ID, job.Done, text); err != nil {
				return err
			}
			job.Done += len(results)
			job.Counts.Add(results)
			counts, err := json.Marshal(job.Counts)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE ref_imports SET done = ?, counts = ? WHERE site = ? AND id = ?`, job.Done, counts, job.site, job.ID)
			return err
		},
	})
	if err != nil {
		return err
	}
	end := Checked
	if job.State == Importing {
		end = Imported
		j.log.InfoContext(ctx, "users imported", "site", job.site, "import", job.ID, "rows", job.Done, "counts", job.Counts.String())
	}
	// The list itself is of no more use once it is imported.
	_, err = j.db.ExecContext(ctx, `UPDATE ref_imports SET state = ?, file = CASE WHEN ? = ? THEN x'' ELSE file END WHERE site = ? AND id = ?`,
		end, end, Imported, job.site, job.ID)
	return err
}
