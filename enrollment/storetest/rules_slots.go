package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

var slotTrace = trace{
	seed: putSlots(slotOf("site", "one", "active"), slotOf("site", "two", "pending")),
	write: all(
		putSlots(slotOf("site", "one", "impaired"), slotOf("site", "three", "active")),
		deleteSlots("site", "two"),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		rows, err := tx.Slots().Page(ctx, enrollment.SlotQuery{Site: "site", Sort: enrollment.SortName})
		if err != nil {
			return nil, err
		}
		counts, err := countSlots("site")(ctx, tx)
		return []any{rows, counts}, err
	},
}

// fleet is a list with equal keys in every order, and names that a careless
// search stumbles over.
func fleet() []enrollment.Slot {
	names := []string{"", "Anna's phone", "anna TABLET", "100% sure", "a_b", "Ängström", "Zoë 🦊", `back\slash`}
	users := []string{"Anna Novak", "Zoë Ünal", "anna-lena", "Bob", ""}
	states := []string{"created", "sent", "pending", "active"}
	platforms := []device.Platform{"", device.Android, device.IOS}
	ownership := []device.Ownership{"", device.Company, device.Personal}
	var rows []enrollment.Slot
	for i := range 48 {
		r := slotOf("site", fmt.Sprintf("%s_%02d", []string{"dev", "Dev", "inv"}[i%3], i*29%48), states[i%4])
		r.Name, r.UserName, r.User = names[i%8], users[i%5], fmt.Sprint("user", i%5)
		r.Platform, r.Ownership = platforms[i%3], ownership[i/2%3]
		r.Email, r.Serial = fmt.Sprintf("a%d@example.com", i%7), fmt.Sprintf("SN%02d", i%9)
		if i%6 > 0 {
			r.LastConnection = at(i % 6)
		}
		if i%4 == 0 {
			r.Refs = []device.Ref{{Source: "mdm", ID: fmt.Sprintf("REF-%d", i)}}
		}
		rows = append(rows, r)
	}
	return rows
}

