package model

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// world is one story: the model and the systems that are compared with it.
type world struct {
	*rapid.T
	ctx     context.Context
	m       *reference
	systems []*system
	step    int
	ring    *credentials.Keyring

	names  map[string]string // short names of ids, for the log
	offers []string          // ids of invitations, oldest first
	phones []string          // ids of devices
	tokens map[string]string // of invitations
	pins   map[string][]string
	handed []handed
	mailed []mailed
	codes  []string       // company passcodes, the latest last
	met    map[string]int // answers, by code
}

// handed is a device token that somebody was given.
type handed struct {
	text, device string
	generation   int
}

// mailed is a login that somebody was mailed.
type mailed struct {
	user, username, password string
	number                   int
}

// begin starts a story on empty stores.
func begin(t *rapid.T, stores map[string]opener) *world {
	w := &world{
		T: t, ctx: context.Background(), m: newReference(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)),
		names: map[string]string{}, tokens: map[string]string{}, pins: map[string][]string{},
		met: map[string]int{},
	}
	fixed := &stream{}
	fixed.step(0)
	key, err := credentials.NewKey(1, fixed)
	w.must(err)
	w.ring, err = credentials.NewKeyring(key)
	w.must(err)
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		s := &system{name: name, store: stores[name], rand: &stream{}, log: map[string][]string{}}
		s.rand.step(0)
		s.config = enrollment.Config{
			Keyring: w.ring, Sites: surroundings{}, Directory: surroundings{}, Administrators: surroundings{},
			Deliverer: s, Rand: s.rand, Now: func() time.Time { return w.m.now },
		}
		w.must(s.start(false))
		w.systems = append(w.systems, s)
	}
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.Fatalf("%v", err)
	}
}

// say tells a step before it is taken.
func (w *world) say(format string, args ...any) {
	w.step++
	for _, s := range w.systems {
		s.rand.step(w.step)
	}
	w.Logf("%s  %s", w.m.now.Format("02 15:04:05"), w.short(fmt.Sprintf(format, args...)))
}

// short replaces ids by their names.
func (w *world) short(text string) string {
	for id, name := range w.names {
		text = strings.ReplaceAll(text, id, name)
	}
	return text
}

// everywhere does one step on every system. All must answer alike; the answer
// and its code are the first one's.
func everywhere[A any](w *world, do func(*enrollment.Service) (A, error)) (A, string) {
	var first A
	var code string
	for i, s := range w.systems {
		answer, err := do(s.svc)
		if enrollment.Code(err) == "unavailable" {
			w.Fatalf("%s: %v", s.name, err)
		}
		if i == 0 {
			first, code = answer, enrollment.Code(err)
			continue
		}
		if c := enrollment.Code(err); c != code {
			w.Fatalf("%s answers %q (%v), %s %q", s.name, c, err, w.systems[0].name, code)
		}
		w.alike(s.name, "the answer", answer, first)
	}
	w.met[cmp.Or(code, "ok")]++
	return first, code
}

// nothing is the answer of what answers an error alone.
func nothing(do func(*enrollment.Service) error) func(*enrollment.Service) (struct{}, error) {
	return func(svc *enrollment.Service) (struct{}, error) { return struct{}{}, do(svc) }
}

// expect compares what the systems answered with what the model says.
func (w *world) expect(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		w.Fatalf("%s is %s, want %s", what, w.short(fmt.Sprintf("%v", got)), w.short(fmt.Sprintf("%v", want)))
	}
}

// alike compares two systems by what can be seen of an answer.
func (w *world) alike(name, what string, got, first any) {
	a, b := w.plain(got), w.plain(first)
	if !reflect.DeepEqual(a, b) {
		w.Fatalf("%s of %s and %s differ:\n%s\n%s", what, name, w.systems[0].name,
			w.short(fmt.Sprintf("%v", a)), w.short(fmt.Sprintf("%v", b)))
	}
}

// plain is the JSON of v without what is empty: a store may give back an empty
// list for none.
func (w *world) plain(v any) any {
	text, err := json.Marshal(v)
	w.must(err)
	var out any
	w.must(json.Unmarshal(text, &out))
	return pruned(out)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = pruned(e); e == nil {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = pruned(v[i])
		}
	}
	return v
}

