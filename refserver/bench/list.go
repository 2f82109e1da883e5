package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// fill puts n slots of devices into the list by the database's own means, with
// three terms each: a name that one in ten has, an address, a serial number. One
// in a hundred is impaired, one in ten unresponsive.
func (w *world) fill(ctx context.Context, n int) error {
	series, padded := fmt.Sprintf("generate_series(1, %d) AS s(i)", n), "lpad(i::text, 26, '0')"
	if w.system == "sqlite" {
		series = fmt.Sprintf("(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) SELECT i FROM s) AS s", n)
		padded = "printf('%026d', i)"
	}
	const name = "CASE WHEN i % 10 = 0 THEN 'jan' ELSE 'petr' END"
	for _, statement := range []string{
		`INSERT INTO enroll_slots (site, id, kind, state, invitation, user_id, user_name, email, platform, mode, ownership,
			name, serial, refs, last_connection, last_observation, missing, conflict, created_at, sort_name)
			SELECT 'acme', 'dev_' || ` + padded + `, 'device',
				CASE WHEN i % 100 = 1 THEN 'impaired' WHEN i % 10 = 2 THEN 'unresponsive' ELSE 'active' END,
				'', 'user' || i, ` + name + `, 'user' || i || '@example.com', 'android', 'android_work_profile', 'company',
				'Phone ' || i, 'SN' || i, 'null', 1700000000000000 + (i % 1000003) * 7919000000 % 90000000000000, 0, '[]', 0, 1700000000000000, 'phone ' || i FROM ` + series,
		"INSERT INTO enroll_slot_terms (site, id, term) SELECT 'acme', 'dev_' || " + padded + ", " + name + " FROM " + series,
		"INSERT INTO enroll_slot_terms (site, id, term) SELECT 'acme', 'dev_' || " + padded + ", 'user' || i || '@example.com' FROM " + series,
		"INSERT INTO enroll_slot_terms (site, id, term) SELECT 'acme', 'dev_' || " + padded + ", 'sn' || i FROM " + series,
		"INSERT INTO enroll_slot_counts (site, state, n) SELECT site, state, count(*) FROM enroll_slots GROUP BY site, state",
		"ANALYZE",
	} {
		if err := w.exec(ctx, statement); err != nil {
			return err
		}
	}
	if w.pool != nil {
		return w.exec(ctx, "VACUUM ANALYZE enroll_slots")
	}
	return nil
}

func (w *world) exec(ctx context.Context, statement string) error {
	if w.pool != nil {
		_, err := w.pool.Exec(ctx, statement)
		return err
	}
	_, err := w.db.ExecContext(ctx, statement)
	return err
}

// at is the position of the n-th row of the list, by connection.
func (w *world) at(ctx context.Context, n int) (pos enrollment.SlotPosition, err error) {
	const text = "SELECT last_connection, id FROM enroll_slots WHERE site = 'acme' ORDER BY last_connection DESC, id DESC LIMIT 1 OFFSET "
	var last int64
	if w.pool != nil {
		err = w.pool.QueryRow(ctx, text+fmt.Sprint(n)).Scan(&last, &pos.ID)
	} else {
		err = w.db.QueryRowContext(ctx, text+fmt.Sprint(n)).Scan(&last, &pos.ID)
	}
	pos.Key = enrollment.Slot{LastConnection: time.UnixMicro(last)}.SortKey(enrollment.SortLastConnection)
	return pos, err
}

// question is one thing that is asked of lists of every size.
type question struct {
	name     string
	filtered bool // has a target of its own
	free     bool // has none
	ask      func(ctx context.Context, w *world, tx enrollment.Tx, size int) error
}

func page(change func(q *enrollment.SlotQuery, size int)) func(context.Context, *world, enrollment.Tx, int) error {
	return func(ctx context.Context, _ *world, tx enrollment.Tx, size int) error {
		q := enrollment.SlotQuery{Site: site, Sort: enrollment.SortLastConnection, Limit: enrollment.DefaultPageSize + 1}
		change(&q, size)
		list, err := tx.Slots().Page(ctx, q)
		if err == nil && len(list) == 0 {
			err = errEmpty
		}
		return err
	}
}

