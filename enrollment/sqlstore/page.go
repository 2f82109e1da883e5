package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/enrollkit/enrollment"
)

// termRow is one word that a slot is found by.
type termRow struct{ site, id, term string }

func termFields(r *termRow) []any { return []any{&r.site, &r.id, &r.term} }

func (t slots) deleteTerms(ctx context.Context, site, id string) error {
	return t.later(ctx, "DELETE FROM @slot_terms WHERE site = ? AND id = ?", site, id)
}

// maxFound is how many slots with a word are fetched and sorted. A word of more
// is looked up in slot after slot, in the order of the list, which soon fills a
// page.
const maxFound = 1000

// sortColumn is the column of an order, and whether it descends.
func sortColumn(s enrollment.Sort) (column string, descends bool) {
	switch s {
	case enrollment.SortName:
		return "sort_name", false
	case enrollment.SortState:
		return "state", false
	}
	return "last_connection", true
}

// Page walks the index of the order, or of the order behind a filter, from the
// position on. No page is found by counting rows before it.
func (t slots) Page(ctx context.Context, q enrollment.SlotQuery) ([]enrollment.Slot, error) {
	var (
		w     where
		from  = "@slots s"
		words = q.Search
	)
	word, found, err := t.rarest(ctx, q)
	if err != nil || word >= 0 && len(found) == 0 {
		return nil, err
	}
	if word >= 0 {
		from = "(VALUES " + tuples(len(found), 1) + ") AS f CROSS JOIN @slots s"
		w.and("s.id = f.column1")
		w.args = found
		words = append(append([]string{}, words[:word]...), words[word+1:]...)
	}
	w.and("s.site = ?", q.Site)
	if q.State != "" {
		w.and("s.state = ?", q.State)
	}
	if q.Platform != "" {
		column := "s.platform"
		if q.State != "" || q.Sort == enrollment.SortState {
			column += " || ''" // keeps to the index of the state
		}
		w.and(column+" = ?", string(q.Platform))
	}
	if q.Ownership != "" {
		w.and("s.ownership = ?", string(q.Ownership))
	}
	for _, begin := range words {
		condition, args := beginning("w.term", begin)
		w.and("EXISTS (SELECT 1 FROM @slot_terms w WHERE w.site = s.site AND w.id = s.id AND "+condition+")", args...)
	}
	column, descends := sortColumn(q.Sort)
	order, after := " ORDER BY s."+column+", s.id", ">"
	if descends {
		order, after = " ORDER BY s."+column+" DESC, s.id DESC", "<"
	}
	if q.After != (enrollment.SlotPosition{}) {
		var at any = q.After.Key
		if column == "last_connection" {
			n, err := strconv.ParseInt(q.After.Key, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("sqlstore: position in the list: %w", err)
			}
			at = n
		}
		w.and("(s."+column+", s.id) "+after+" (?, ?)", at, q.After.ID)
	}
	rows, err := collect(ctx, t.unit, slotFields, "SELECT "+slotAlias+" FROM "+from+" WHERE "+w.text+order+w.limitOrAll(q.Limit), w.args...)
	if err != nil {
		return nil, err
	}
	list := make([]enrollment.Slot, len(rows))
	for i, row := range rows {
		list[i] = row.Slot
	}
	return list, nil
}

// slotAlias is slotColumns of s.
var slotAlias = "s." + strings.Join(strings.Fields(slotColumns), " s.")

// rarest returns a word of q that at most maxFound slots have, and their ids;
// or -1 if there is none.
func (t slots) rarest(ctx context.Context, q enrollment.SlotQuery) (word int, ids []any, err error) {
	word = -1
	for i, begin := range q.Search {
		condition, args := beginning("term", begin)
		args = append(append([]any{q.Site}, args...), maxFound+1)
		fields := func(id *string) []any { return []any{id} }
		list, err := collect(ctx, t.unit, fields, "SELECT id FROM @slot_terms WHERE site = ? AND "+condition+" LIMIT ?", args...)
		if err != nil {
			return -1, nil, err
		}
		if len(list) > maxFound {
			continue
		}
		slices.Sort(list)
		if list = slices.Compact(list); word < 0 || len(list) < len(ids) {
			word, ids = i, anys(list)
		}
	}
	return word, ids, nil
}

// beginning is the condition that a column begins with text: from the text
// itself to the first text behind all those, so that an index answers it and
// nothing in text has a meaning.
func beginning(column, text string) (condition string, args []any) {
	condition, args = column+" >= ?", []any{text}
	if end := behind(text); end != "" {
		condition, args = condition+" AND "+column+" < ?", append(args, end)
	}
	return condition, args
}

// behind returns the first text, in the order of bytes, that is greater than
// every text that begins with text; "" if there is none.
func behind(text string) string {
	for text != "" {
		r, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
		switch {
		case r == utf8.MaxRune:
			continue // the rune before it has to grow
		case r == 0xD7FF:
			return text + "\uE000" // what lies between are no runes
		}
		return text + string(r+1)
	}
	return ""
}
