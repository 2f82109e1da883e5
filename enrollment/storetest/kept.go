package storetest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
)

// kept is one kind of row, for the rules that all kinds share.
type kept[T any] struct {
	// row returns a row with every field set, unique wherever rows must be.
	row func(site, id string) T
	// bare returns a row with nothing set but what names it.
	bare func(site, id string) T
	// add writes rows that are not there.
	add func(list ...T) unit
	// get reads one row, or ErrNotFound.
	get func(site, id string) reading[T]

	// exists says that adding a row that is there is refused with ErrExists.
	exists bool
	// replace writes rows that are there; nil: they never change.
	replace func(list ...T) unit
	// single says that the store takes one row at a time.
	single bool
	// edit changes something in a row.
	edit func(T) T
	// version is where the row keeps its version; nil: it has none.
	version func(*T) *int64
}

// farAway is no time zone that a server runs in.
var farAway = time.FixedZone("far away", -(9*60+17)*60)

func (k kept[T]) rules() []rule {
	list := []rule{
		{"keep every field", "A row comes back as it was given, in every field and every script.", k.keepsFields},
		{"keep zero values", "What was not set comes back not set.", k.keepsZero},
		{"keep microseconds in UTC", "Times are cut to microseconds and come back in UTC, whatever zone they were given in.", k.keepsTimes},
		{"share no memory", "Values are copied in and out: changing what was given or got changes nothing stored.", k.copies},
		{"tell rows apart", "Sites and ids are compared byte by byte: another site's row, or one in another case, is another row.", k.tellsApart},
		{"refuse malformed text", "Text that is not UTF-8 or holds a NUL byte is refused, and never cut or replaced.", k.refusesText},
		{"write all or nothing", "A call that fails on one of its rows writes none of them.", k.allOrNothing},
	}
	if k.exists {
		list = append(list, rule{"refuse what exists", "Adding a row that is there is refused with ErrExists and leaves it as it was.", k.refusesTwice})
	}
	if k.replace != nil {
		list = append(list, rule{"leave neighbours alone", "Changing one row leaves every other row as it was.", k.neighbours})
	}
	if k.version != nil {
		list = append(list,
			rule{"count versions", "An update adds one to the version, and only the one given is replaced.", k.countsVersions},
			rule{"refuse stale updates", "An update of a version that is not the stored one is refused with ErrStale, all of it.", k.refusesStale},
			rule{"refuse updates of nothing", "An update of a row that is not there, or is another site's, is refused with ErrNotFound.", k.refusesAbsent},
		)
	}
	return list
}

func (k kept[T]) keepsFields(t tb, s enrollment.Storage) {
	for _, name := range [][2]string{
		{"site", "one"},
		{strings.Repeat("🦊", 32), strings.Repeat("ß", 64)}, // 128 bytes, the longest
		{"a b/c%d_e'f\"g\\h", "ﬁ e\u0301 \u00e9 \u202e <&> \n\t; --"},
	} {
		do(t, s, k.add(k.row(name[0], name[1])))
		same(t, "the row", see(t, s, k.get(name[0], name[1])), k.row(name[0], name[1]))
	}
}

func (k kept[T]) keepsZero(t tb, s enrollment.Storage) {
	do(t, s, k.add(k.bare("site", "one")))
	same(t, "the row", see(t, s, k.get("site", "one")), k.bare("site", "one"))
}

func (k kept[T]) keepsTimes(t tb, s enrollment.Storage) {
	row := k.row("site", "one")
	eachTime(reflect.ValueOf(&row).Elem(), func(at time.Time) time.Time {
		return at.Add(789 * time.Nanosecond).In(farAway)
	})
	do(t, s, k.add(row))
	same(t, "the row", see(t, s, k.get("site", "one")), k.row("site", "one"))
}