// runList asks lists of growing sizes the same. A page is the store's unit: one
// read-only transaction with the rows; whoever shows it asks for the counts too.
func (b *bench) runList(ctx context.Context) error {
	for _, system := range b.systems {
		took := map[string][]time.Duration{} // by size
		var asked []question
		for _, size := range b.sizes {
			err := b.on(ctx, system, func(w *world) error {
				if err := w.fill(ctx, size); err != nil {
					return err
				}
				middle, err := w.at(ctx, size/2)
				if err != nil {
					return err
				}
				last, err := w.at(ctx, size-enrollment.DefaultPageSize)
				if err != nil {
					return err
				}
				asked = questions(middle, last)
				for _, q := range asked {
					d, err := w.ask(ctx, q, size)
					if err != nil {
						return fmt.Errorf("%s of %d: %w", q.name, size, err)
					}
					took[q.name] = append(took[q.name], d)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		b.showList(system, asked, took)
	}
	return nil
}

func questions(middle, last enrollment.SlotPosition) []question {
	return []question{
		{name: "first page", ask: page(func(*enrollment.SlotQuery, int) {})},
		{name: "middle page", ask: page(func(q *enrollment.SlotQuery, _ int) { q.After = middle })},
		{name: "last page", ask: page(func(q *enrollment.SlotQuery, _ int) { q.After = last })},
		{name: "state, 10 %, middle", filtered: true, ask: page(func(q *enrollment.SlotQuery, _ int) { q.State, q.After = string(device.Unresponsive), middle })},
		{name: "state, 1 %, first", free: true, ask: page(func(q *enrollment.SlotQuery, _ int) { q.State = string(device.Impaired) })},
		{name: "search, one hit", filtered: true, ask: page(func(q *enrollment.SlotQuery, size int) { q.Search = []string{fmt.Sprintf("sn%d", size)} })},
		{name: "search, 10 %", free: true, ask: page(func(q *enrollment.SlotQuery, _ int) { q.Search = []string{"jan"} })},
		{name: "counts per state", free: true, ask: func(ctx context.Context, _ *world, tx enrollment.Tx, size int) error {
			counts, err := tx.Slots().Counts(ctx, site)
			var sum int64
			for _, n := range counts {
				sum += n
			}
			if err == nil && sum != int64(size) {
				err = fmt.Errorf("counts add up to %d", sum)
			}
			return err
		}},
		{name: "middle page by OFFSET", free: true},
	}
}

// ask returns the median of some answers.
func (w *world) ask(ctx context.Context, q question, size int) (time.Duration, error) {
	n := 60
	if q.ask == nil {
		n = 3
	}
	var took []time.Duration
	for i := range n + n/3 {
		began := time.Now()
		var err error
		if q.ask == nil {
			err = w.exec(ctx, fmt.Sprintf("SELECT * FROM enroll_slots WHERE site = 'acme' ORDER BY last_connection DESC, id DESC LIMIT %d OFFSET %d", enrollment.DefaultPageSize+1, size/2))
		} else {
			err = w.store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error { return q.ask(ctx, w, tx, size) })
		}
		if err != nil {
			return 0, err
		}
		if i >= n/3 { // the first are for getting warm
			took = append(took, time.Since(began))
		}
	}
	return median(took, func(d time.Duration) time.Duration { return d }), nil
}

func (b *bench) showList(system string, asked []question, took map[string][]time.Duration) {
	head := []string{"what"}
	for _, size := range b.sizes {
		head = append(head, fmt.Sprint(size)+", ms")
	}
	head = append(head, "largest : smallest")
	var rows [][]string
	largest := len(b.sizes) - 1
	for _, q := range asked {
		row := []string{q.name}
		for _, d := range took[q.name] {
			row = append(row, ms(d))
		}
		first, last := took[q.name][0], took[q.name][largest]
		ratio := last.Seconds() / first.Seconds()
		rows = append(rows, append(row, times(ratio)))
		what := fmt.Sprintf("%s, %s, %d : %d", q.name, system, b.sizes[largest], b.sizes[0])
		reached := fmt.Sprintf("%s, %s ms", times(ratio), ms(last))
		switch {
		case q.name == "counts per state":
			b.judge(9, what, "<= 1 ms", reached, last <= time.Millisecond)
		case q.filtered:
			b.judge(8, what, "<= 3 x, <= 1 ms", reached, ratio <= 3 && last <= time.Millisecond)
		case !q.free:
			b.judge(8, what, "<= 2 x, <= 1 ms", reached, ratio <= 2 && last <= time.Millisecond)
		case strings.HasSuffix(q.name, "OFFSET"):
			gain := last.Seconds() / took["middle page"][largest].Seconds()
			b.judge(8, what, ">= 1000 x faster than OFFSET, at a million", fmt.Sprintf("%s x at %d", times(gain), b.sizes[largest]), gain >= 1000 || b.sizes[largest] < 1_000_000)
		}
	}
	b.table(system+": the list by its size, medians", head, rows)
}