// compare looks at everything that can be seen.
func (w *world) compare() {
	type look struct {
		Slots       []enrollment.SlotView
		Counts      map[string]int64
		Invitations []enrollment.InvitationDetail
		Devices     []enrollment.Explanation
		Passcode    enrollment.PasscodeDetail
		Journal     map[string][]string
	}
	var first look
	for i, s := range w.systems {
		var l look
		var err error
		l.Slots, l.Counts, err = s.slots(w.ctx)
		w.must(err)
		l.Invitations, err = s.invitations(w.ctx)
		w.must(err)
		for _, id := range w.phones {
			e, err := s.svc.Explain(w.ctx, admin, id)
			if enrollment.Code(err) != "not_found" {
				w.must(err)
				l.Devices = append(l.Devices, e)
			}
		}
		l.Passcode, err = s.svc.Passcode(w.ctx, admin)
		w.must(err)
		l.Journal, err = s.journal(w.ctx)
		w.must(err)
		if i > 0 {
			w.alike(s.name, "what is shown", l, first)
			continue
		}
		first = l
		w.expect("the list", views(l.Slots), w.m.slots())
		w.expect("the counts", nonzero(l.Counts), counts(w.m.slots()))
		w.expect("the invitations", offersShown(l.Invitations), w.m.offersShown())
		w.expect("the devices", devicesShown(l.Devices), w.m.devicesShown(w.phones))
		w.expect("the passcode", fmt.Sprintf("%s %d %d", l.Passcode.Status, l.Passcode.Generation, l.Passcode.FailedAttempts),
			fmt.Sprintf("%s %d %d", w.m.door.status, w.m.door.generation, w.m.failed()))
		for _, subject := range slices.Sorted(maps.Keys(w.m.journal)) {
			w.expect("the journal of "+w.short(subject), l.Journal[subject], w.m.journal[subject])
		}
		w.expect("the subjects of the journal", len(l.Journal), len(w.m.journal))
	}
}

func views(slots []enrollment.SlotView) []string {
	list := make([]string, len(slots))
	for i, s := range slots {
		list[i] = s.ID + " " + s.State
	}
	return list
}

func nonzero(counts map[string]int64) map[string]int64 {
	maps.DeleteFunc(counts, func(_ string, n int64) bool { return n == 0 })
	return counts
}

func counts(slots []string) map[string]int64 {
	n := map[string]int64{}
	for _, s := range slots {
		_, state, _ := strings.Cut(s, " ")
		n[state]++
	}
	return n
}

func offersShown(list []enrollment.InvitationDetail) []string {
	var rows []string
	for _, d := range list {
		seen := map[string]int{}
		for _, s := range d.Sightings {
			seen[string(s.Evidence)] = int(s.Count)
		}
		rows = append(rows, fmt.Sprintln(d.ID, d.State, d.Reason, d.Email, d.Enrolled, d.Live, d.Delivery, d.PINTriesLeft, seen))
	}
	slices.Sort(rows)
	return rows
}

func (m *reference) offersShown() []string {
	var rows []string
	for _, o := range inOrder(m.invitations) {
		rows = append(rows, fmt.Sprintln(o.id, o.state, o.reason, o.email, o.enrolled, o.live, o.delivery, o.triesLeft(m.now), o.seen))
	}
	slices.Sort(rows)
	return rows
}

func devicesShown(list []enrollment.Explanation) []string {
	var rows []string
	for _, e := range list {
		rows = append(rows, fmt.Sprintln(e.ID, e.State, e.Device.Reason, e.Invitation, e.Generation, e.Conflict, e.Missing, e.LastContact, len(e.Timeline)))
	}
	return rows
}

func (m *reference) devicesShown(ids []string) []string {
	var rows []string
	for _, id := range ids {
		d := m.devices[id]
		if d.deleted {
			continue
		}
		reason := d.reason
		if m.shown(d) != d.state {
			reason = "silent"
		}
		var missing []string
		if d.live() {
			missing = d.missing()
		}
		rows = append(rows, fmt.Sprintln(d.id, m.shown(d), reason, d.invitation, d.generation, d.conflict, missing, d.contact, len(m.journal[id])))
	}
	return rows
}

// holding returns the device that a token belongs to now; nil: none.
func (m *reference) holding(h handed) *phone {
	if d := m.devices[h.device]; d.generation == h.generation {
		return d
	}
	return nil
}

// claim is a phone with a hardware id, or without one.
func claim(hardware string) enrollment.Claim {
	return enrollment.Claim{Platform: device.Android, Name: "Phone", Manufacturer: "Maker", Hardware: device.Hardware{Serial: hardware}}
}