func (k kept[T]) copies(t tb, s enrollment.Storage) {
	given := k.row("site", "one")
	do(t, s, func(ctx context.Context, tx enrollment.Tx) error {
		given = k.row("site", "one")
		if err := k.add(given)(ctx, tx); err != nil {
			return err
		}
		scramble(reflect.ValueOf(&given).Elem())
		return nil
	})
	got := see(t, s, k.get("site", "one"))
	same(t, "after changing what was given, the row", got, k.row("site", "one"))
	scramble(reflect.ValueOf(&got).Elem())
	same(t, "after changing what was got, the row", see(t, s, k.get("site", "one")), k.row("site", "one"))
}

func (k kept[T]) tellsApart(t tb, s enrollment.Storage) {
	do(t, s, k.add(k.row("site", "one")))
	for _, name := range [][2]string{
		{"site", "two"}, {"other", "one"}, {"site", "ONE"}, {"SITE", "one"}, {"site", "one "}, {"site", "on"},
		{"site", "one\x00"}, {"site\x00", "one"}, {"site", "\xff"}, {"", "one"}, {"site", ""},
	} {
		misses(t, s, "a row that is not there", k.get(name[0], name[1]))
	}
	others := [][2]string{{"other", "one"}, {"site", "ONE"}, {"SITE", "one"}, {"site", "one "}, {"site1", "one"}}
	for _, name := range others {
		do(t, s, k.add(k.row(name[0], name[1])))
	}
	for _, name := range append(others, [2]string{"site", "one"}) {
		same(t, "the row "+name[0]+"/"+name[1], see(t, s, k.get(name[0], name[1])), k.row(name[0], name[1]))
	}
}

func (k kept[T]) refusesText(t tb, s enrollment.Storage) {
	do(t, s, k.add(k.row("site", "one")))
	row := k.row("site", "two")
	eachText(reflect.ValueOf(&row).Elem(), "", func(path string, text reflect.Value) {
		good := text.String()
		for _, bad := range []string{good + "\x00", "\x00" + good, good + "\xff", "\xed\xa0\x80"} {
			text.SetString(bad)
			if err := s.Update(t.Context(), k.add(row)); err == nil {
				t.Fatalf("%q was taken for %s", bad, path)
			}
		}
		text.SetString(good)
	})
	do(t, s, k.add(k.row("site", "two")))
	same(t, "the row", see(t, s, k.get("site", "two")), k.row("site", "two"))
}

func (k kept[T]) allOrNothing(t tb, s enrollment.Storage) {
	bad := k.row("site", "bad")
	eachText(reflect.ValueOf(&bad).Elem(), "", func(_ string, text reflect.Value) { text.SetString(text.String() + "\x00") })
	fails(t, s, nil, k.add(k.row("site", "one"), bad))
	misses(t, s, "the first of two rows", k.get("site", "one"))

	if k.exists {
		do(t, s, k.add(k.row("site", "two")))
		fails(t, s, enrollment.ErrExists, k.add(k.row("site", "one"), k.row("site", "two")))
		misses(t, s, "the first of two rows", k.get("site", "one"))
	}

	if k.single {
		return
	}
	// A unit may go on after a refusal. Whether it can still be committed is
	// the store's business; that half a call is never committed, ours.
	_ = s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		_ = k.add(k.row("site", "one"), bad)(ctx, tx)
		return nil
	})
	misses(t, s, "the first of two rows", k.get("site", "one"))
}

func (k kept[T]) refusesTwice(t tb, s enrollment.Storage) {
	do(t, s, k.add(k.row("site", "one")))
	fails(t, s, enrollment.ErrExists, k.add(k.edit(k.row("site", "one"))))
	same(t, "the row", see(t, s, k.get("site", "one")), k.row("site", "one"))
	fails(t, s, enrollment.ErrExists, k.add(k.row("site", "two"), k.row("site", "two")))
	misses(t, s, "a row given twice", k.get("site", "two"))
}

