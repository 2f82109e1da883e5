package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"example.com/enrollkit/enrollment"
)

const (
	slotColumns = `site, id, kind, state, invitation, user_id, user_name, email, platform, mode, ownership, name, serial,
		refs, last_connection, last_observation, missing, conflict, created_at, sort_name`
	slotWidth   = 20
	selectSlots = "SELECT " + slotColumns + " FROM @slots WHERE "
)

// slotRow is a slot with the column that is computed from the others.
type slotRow struct {
	enrollment.Slot
	sortName string
}

func slotFields(r *slotRow) []any {
	s := &r.Slot
	return []any{
		&s.Site, &s.ID, (*string)(&s.Kind), &s.State, &s.Invitation, &s.User, &s.UserName, &s.Email,
		(*string)(&s.Platform), (*string)(&s.Mode), (*string)(&s.Ownership), &s.Name, &s.Serial,
		doc{&s.Refs}, stamp{&s.LastConnection}, stamp{&s.LastObservation}, doc{&s.Missing}, flag{&s.Conflict},
		stamp{&s.CreatedAt}, &r.sortName,
	}
}

func slotKey(r *slotRow) key { return key{r.Site, r.ID} }

type slots struct{ *unit }

func (t slots) Put(ctx context.Context, list ...enrollment.Slot) error {
	rows := make([]slotRow, len(list))
	for i, s := range list {
		rows[i] = slotRow{s, s.SortKey(enrollment.SortName)}
	}
	rows = last(rows, slotKey)
	slices.SortFunc(rows, func(a, b slotRow) int { // one order for all callers
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.ID, b.ID))
	})
	return t.all(ctx, func() error {
		for chunk := range slices.Chunk(rows, maxRows) {
			if err := t.put(ctx, chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

// put writes at most maxRows rows, and what hangs on them. Rows that are new are
// found by inserting them, so that two who put one at the same time do not both
// count it.
func (t slots) put(ctx context.Context, rows []slotRow) error {
	var old, known []slotRow
	for left := rows; len(left) > 0; {
		fresh, err := t.create(ctx, left)
		if err != nil {
			return err
		}
		left = slices.DeleteFunc(slices.Clone(left), func(r slotRow) bool { return fresh[slotKey(&r)] })
		if len(left) == 0 {
			break
		}
		keys := make([]any, 0, 2*len(left))
		for i := range left {
			keys = append(keys, left[i].Site, left[i].ID)
		}
		locked, err := collect(ctx, t.unit, slotFields,
			selectSlots+"(site, id) IN (VALUES "+tuples(len(left), 2)+") ORDER BY site, id"+t.lock(), keys...)
		if err != nil {
			return err
		}
		found := map[key]bool{}
		for i := range locked {
			found[slotKey(&locked[i])] = true
		}
		old = append(old, locked...)
		var gone []slotRow // deleted between the two statements
		for _, r := range left {
			if found[slotKey(&r)] {
				known = append(known, r)
			} else {
				gone = append(gone, r)
			}
		}
		left = gone
	}
	if len(known) > 0 {
		_, err := insert(ctx, t.unit, "@slots ("+slotColumns+")", slotFields, `ON CONFLICT (site, id) DO UPDATE SET
			kind = excluded.kind, state = excluded.state, invitation = excluded.invitation, user_id = excluded.user_id,
			user_name = excluded.user_name, email = excluded.email, platform = excluded.platform, mode = excluded.mode,
			ownership = excluded.ownership, name = excluded.name, serial = excluded.serial, refs = excluded.refs,
			last_connection = excluded.last_connection, last_observation = excluded.last_observation,
			missing = excluded.missing, conflict = excluded.conflict, created_at = excluded.created_at,
			sort_name = excluded.sort_name`, known)
		if err != nil {
			return err
		}
	}
	return t.follow(ctx, old, rows)
}

// create inserts those rows that do not exist and returns their keys.
func (t slots) create(ctx context.Context, rows []slotRow) (map[key]bool, error) {
	var values []any
	for i := range rows {
		var err error
		if values, err = args(values, slotFields(&rows[i])); err != nil {
			return nil, err
		}
	}
	fresh := map[key]bool{}
	return fresh, t.change(ctx, "INSERT INTO @slots ("+slotColumns+") VALUES "+tuples(len(rows), slotWidth)+
		" ON CONFLICT (site, id) DO NOTHING RETURNING site, id", values, func(r Rows) error {
		var k key
		err := r.Scan(&k.site, &k.id)
		fresh[k] = true
		return err
	})
}

// follow brings the terms and the counts along from old rows to new ones.
func (t slots) follow(ctx context.Context, old, rows []slotRow) error {
	before := map[key][]string{}
	counts := map[key]int64{}
	for _, r := range old {
		before[slotKey(&r)] = r.Terms()
		counts[key{r.Site, r.State}]--
	}
	var terms []termRow
	for _, r := range rows {
		counts[key{r.Site, r.State}]++
		now := r.Terms()
		known, ok := before[slotKey(&r)]
		delete(before, slotKey(&r))
		if ok && slices.Equal(known, now) {
			continue
		}
		if ok {
			if err := t.deleteTerms(ctx, r.Site, r.ID); err != nil {
				return err
			}
		}
		for _, term := range now {
			terms = append(terms, termRow{r.Site, r.ID, term})
		}
	}
	for k := range before { // of rows that are gone
		if err := t.deleteTerms(ctx, k.site, k.id); err != nil {
			return err
		}
	}
	if err := insertLater(ctx, t.unit, "@slot_terms (site, id, term)", termFields, "", terms); err != nil {
		return err
	}
	return t.count(ctx, counts)
}

func (t slots) Delete(ctx context.Context, site string, ids ...string) error {
	return t.all(ctx, func() error {
		for chunk := range slices.Chunk(ids, maxRows) {
			var w where
			w.and("site = ?", site)
			w.in("id", anys(chunk))
			if len(chunk) > 1 { // one order for all callers
				_, err := collect(ctx, t.unit, slotFields, selectSlots+w.text+" ORDER BY id"+t.lock(), w.args...)
				if err != nil {
					return err
				}
			}
			var old []slotRow
			err := t.change(ctx, "DELETE FROM @slots WHERE "+w.text+" RETURNING "+slotColumns, w.args, func(r Rows) error {
				var row slotRow
				err := r.Scan(slotFields(&row)...)
				old = append(old, row)
				return err
			})
			if err != nil {
				return err
			}
			if err := t.follow(ctx, old, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t slots) Get(ctx context.Context, site, id string) (enrollment.Slot, error) {
	row, err := one(ctx, t.unit, slotFields, selectSlots+"site = ? AND id = ?"+t.lock(), site, id)
	return row.Slot, err
}

// delta is a change of one site's number of slots in one state. Deltas are
// appended, so that two units never wait for one count, and folded later.
type delta struct {
	site, state string
	n           int64
}

func deltaFields(d *delta) []any { return []any{&d.site, &d.state, &d.n} }

func (t slots) count(ctx context.Context, changes map[key]int64) error {
	return insertLater(ctx, t.unit, "@slot_deltas (site, state, n)", deltaFields, "", deltas(changes))
}

// deltas returns changes in a fixed order, without those that cancel out.
func deltas(changes map[key]int64) []delta {
	var rows []delta
	for k, n := range changes {
		if n != 0 {
			rows = append(rows, delta{k.site, k.id, n})
		}
	}
	slices.SortFunc(rows, func(a, b delta) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.state, b.state))
	})
	return rows
}

func (t slots) Counts(ctx context.Context, site string) (map[string]int64, error) {
	list, err := collect(ctx, t.unit, deltaFields, `SELECT ? AS site, state, CAST(sum(n) AS BIGINT) FROM (
			SELECT state, n FROM @slot_counts WHERE site = ?
			UNION ALL
			SELECT state, n FROM @slot_deltas WHERE site = ?
		) AS c GROUP BY state`, site, site, site)
	counts := make(map[string]int64, len(list))
	for _, c := range list {
		if c.n != 0 {
			counts[c.state] = c.n
		}
	}
	return counts, err
}

func (t slots) Fold(ctx context.Context, limit int) (int, error) {
	folded, changes := 0, map[key]int64{}
	err := t.change(ctx, `DELETE FROM @slot_deltas WHERE pos IN (SELECT pos FROM @slot_deltas ORDER BY pos LIMIT ?)
		RETURNING site, state, n`, []any{max(limit, 0)}, func(r Rows) error {
		var d delta
		err := r.Scan(deltaFields(&d)...)
		changes[key{d.site, d.state}] += d.n
		folded++
		return err
	})
	if err != nil {
		return 0, err
	}
	return folded, replace(ctx, t.unit, "@slot_counts AS c (site, state, n)", deltaFields,
		"ON CONFLICT (site, state) DO UPDATE SET n = c.n + excluded.n", deltas(changes))
}