// asked is what q asks for, by going through all rows.
func asked(rows []enrollment.Slot, q enrollment.SlotQuery) []enrollment.Slot {
	order := func(a, b enrollment.Slot) int {
		n := cmp.Or(strings.Compare(a.SortKey(q.Sort), b.SortKey(q.Sort)), strings.Compare(a.ID, b.ID))
		if q.Sort == enrollment.SortLastConnection {
			return -n
		}
		return n
	}
	var list []enrollment.Slot
	for _, r := range rows {
		found := r.Site == q.Site && (q.State == "" || r.State == q.State) &&
			(q.Platform == "" || r.Platform == q.Platform) && (q.Ownership == "" || r.Ownership == q.Ownership)
		for _, begin := range q.Search {
			found = found && slices.ContainsFunc(r.Terms(), func(term string) bool { return strings.HasPrefix(term, begin) })
		}
		if found {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, order)
	return list
}

// behind is where the page that ends with r ends.
func behind(r enrollment.Slot, sort enrollment.Sort) enrollment.SlotPosition {
	return enrollment.SlotPosition{Key: r.SortKey(sort), ID: r.ID}
}

var sorts = []enrollment.Sort{enrollment.SortLastConnection, enrollment.SortName, enrollment.SortState}

// filters is every filter and search that the rules try, under every sort.
var filters = []enrollment.SlotQuery{
	{},
	{State: "active"},
	{State: "none"},
	{Platform: device.Android},
	{Ownership: device.Company},
	{State: "sent", Platform: device.IOS, Ownership: device.Personal},
	{Search: []string{"anna"}},
	{Search: []string{"ann", "no"}},
	{Search: []string{"anna", "a3@"}, Platform: device.Android},
	{Search: []string{"nna"}}, // in the middle of a term
	{Search: []string{"%"}},
	{Search: []string{"100%"}},
	{Search: []string{"a_b"}},
	{Search: []string{"a_"}},
	{Search: []string{`back\`}},
	{Search: []string{"'"}},
	{Search: []string{"zoë"}},
	{Search: []string{"ängström"}},
	{Search: []string{"ünal", "🦊"}},
	{Search: []string{"sn03"}},
	{Search: []string{"ref-1"}, State: "created"},
	{Search: []string{"anna", "none"}},
}

var slotRules = []rule{
	{"page in every order", "Under every sort, filter and search, Page returns the rows asked for, in order.", func(t tb, s enrollment.Storage) {
		rows := fleet()
		do(t, s, putSlots(rows...), putSlots(slotOf("other", "dev_00", "active")))
		for _, q := range filters {
			q.Site = "site"
			for _, q.Sort = range sorts {
				same(t, fmt.Sprintf("the page of %+v", q), see(t, s, pageSlots(q)), asked(rows, q))
				q := q
				q.Limit = 5
				want := asked(rows, q)
				same(t, fmt.Sprintf("the page of %+v", q), see(t, s, pageSlots(q)), want[:min(5, len(want))])
			}
		}
	}},
	{"meet every row once", "Going from page to page by the position of the last row meets every row once.", func(t tb, s enrollment.Storage) {
		rows := fleet()
		do(t, s, putSlots(rows...))
		for _, q := range filters[:10] {
			q.Site = "site"
			for _, q.Sort = range sorts {
				for _, q.Limit = range []int{1, 7} {
					want := ids(asked(rows, q), slotID)
					var got []string
					for q.After = (enrollment.SlotPosition{}); len(got) <= len(want); {
						page := see(t, s, pageSlots(q))
						if len(page) == 0 {
							break
						}
						if len(page) > q.Limit {
							t.Fatalf("a page of %+v has %d rows", q, len(page))
						}
						got = append(got, ids(page, slotID)...)
						q.After = behind(page[len(page)-1], q.Sort)
					}
					same(t, fmt.Sprintf("the pages of %+v", q), got, want)
				}
			}
		}
	}},
	{"pages are stable", "What is added, deleted or changed ahead of a position neither repeats nor hides a row behind it.", func(t tb, s enrollment.Storage) {
		for _, sort := range sorts {
			site := "site of " + string(sort)
			rows := fleet()
			for i := range rows {
				rows[i].Site = site
			}
			do(t, s, putSlots(rows...))
			q := enrollment.SlotQuery{Site: site, Sort: sort, Limit: 10}
			want := asked(rows, q)
			page := see(t, s, pageSlots(q))
			q.After = behind(page[9], sort)
			ahead := page[4]
			ahead.ID += " more" // directly behind or ahead of row 4
			do(t, s, putSlots(ahead), deleteSlots(site, page[9].ID, page[0].ID))
			same(t, "the second page by "+string(sort), ids(see(t, s, pageSlots(q)), slotID), ids(want[10:20], slotID))
		}
	}},
	{"no sort is the first", "Without a sort, Page goes by the last connection.", func(t tb, s enrollment.Storage) {
		rows := fleet()
		do(t, s, putSlots(rows...))
		want := asked(rows, enrollment.SlotQuery{Site: "site", Sort: enrollment.SortLastConnection})
		same(t, "the page", ids(see(t, s, pageSlots(enrollment.SlotQuery{Site: "site"})), slotID), ids(want, slotID))
	}},
	{"follow changes", "A replaced slot is found, sorted and searched by what it is now, and no longer by what it was.", func(t tb, s enrollment.Storage) {
		r := slotRows.row("site", "one")
		do(t, s, putSlots(r))
		r.Name, r.Serial, r.State, r.Platform, r.Ownership, r.Refs = "Brick", "new", "leaving", device.MacOS, device.Personal, nil
		do(t, s, putSlots(r))
		for _, q := range []enrollment.SlotQuery{
			{State: "active"}, {Platform: device.IOS}, {Ownership: device.Company}, {Search: []string{"phone"}}, {Search: []string{"sn"}}, {Search: []string{"ref"}},
		} {
			q.Site = "site"
			same(t, fmt.Sprintf("the page of %+v", q), see(t, s, pageSlots(q)), []enrollment.Slot{})
		}
		for _, q := range []enrollment.SlotQuery{
			{State: "leaving"}, {Platform: device.MacOS}, {Ownership: device.Personal}, {Search: []string{"bri", "zo", "new"}},
		} {
			q.Site = "site"
			same(t, fmt.Sprintf("the page of %+v", q), see(t, s, pageSlots(q)), []enrollment.Slot{r})
		}
	}},
	{"delete", "Delete removes the rows of the site that are there and minds no other id.", func(t tb, s enrollment.Storage) {
		do(t, s, putSlots(slotRows.row("site", "one"), slotRows.row("site", "two"), slotRows.row("other", "one"), slotRows.row("site", "ONE")))
		do(t, s, deleteSlots("site", "one", "none", "one"))
		misses(t, s, "the deleted slot", getSlot("site", "one"))
		for _, name := range [][2]string{{"site", "two"}, {"other", "one"}, {"site", "ONE"}} {
			same(t, "a neighbour", see(t, s, getSlot(name[0], name[1])), slotRows.row(name[0], name[1]))
		}
		q := enrollment.SlotQuery{Site: "site", Sort: enrollment.SortName, Search: []string{"zoë"}}
		same(t, "what is found", ids(see(t, s, pageSlots(q)), slotID), []string{"ONE", "two"})
		do(t, s, putSlots(slotRows.row("site", "one")))
		same(t, "the slot put again", see(t, s, getSlot("site", "one")), slotRows.row("site", "one"))
	}},
	{"count exactly", "The counts are those of the rows at every time, within a unit too, before and after folding.", func(t tb, s enrollment.Storage) {
		states := []string{"created", "sent", "pending", "active"}
		rows := map[string]enrollment.Slot{}
		want := func() map[string]int64 {
			counts := map[string]int64{}
			for _, r := range rows {
				counts[r.State]++
			}
			return counts
		}
		n := lcg(1)
		do(t, s, putSlots(slotOf("other", "1", "active")))
		for step := range 120 {
			id := fmt.Sprint(n.upTo(12))
			if n.upTo(3) == 0 {
				do(t, s, deleteSlots("site", id))
				delete(rows, id)
			} else {
				r := slotOf("site", id, states[n.upTo(4)])
				do(t, s, putSlots(r))
				rows[id] = r
			}
			same(t, fmt.Sprintf("after step %d, the counts", step), see(t, s, countSlots("site")), want())
			if step%7 == 0 {
				take(t, s, func(ctx context.Context, tx enrollment.Tx) (int, error) { return tx.Slots().Fold(ctx, 5) })
				same(t, fmt.Sprintf("after folding at step %d, the counts", step), see(t, s, countSlots("site")), want())
			}
		}
		for folds := 0; ; folds++ {
			if take(t, s, func(ctx context.Context, tx enrollment.Tx) (int, error) { return tx.Slots().Fold(ctx, 100) }) == 0 {
				break
			}
			if folds > 1000 {
				t.Fatalf("folding never ends")
			}
		}
		same(t, "after folding all, the counts", see(t, s, countSlots("site")), want())
		inside := take(t, s, func(ctx context.Context, tx enrollment.Tx) (map[string]int64, error) {
			if err := tx.Slots().Put(ctx, slotOf("site", "new", "leaving")); err != nil {
				return nil, err
			}
			return countSlots("site")(ctx, tx)
		})
		same(t, "within a unit, the count", inside["leaving"], int64(1))
		same(t, "the counts of the other site", see(t, s, countSlots("other")), map[string]int64{"active": 1})
		same(t, "the counts of a site without slots", see(t, s, countSlots("none")), map[string]int64{})
	}},
	{"counts are a copy", "Changing the counts that were got changes nothing stored.", func(t tb, s enrollment.Storage) {
		do(t, s, putSlots(slotOf("site", "one", "active")))
		see(t, s, countSlots("site"))["active"] = 99
		same(t, "the counts", see(t, s, countSlots("site")), map[string]int64{"active": 1})
	}},
}

// lcg is a sequence of numbers that look random and are the same in every run.
func lcg(seed uint64) *numbers { return &numbers{seed} }

type numbers struct{ state uint64 }

func (n *numbers) upTo(limit int) int {
	n.state = n.state*6364136223846793005 + 1442695040888963407
	return int(n.state >> 33 % uint64(limit))
}
