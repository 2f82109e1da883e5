package imports

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/usercsv"
)

// Run works on jobs until ctx ends, also on those that another process began.
func (j *Jobs) Run(ctx context.Context) error {
	changed, stop := j.db.Signals.Watch(database.Imports)
	defer stop()
	var workers sync.WaitGroup
	defer workers.Wait()
	slots := make(chan struct{}, atOnce)
	again := time.NewTicker(5 * time.Second) // for what failed, here or elsewhere, and what is old
	defer again.Stop()
	for {
		open, err := list(ctx, j.db, `state IN (?, ?) AND lease_until <= ? ORDER BY at, id`,
			string(Checking), string(Importing), time.Now().UnixMicro())
		if err != nil && ctx.Err() == nil {
			j.log.WarnContext(ctx, "imports: the list of jobs cannot be read", "error", err)
		}
		for _, job := range open {
			if !j.take(job) {
				continue
			}
			workers.Go(func() {
				defer j.nudge()
				defer j.give(job)
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-slots }()
				j.attempt(ctx, job)
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-j.wake:
		case <-again.C:
		}
		if err := j.forgetOld(ctx); err != nil && ctx.Err() == nil {
			j.log.WarnContext(ctx, "imports: old lists cannot be removed; tried again soon", "error", err)
		}
	}
}

// nudge makes this node look again.
func (j *Jobs) nudge() {
	select {
	case j.wake <- struct{}{}:
	default: // it is awake
	}
}

// take keeps this node from working twice on one job.
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

// attempt leases a job and does what is left of it.
func (j *Jobs) attempt(ctx context.Context, job Job) {
	fence, err := j.lease(ctx, job)
	if errors.Is(err, enrollment.ErrNotFound) {
		return // another node was quicker, or it is done
	}
	if err == nil {
		err = j.work(ctx, job, fence)
	}
	switch {
	case err == nil:
	case errors.Is(err, errLost):
		j.log.WarnContext(ctx, "import goes on at another node, or was removed", "site", job.site, "import", job.ID)
	default:
		if ctx.Err() == nil {
			j.log.WarnContext(ctx, "import stopped, to be tried again", "site", job.site, "import", job.ID, "error", err)
			time.Sleep(time.Second)
		}
		// Nobody needs to wait until the lease has run out.
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = j.db.Exec(free, `UPDATE ref_imports SET lease_until = 0 WHERE site = ? AND id = ? AND fence = ?`, job.site, job.ID, fence)
	}
}

// lease makes a job this node's, unless it is another's, and returns its fence.
func (j *Jobs) lease(ctx context.Context, job Job) (fence int64, err error) {
	now := time.Now()
	err = j.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		return c.Row(ctx, `UPDATE ref_imports SET fence = fence + 1, lease_until = ?
			WHERE site = ? AND id = ? AND state IN (?, ?) AND lease_until <= ? RETURNING fence`,
			[]any{now.Add(leaseFor).UnixMicro(), job.site, job.ID, string(Checking), string(Importing), now.UnixMicro()}, &fence)
	})
	return fence, err
}

// work does what is left of a job.
func (j *Jobs) work(ctx context.Context, job Job, fence int64) error {
	// It may have come further since it was listed.
	job, err := j.Get(ctx, job.site, job.ID)
	if err != nil || !job.State.Running() {
		return err
	}
	var file []byte
	if err := j.db.Row(ctx, `SELECT file FROM ref_imports WHERE site = ? AND id = ?`, []any{job.site, job.ID}, &file); err != nil {
		return err
	}
	parsed, err := usercsv.Parse(file)
	if err != nil {
		return err
	}
	if job.State == Checking && job.Done > 0 { // what a check remembers is not in the table
		job.Done, job.Counts = 0, accounts.ImportCounts{}
		err := j.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
			if err := advance(ctx, c, job, fence); err != nil {
				return err
			}
			_, err := c.Exec(ctx, `DELETE FROM ref_import_results WHERE site = ? AND id = ?`, job.site, job.ID)
			return err
		})
		if err != nil {
			return err
		}
	}
	next := job
	err = j.accounts.ImportUsers(ctx, accounts.Import{
		Site: job.site, File: parsed, DryRun: job.State == Checking, From: job.Done, Record: true,
		Each: func(ctx context.Context, c database.Conn, results []accounts.ImportResult) error {
			text, err := json.Marshal(results)
			if err != nil {
				return err
			}
			next = job // again, if this runs again
			next.Done += len(results)
			next.Counts.Add(results)
			if err := advance(ctx, c, next, fence); err != nil {
				return err
			}
			_, err = c.Exec(ctx, `INSERT INTO ref_import_results (site, id, first, results) VALUES (?, ?, ?, ?)`,
				job.site, job.ID, job.Done, string(text))
			return err
		},
		Done: func() { job = next },
	})
	if err != nil {
		return err
	}
	return j.end(ctx, job, fence)
}

// advance notes how far a job has come and renews its lease, in the unit of the
// rows. It returns errLost if the job is another's.
func advance(ctx context.Context, c database.Conn, job Job, fence int64) error {
	counts, err := json.Marshal(job.Counts)
	if err != nil {
		return err
	}
	n, err := c.Exec(ctx, `UPDATE ref_imports SET done = ?, counts = ?, lease_until = ? WHERE site = ? AND id = ? AND fence = ? AND state = ?`,
		job.Done, string(counts), time.Now().Add(leaseFor).UnixMicro(), job.site, job.ID, fence, string(job.State))
	if err == nil && n == 0 {
		err = errLost
	}
	return err
}

// end notes that a job is done. The list itself is of no more use once it is
// imported.
func (j *Jobs) end(ctx context.Context, job Job, fence int64) error {
	statement, args := `UPDATE ref_imports SET state = ?, lease_until = 0 WHERE site = ? AND id = ? AND fence = ?`, []any{string(Checked), job.site, job.ID, fence}
	if job.State == Importing {
		statement = `UPDATE ref_imports SET state = ?, lease_until = 0, file = ? WHERE site = ? AND id = ? AND fence = ?`
		args = []any{string(Imported), []byte{}, job.site, job.ID, fence}
	}
	n, err := j.db.Exec(ctx, statement, args...)
	if err == nil && n == 0 {
		err = errLost
	}
	if err == nil && job.State == Importing {
		j.log.InfoContext(ctx, "users imported", "site", job.site, "import", job.ID, "rows", job.Done, "counts", job.Counts.String())
	}
	return err
}