func (k kept[T]) neighbours(t tb, s enrollment.Storage) {
	others := [][2]string{{"site", "two"}, {"site", "ONE"}, {"other", "one"}, {"SITE", "one"}}
	do(t, s, k.add(k.row("site", "one")))
	for _, name := range others {
		do(t, s, k.add(k.row(name[0], name[1])))
	}
	do(t, s, k.replace(k.edit(k.row("site", "one"))))
	same(t, "the changed row", see(t, s, k.get("site", "one")), k.stored(k.edit(k.row("site", "one"))))
	for _, name := range others {
		same(t, "the neighbour "+name[0]+"/"+name[1], see(t, s, k.get(name[0], name[1])), k.row(name[0], name[1]))
	}
}

// stored is what replace leaves of row.
func (k kept[T]) stored(row T) T {
	if k.version != nil {
		*k.version(&row)++
	}
	return row
}

func (k kept[T]) countsVersions(t tb, s enrollment.Storage) {
	row := k.row("site", "one")
	do(t, s, k.add(row, k.row("site", "two")))
	for range 3 {
		do(t, s, k.replace(row))
		got := see(t, s, k.get("site", "one"))
		same(t, "the row", got, k.stored(row))
		row = got
	}
	// Both in one call, and one of them twice in one unit.
	two := k.row("site", "two")
	do(t, s, k.replace(row, two), k.replace(k.stored(row)))
	same(t, "the first row", see(t, s, k.get("site", "one")), k.stored(k.stored(row)))
	same(t, "the second row", see(t, s, k.get("site", "two")), k.stored(two))
}

func (k kept[T]) refusesStale(t tb, s enrollment.Storage) {
	one, two := k.row("site", "one"), k.row("site", "two")
	do(t, s, k.add(one, two))
	do(t, s, k.replace(one))
	newer := k.stored(k.stored(one))
	for _, stale := range []T{k.edit(one), k.edit(newer)} {
		fails(t, s, enrollment.ErrStale, k.replace(stale))
		fails(t, s, enrollment.ErrStale, k.replace(k.edit(two), stale))
		same(t, "the row", see(t, s, k.get("site", "one")), k.stored(one))
		same(t, "the row beside it", see(t, s, k.get("site", "two")), two)
	}
}

func (k kept[T]) refusesAbsent(t tb, s enrollment.Storage) {
	do(t, s, k.add(k.row("site", "one")))
	fails(t, s, enrollment.ErrNotFound, k.replace(k.row("site", "two")))
	fails(t, s, enrollment.ErrNotFound, k.replace(k.row("other", "one")))
	fails(t, s, enrollment.ErrNotFound, k.replace(k.edit(k.row("site", "one")), k.row("site", "two")))
	same(t, "the row", see(t, s, k.get("site", "one")), k.row("site", "one"))
	misses(t, s, "a row that was only updated", k.get("site", "two"))
}

// eachTime replaces every time in v that is not zero.
func eachTime(v reflect.Value, by func(time.Time) time.Time) {
	switch v.Kind() {
	case reflect.Struct:
		if at, ok := v.Addr().Interface().(*time.Time); ok {
			if !at.IsZero() {
				*at = by(*at)
			}
			return
		}
		for i := range v.NumField() {
			eachTime(v.Field(i), by)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachTime(v.Index(i), by)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			e := reflect.New(it.Value().Type()).Elem()
			e.Set(it.Value())
			eachTime(e, by)
			v.SetMapIndex(it.Key(), e)
		}
	}
}

// eachText visits every text in v but those in maps.
func eachText(v reflect.Value, path string, visit func(path string, text reflect.Value)) {
	switch v.Kind() {
	case reflect.String:
		visit(path, v)
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			return
		}
		for i := range v.NumField() {
			eachText(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachText(v.Index(i), path, visit)
		}
	}
}

// scramble changes what v shares with its copies: the elements of its slices
// and maps.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			return
		}
		for i := range v.NumField() {
			scramble(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Map:
		for _, key := range slices.Collect(v.Seq()) {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(key))
			scramble(e)
			v.SetMapIndex(key, reflect.Value{})
		}
	}
}
