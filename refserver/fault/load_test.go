package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What the sites of this load say of PINs; everything else that paces is off.
const (
	pinBudget = 12
	pinAlert  = 3
)

const policy = `{"policy":{"pin_budget":12,"pin_alert":3,"pin_pace":0,"source_pace":0,"pin_site_budget":0}}`

// call is one request, which can be sent again as it is.
type call struct {
	method, path, token, key string
	form                     url.Values
	body                     any
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

func (a *answer) decode(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("answer of another shape: %w", err)
	}
	return nil
}

// op is one thing that a hand does: a request, and what it does to the model of
// what the server has to know by then.
type op struct {
	name, about string
	call        call
	want        []int // statuses of the first answer
	again       []int // statuses once it has happened
	// apply changes the model: by an answer, or, where none came, by what the
	// database says. nil: it changes nothing.
	apply    func(a *answer, s *snapshot) error
	agree    func(a *answer) error  // compares an answer with the model; may be nil
	found    func(s *snapshot) bool // whether it happened, where no answer came
	booked   func(s *snapshot)      // what it may have cost, happened or not; may be nil
	once     bool                   // sent again, it would happen again
	happened bool
}

// hand is one client. It has people of its own, so that it knows to the bit what
// the server has to know of them, and people that all hands of its office share.
type hand struct {
	n       int
	rng     *rand.Rand
	base    string
	http    *http.Client
	office  *office
	history *history

	front    *balancer   // says which node to go to; nil: always to base
	stranger bool        // it wonders at nothing
	enough   func() bool // whether to stop between two requests; nil: never

	people  []*person
	invs    []*inv
	phones  []*phone
	invites []*op // answered; to be repeated
	serial  int
	pending *op // the one without an answer
	broken  bool
}

type person struct {
	user, email, name string
	inv               *inv // the active one
	count             int  // invitations, ever
}

type inv struct {
	person               *person
	id, state, reason    string
	email, token, pin    string
	generation           int
	tries, refused       int // of the PIN: counted, and answered
	sends, reveals       int
	maxDevices, enrolled int
	accepted             bool
}

func (i *inv) active() bool { return i.state != "deactivated" }

type phone struct {
	person            *person
	inv               *inv
	id, serial, token string
	old               string // the token of the generation before
	enrollment        call
	enrollmentID      string
	state             string
	generation        int
	seq               int64
	facts             map[string]bool
	ever, deleted     bool
}

// office is one site.
type office struct {
	id, token string
	told      bool // its server makes up users from their names

	mu     sync.Mutex
	shared map[string]map[string]string // of the shared users, the invitations and what each replaced

	// Of the one PIN that every hand guesses at.
	target            string // its invitation
	targetEmail       string
	generation        int
	base, sure, maybe int // tries found at the last look, refused since, without an answer since
}

func (h *hand) send(c call) (*answer, error) {
	var body io.Reader
	media := ""
	switch {
	case c.form != nil:
		body, media = strings.NewReader(c.form.Encode()), "application/x-www-form-urlencoded"
	case c.body != nil:
		doc, err := json.Marshal(c.body)
		if err != nil {
			return nil, err
		}
		body, media = bytes.NewReader(doc), "application/json"
	}
	r, err := http.NewRequest(c.method, h.base+c.path, body)
	if err != nil {
		return nil, err
	}
	r.GetBody = nil // else the transport sends what has a key again by itself
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.key != "" {
		r.Header.Set("Idempotency-Key", c.key)
	}
	got, err := h.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, err
	}
	return &answer{got.StatusCode, text}, nil
}

// work does one thing after the other until limit, or until nobody answers.
func (h *hand) work(limit int) {
	for n := 0; (limit == 0 || n < limit) && !h.broken && (h.enough == nil || !h.enough()); n++ {
		o := h.pending
		if o == nil {
			o = h.choose()
		}
		if !h.do(o) {
			return
		}
	}
}

// errUnavailable is a server that says that it cannot say.
var errUnavailable = errors.New("503")

func (h *hand) do(o *op) (answered bool) {
	from := time.Now()
	if h.front != nil {
		h.base = h.front.choose(h.base)
	}
	a, err := h.send(o.call)
	for n := 0; h.front != nil && n < len(h.front.bases) && errors.Is(err, syscall.ECONNREFUSED); n++ {
		h.base = h.front.next(h.base)
		a, err = h.send(o.call)
	}
	if err == nil && a.status == http.StatusServiceUnavailable {
		err = errUnavailable // it may have happened: the answer to a commit may be lost
	}
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			h.history.note(h.n, o, unsent, 0, from)
			return false
		}
		h.history.note(h.n, o, unknown, 0, from)
		if errors.Is(err, errUnavailable) {
			h.history.refused()
		}
		if o.apply != nil {
			h.pending = o
		}
		return false
	}
	h.pending = nil
	want := o.want
	if o.happened {
		want = o.again
	}
	fail := func(err error) {
		h.history.note(h.n, o, unforeseen, a.status, from)
		if h.stranger {
			return
		}
		h.history.fault("hand %d: %s %s (repeated: %t): %v", h.n, o.name, o.about, o.happened, err)
		h.broken = true // its model is worth nothing any more
	}
	if !slices.Contains(want, a.status) {
		fail(fmt.Errorf("status %d, want %v: %.300s", a.status, want, a.body))
		return true
	}
	if o.apply != nil && !o.happened {
		if err := o.apply(a, nil); err != nil {
			fail(err)
			return true
		}
	}
	if o.agree != nil {
		if err := o.agree(a); err != nil {
			fail(err)
			return true
		}
	}
	result := looked
	if o.apply != nil {
		result = acknowledged
	}
	h.history.note(h.n, o, result, a.status, from)
	return true
}

// resolve finds out what became of the request without an answer.
func (h *hand) resolve(s *snapshot) {
	o := h.pending
	if o == nil {
		return
	}
	if !o.happened && o.found != nil && o.found(s) {
		o.happened = true
		h.history.mu.Lock()
		h.history.found++
		h.history.mu.Unlock()
		if err := o.apply(nil, s); err != nil {
			h.history.fault("hand %d: %s %s happened without an answer, but not wholly: %v", h.n, o.name, o.about, err)
			h.broken = true
		}
	}
	if o.booked != nil {
		o.booked(s)
	}
	if o.once {
		h.pending = nil
	}
}

// choose is what the hand does next.
func (h *hand) choose() *op {
	type choice struct {
		weight int
		make   func() *op
	}
	var list []choice
	add := func(weight int, make func() *op) { list = append(list, choice{weight, make}) }

	if !h.office.told {
		if len(h.people) < 3 {
			return h.createUser()
		}
		if len(h.people) < 30 {
			add(4, h.createUser)
		}
	}
	add(8, h.invite)
	add(3, h.inviteShared)
	add(3, h.guessShared)
	if len(h.invites) > 0 {
		add(3, func() *op { return h.invites[h.rng.IntN(len(h.invites))] })
	}
	if i := pick(h.rng, h.invs, func(i *inv) bool { return i.active() && (i.token == "" || i.pin == "" && i.tries < pinBudget) }); i != nil {
		add(14, func() *op { return h.reveal(i) })
	}
	if i := pick(h.rng, h.invs, (*inv).active); i != nil {
		add(3, func() *op { return h.sendAgain(i) })
		add(3, func() *op { return h.deactivate(i) })
		add(2, func() *op { return h.newPIN(i) })
		add(2, func() *op { return h.editEmail(i) })
		add(3, func() *op { return h.guess(i) })
	}
	if i := pick(h.rng, h.invs, func(i *inv) bool { return i.active() && i.tries > 0 }); i != nil {
		add(6, func() *op { return h.guess(i) })
	}
	if i := pick(h.rng, h.invs, func(i *inv) bool { return i.active() && i.token != "" && !i.accepted }); i != nil {
		add(4, func() *op { return h.accept(i) })
		add(4, func() *op { return h.fetch(i) })
	}
	if i := pick(h.rng, h.invs, func(i *inv) bool { return i.active() && i.token != "" }); i != nil {
		add(10, func() *op { return h.enroll(i, nil) })
		if p := pick(h.rng, h.phones, func(p *phone) bool { return p.person == i.person && !p.deleted }); p != nil {
			add(4, func() *op { return h.enroll(i, p) })
		}
	}
	if i := pick(h.rng, h.invs, func(i *inv) bool { return !i.active() && i.token != "" }); i != nil {
		add(2, func() *op { return h.enrollByDead(i) })
	}
	if p := pick(h.rng, h.phones, func(p *phone) bool { return !p.deleted && p.state != "unenrolled" }); p != nil {
		add(14, func() *op { return h.report(p) })
		add(3, func() *op { return h.reportStale(p) })
		add(5, func() *op { return h.checkIn(p) })
		add(2, func() *op { return h.unenroll(p) })
		if p.state != "leaving" {
			add(1, func() *op { return h.remove(p) })
		}
	}
	if p := pick(h.rng, h.phones, func(p *phone) bool { return !p.deleted }); p != nil {
		add(2, func() *op { return h.forget(p) })
		if p.enrollment.body != nil {
			add(3, func() *op { return h.enrollAgain(p) })
		}
	}
	if p := pick(h.rng, h.phones, func(p *phone) bool { return p.deleted || p.old != "" }); p != nil {
		add(2, func() *op { return h.knock(p) })
	}
	sum := 0
	for _, c := range list {
		sum += c.weight
	}
	at := h.rng.IntN(sum)
	for _, c := range list {
		if at -= c.weight; at < 0 {
			return c.make()
		}
	}
	panic("unreachable")
}

// pick returns one of those that suit.
func pick[T any](rng *rand.Rand, list []*T, suits func(*T) bool) *T {
	if len(list) == 0 {
		return nil
	}
	for range 8 { // the recent more often
		i := len(list) - 1 - min(rng.IntN(len(list)), rng.IntN(len(list)))
		if suits(list[i]) {
			return list[i]
		}
	}
	return nil
}

// fresh returns a name that nobody had before.
func (h *hand) fresh(kind string) string {
	h.serial++
	return fmt.Sprintf("%s-%d-%d", kind, h.n, h.serial)
}

func (h *hand) admin(method, path string, body any) call {
	return call{method: method, path: "/api/v1" + path, token: h.office.token, body: body}
}

type object = map[string]any

func (h *hand) createUser() *op {
	external := h.fresh("person")
	p := &person{email: external + "@fault.example", name: "Person " + external}
	return &op{
		name: "create user", about: external, want: []int{201}, again: []int{409},
		call: h.admin("POST", "/users", object{"email": p.email, "name": p.name, "external_id": external}),
		apply: func(a *answer, s *snapshot) error {
			if a != nil {
				var user struct{ ID string }
				if err := a.decode(&user); err != nil {
					return err
				}
				p.user = user.ID
			} else {
				p.user = s.byExternal[external]
			}
			h.people = append(h.people, p)
			return nil
		},
		found: func(s *snapshot) bool { return s.byExternal[external] != "" },
	}
}

// results are an answer's, or those kept for the key.
func (h *hand) results(key string, a *answer, s *snapshot) ([]result, error) {
	if a == nil {
		return s.kept[h.office.id+"/"+key], nil
	}
	var body struct{ Results []result }
	err := a.decode(&body)
	return body.Results, err
}

func (h *hand) invite() *op {
	people := []*person{h.people[h.rng.IntN(len(h.people))]}
	for range h.rng.IntN(3) {
		if p := h.people[h.rng.IntN(len(h.people))]; !slices.Contains(people, p) {
			people = append(people, p)
		}
	}
	keep, mailed := h.rng.IntN(3) == 0, h.rng.IntN(3) == 0
	maxDevices := 0
	if h.rng.IntN(4) == 0 {
		maxDevices = 1
	}
	var users []object
	for _, p := range people {
		users = append(users, object{"user_id": p.user})
	}
	body := object{"users": users, "max_devices": maxDevices, "deliver": "none", "if_active": "replace"}
	if keep {
		body["if_active"] = "keep"
	}
	if mailed {
		body["deliver"] = "send"
	}
	key := h.fresh("invite")
	var first []result
	o := &op{name: "invite", about: key, want: []int{201}, again: []int{201}, call: h.admin("POST", "/invitations", body)}
	o.call.key = key
	o.apply = func(a *answer, s *snapshot) error {
		list, err := h.results(key, a, s)
		if err != nil {
			return err
		}
		if len(list) != len(people) {
			return fmt.Errorf("%d results for %d people", len(list), len(people))
		}
		for k, p := range people {
			if err := h.invited(p, list[k], keep, mailed, maxDevices); err != nil {
				return err
			}
		}
		first = list
		h.invites = append(h.invites, &op{
			name: "repeat invite", about: key, call: o.call, want: []int{201}, agree: o.agree,
		})
		return nil
	}
	o.agree = func(a *answer) error {
		list, err := h.results(key, a, nil)
		if err == nil && !slices.Equal(list, first) {
			err = fmt.Errorf("another answer to the same key: %v, before %v", list, first)
		}
		return err
	}
	o.found = func(s *snapshot) bool { return len(s.kept[h.office.id+"/"+key]) > 0 }
	return o
}

// invited changes the model by one person's result.
func (h *hand) invited(p *person, r result, keep, mailed bool, maxDevices int) error {
	old := p.inv
	if old != nil && !old.active() {
		old = nil
	}
	state := "created"
	if mailed {
		state = "sent"
	}
	if old != nil && keep {
		if mailed {
			old.sends++
			if old.state == "created" {
				old.state = "sent"
			}
		}
		if r.Error != "" || !r.Kept || r.Invitation != old.id || r.State != old.state {
			return fmt.Errorf("%+v, want %s kept, %s", r, old.id, old.state)
		}
		return nil
	}
	replaced := ""
	if old != nil {
		replaced = old.id
		old.state, old.reason = "deactivated", "superseded"
	}
	if r.Error != "" || r.Kept || r.Invitation == "" || r.Replaced != replaced || r.State != state || r.User != p.user {
		return fmt.Errorf("%+v, want a new one for %s, %s, replacing %q", r, p.user, state, replaced)
	}
	p.inv = &inv{person: p, id: r.Invitation, state: state, email: p.email, generation: 1, maxDevices: maxDevices}
	if mailed {
		p.inv.sends = 1
	}
	p.count++
	h.invs = append(h.invs, p.inv)
	return nil
}

func (h *hand) reveal(i *inv) *op {
	return &op{
		name: "reveal", about: i.id, want: []int{200}, once: true, call: h.admin("POST", "/invitations/"+i.id+"/credentials", nil),
		apply: func(a *answer, _ *snapshot) error {
			i.reveals++
			if a == nil {
				return nil
			}
			var shown struct{ URL, PIN string }
			if err := a.decode(&shown); err != nil {
				return err
			}
			token := shown.URL[strings.LastIndexByte(shown.URL, '/')+1:]
			if i.token != "" && i.token != token {
				return errors.New("another token than before")
			}
			if i.pin != "" && shown.PIN != "" && i.pin != shown.PIN {
				return errors.New("another PIN than before")
			}
			if (shown.PIN == "") != (i.tries >= pinBudget) {
				return fmt.Errorf("%d tries, PIN shown %t", i.tries, shown.PIN != "")
			}
			i.token, i.pin = token, shown.PIN
			return nil
		},
		found: func(s *snapshot) bool { return s.events[i.id]["invitation.credentials_revealed"] > i.reveals },
	}
}

func (h *hand) sendAgain(i *inv) *op {
	return &op{
		name: "send", about: i.id, want: []int{200}, once: true, call: h.admin("POST", "/invitations/"+i.id+"/send", nil),
		apply: func(*answer, *snapshot) error {
			i.sends++
			if i.state == "created" {
				i.state = "sent"
			}
			return nil
		},
		found: func(s *snapshot) bool { return s.events[i.id]["invitation.sent"] > i.sends },
	}
}

func (h *hand) deactivate(i *inv) *op {
	return &op{
		name: "deactivate", about: i.id, want: []int{200}, again: []int{200}, call: h.admin("POST", "/invitations/"+i.id+"/deactivate", nil),
		apply: func(*answer, *snapshot) error {
			i.state, i.reason = "deactivated", "by_admin"
			return nil
		},
		found: func(s *snapshot) bool { return s.invs[i.id].state == "deactivated" },
	}
}

func (h *hand) newPIN(i *inv) *op {
	return &op{
		name: "new PIN", about: i.id, want: []int{200}, once: true, call: h.admin("POST", "/invitations/"+i.id+"/new-pin", nil),
		apply: func(*answer, *snapshot) error {
			i.generation++
			i.pin, i.tries, i.refused = "", 0, 0
			return nil
		},
		found: func(s *snapshot) bool { return s.invs[i.id].generation > i.generation },
	}
}

func (h *hand) editEmail(i *inv) *op {
	email := h.fresh("new") + "@fault.example"
	return &op{
		name: "edit e-mail", about: i.id, want: []int{200}, again: []int{200}, call: h.admin("PATCH", "/invitations/"+i.id, object{"email": email}),
		apply: func(*answer, *snapshot) error { i.email = email; return nil },
		found: func(s *snapshot) bool { return s.invs[i.id].email == email },
	}
}

func (h *hand) accept(i *inv) *op {
	return &op{
		name: "accept", about: i.id, want: []int{200}, again: []int{200},
		call: call{method: "POST", path: "/i/" + i.token + "/accept", form: url.Values{"ownership": {"personal"}, "platform": {"android"}}},
		apply: func(*answer, *snapshot) error {
			i.accepted, i.state = true, "opened"
			return nil
		},
		found: func(s *snapshot) bool { return s.invs[i.id].accepted },
	}
}

// fetch is what a mail scanner does. It changes nothing that a hand knows of.
func (h *hand) fetch(i *inv) *op {
	return &op{name: "fetch", about: i.id, want: []int{200}, call: call{method: "GET", path: "/i/" + i.token}}
}

// guess tries a wrong PIN.
func (h *hand) guess(i *inv) *op {
	wrong := fmt.Sprintf("%08d", h.rng.IntN(100_000_000))
	if wrong == i.pin {
		wrong = i.pin[1:] + string('0'+(i.pin[0]-'0'+1)%10)
	}
	return &op{
		name: "wrong PIN", about: i.id, want: []int{401}, once: true,
		call: h.enrollment(object{"type": "pin", "email": i.email, "pin": wrong}, h.fresh("guess"), "none"),
		apply: func(a *answer, _ *snapshot) error {
			if i.tries < pinBudget {
				i.tries++
				if a != nil { // refused is told, too; what died on its way need not be
					i.refused++
				}
			}
			return nil
		},
		found: func(s *snapshot) bool { return s.triesOf(h.office.id, i.id, i.generation) > i.tries },
	}
}

func (h *hand) enrollment(credential object, id, serial string) call {
	return call{method: "POST", path: "/device/v1/enroll", body: object{
		"enrollment_id": id, "credential": credential,
		"device": object{"platform": "android", "serial": serial, "manufacturer": "Fault", "name": "Phone " + serial},
	}}
}

// enroll brings in a new phone, or p again.
func (h *hand) enroll(i *inv, p *phone) *op {
	if p == nil {
		p = &phone{person: i.person, serial: h.fresh("FAULTSN")}
		if gone := pick(h.rng, h.phones, func(g *phone) bool { return g.deleted && g.person == i.person }); gone != nil && h.rng.IntN(2) == 0 && !h.used(gone.serial) {
			p.serial = gone.serial
		}
	}
	id := h.fresh("enrollment")
	c := h.enrollment(object{"type": "token", "token": i.token}, id, p.serial)
	o := &op{name: "enroll by link", about: id, want: []int{201}, again: []int{200}, call: c}
	byPIN := i.pin != "" && i.tries < pinBudget && h.rng.IntN(3) == 0
	if byPIN {
		o.name, o.call = "enroll by PIN", h.enrollment(object{"type": "pin", "email": i.email, "pin": i.pin}, id, p.serial)
	}
	o.apply = func(a *answer, s *snapshot) error { return h.enrolled(p, i, c, id, a, s) }
	o.agree = func(a *answer) error { return h.sameDevice(p, a) }
	o.found = func(s *snapshot) bool { return s.enrolled[i.person.user+"/"+id] != "" }
	generation := i.generation
	o.booked = func(s *snapshot) {
		// Between the two units a try is spent and not yet given back.
		if n := s.triesOf(h.office.id, i.id, generation); byPIN && i.generation == generation && n == i.tries+1 {
			i.tries = n
		}
	}
	return o
}

// used reports whether a phone that is not deleted has this serial number.
func (h *hand) used(serial string) bool {
	return slices.ContainsFunc(h.phones, func(p *phone) bool { return p.serial == serial && !p.deleted })
}

// enrolled changes the model by an enrollment.
func (h *hand) enrolled(p *phone, i *inv, c call, id string, a *answer, s *snapshot) error {
	device, token := "", ""
	if a != nil {
		var got struct {
			DeviceID    string `json:"device_id"`
			DeviceToken string `json:"device_token"`
		}
		if err := a.decode(&got); err != nil {
			return err
		}
		device, token = got.DeviceID, got.DeviceToken
	} else {
		device = s.enrolled[i.person.user+"/"+id]
	}
	known := p.id != ""
	if known && device != p.id {
		return fmt.Errorf("hardware %s was %s and is %s", p.serial, p.id, device)
	}
	if !known {
		if slices.ContainsFunc(h.phones, func(o *phone) bool { return o.id == device }) {
			return fmt.Errorf("new hardware got the row of %s", device)
		}
		h.phones = append(h.phones, p)
	}
	if h.placeOf(p) != i {
		i.enrolled++
	}
	p.id, p.inv, p.enrollment, p.enrollmentID = device, i, c, id
	p.old, p.token = p.token, token
	p.generation++
	p.state, p.seq, p.facts, p.ever = "pending", 0, map[string]bool{}, false
	i.state = "opened"
	if i.maxDevices > 0 && i.enrolled >= i.maxDevices {
		i.state, i.reason = "deactivated", "exhausted"
	}
	return nil
}

// placeOf is the invitation on which a phone holds a place: its own, or that of
// the deleted one of the same hardware.
func (h *hand) placeOf(p *phone) *inv {
	if p.inv != nil {
		return p.inv
	}
	for _, gone := range slices.Backward(h.phones) {
		if gone != p && gone.serial == p.serial {
			return gone.inv
		}
	}
	return nil
}

// sameDevice compares an answer to an enrollment with the model.
func (h *hand) sameDevice(p *phone, a *answer) error {
	var got struct {
		DeviceID    string `json:"device_id"`
		DeviceToken string `json:"device_token"`
		State       string
		Seq         int64
	}
	if err := a.decode(&got); err != nil {
		return err
	}
	if p.token == "" {
		p.token = got.DeviceToken // of an enrollment that was not answered before
	}
	if got.DeviceID != p.id || got.DeviceToken != p.token || got.State != p.state || got.Seq != p.seq+1 {
		return fmt.Errorf("device %s, same token %t, state %s, seq %d; want %s, %s, %d",
			got.DeviceID, got.DeviceToken == p.token, got.State, got.Seq, p.id, p.state, p.seq+1)
	}
	return nil
}

// enrollAgain repeats an enrollment that was answered, its invitation active or
// not.
func (h *hand) enrollAgain(p *phone) *op {
	return &op{
		name: "repeat enroll", about: p.enrollmentID, call: p.enrollment, want: []int{200},
		agree: func(a *answer) error { return h.sameDevice(p, a) },
	}
}

// enrollByDead tries an invitation whose end was acknowledged.
func (h *hand) enrollByDead(i *inv) *op {
	return &op{
		name: "enroll by dead link", about: i.id, want: []int{410},
		call: h.enrollment(object{"type": "token", "token": i.token}, h.fresh("dead"), h.fresh("DEADSN")),
	}
}

func (h *hand) device(p *phone, verb string, body any) call {
	return call{method: "POST", path: "/device/v1/" + verb, token: p.token, body: body}
}

// report is the next step of a phone: most of them get complete, some lose
// something again.
func (h *hand) report(p *phone) *op {
	facts := map[string]bool{}
	for _, f := range []string{"agent_installed", "work_profile", "permissions"} {
		if h.rng.IntN(2) == 0 {
			facts[f] = h.rng.IntN(6) != 0
		}
	}
	seq := p.seq + 1
	body := object{"seq": seq, "facts": facts}
	inventory := h.rng.IntN(2) == 0
	if inventory {
		body["inventory"] = object{"round": seq}
	}
	return &op{
		name: "report", about: p.id, want: []int{200}, again: []int{200}, call: h.device(p, "report", body),
		apply: func(*answer, *snapshot) error {
			p.seq = seq
			for f, v := range facts {
				p.facts[f] = v
			}
			if inventory {
				p.facts["inventory_received"] = true
			}
			if p.state == "leaving" {
				return nil
			}
			full := p.facts["agent_installed"] && p.facts["work_profile"] && p.facts["permissions"] && p.facts["inventory_received"]
			switch {
			case full:
				p.state, p.ever = "active", true
			case p.ever:
				p.state = "impaired"
			}
			return nil
		},
		agree: func(a *answer) error { return h.sameStatus(p, a) },
		found: func(s *snapshot) bool { return s.devices[p.id].seq == seq },
	}
}

// reportStale repeats the latest number with the contrary.
func (h *hand) reportStale(p *phone) *op {
	facts := map[string]bool{}
	for f, v := range p.facts {
		if f != "inventory_received" {
			facts[f] = !v
		}
	}
	o := &op{
		name: "stale report", about: p.id, want: []int{200}, call: h.device(p, "report", object{"seq": p.seq, "facts": facts}),
		agree: func(a *answer) error { return h.sameStatus(p, a) },
	}
	if p.seq == 0 {
		return h.report(p)
	}
	return o
}

func (h *hand) sameStatus(p *phone, a *answer) error {
	var got struct {
		State string
		Seq   int64
	}
	if err := a.decode(&got); err != nil {
		return err
	}
	if got.State != p.state || got.Seq != p.seq+1 {
		return fmt.Errorf("%s, seq %d; want %s, %d", got.State, got.Seq, p.state, p.seq+1)
	}
	return nil
}

func (h *hand) checkIn(p *phone) *op {
	seq := p.seq + 1
	return &op{
		name: "check in", about: p.id, want: []int{204}, again: []int{204}, call: h.device(p, "checkin", object{"seq": seq}),
		apply: func(*answer, *snapshot) error { p.seq = seq; return nil },
		found: func(s *snapshot) bool { return s.devices[p.id].seq == seq },
	}
}

func (h *hand) unenroll(p *phone) *op {
	return &op{
		name: "unenroll", about: p.id, want: []int{204}, again: []int{204}, call: h.device(p, "unenroll", nil),
		apply: func(*answer, *snapshot) error { p.state = "unenrolled"; return nil },
		found: func(s *snapshot) bool { return s.devices[p.id].state == "unenrolled" },
	}
}

func (h *hand) remove(p *phone) *op {
	return &op{
		name: "remove", about: p.id, want: []int{200}, again: []int{200}, call: h.admin("POST", "/devices/"+p.id+"/remove", nil),
		apply: func(*answer, *snapshot) error { p.state = "leaving"; return nil },
		found: func(s *snapshot) bool { return s.devices[p.id].state == "leaving" },
	}
}

func (h *hand) forget(p *phone) *op {
	return &op{
		name: "delete", about: p.id, want: []int{204}, again: []int{204}, call: h.admin("DELETE", "/devices/"+p.id, nil),
		apply: func(*answer, *snapshot) error { p.deleted, p.state = true, "unenrolled"; return nil },
		found: func(s *snapshot) bool { return s.devices[p.id].deleted },
	}
}

// knock speaks with a token that is not good any more.
func (h *hand) knock(p *phone) *op {
	o := &op{name: "dead device token", about: p.id, call: h.device(p, "checkin", object{}), want: []int{410}}
	if !p.deleted {
		o.call.token, o.want = p.old, []int{401}
	}
	return o
}

// inviteShared invites somebody whom others invite at the same time.
func (h *hand) inviteShared() *op {
	h.office.mu.Lock()
	users := make([]string, 0, len(h.office.shared))
	for user := range h.office.shared {
		users = append(users, user)
	}
	h.office.mu.Unlock()
	slices.Sort(users)
	user, key := users[h.rng.IntN(len(users))], h.fresh("shared")
	var first []result
	o := &op{
		name: "invite shared", about: key, want: []int{201}, again: []int{201},
		call: h.admin("POST", "/invitations", object{"users": []object{{"user_id": user}}, "deliver": "none"}),
		apply: func(a *answer, s *snapshot) (err error) {
			if first, err = h.results(key, a, s); err != nil {
				return err
			}
			if len(first) != 1 || first[0].Invitation == "" || first[0].Error != "" {
				return fmt.Errorf("results %+v", first)
			}
			h.office.mu.Lock()
			defer h.office.mu.Unlock()
			h.office.shared[user][first[0].Invitation] = first[0].Replaced
			return nil
		},
		agree: func(a *answer) error {
			list, err := h.results(key, a, nil)
			if err == nil && !slices.Equal(list, first) {
				err = fmt.Errorf("another answer to the same key: %v, before %v", list, first)
			}
			return err
		},
		found: func(s *snapshot) bool { return len(s.kept[h.office.id+"/"+key]) > 0 },
	}
	o.call.key = key
	return o
}

// guessShared tries a wrong PIN that others try at the same time.
func (h *hand) guessShared() *op {
	count := func(n *int) {
		h.office.mu.Lock()
		defer h.office.mu.Unlock()
		*n++
	}
	return &op{
		name: "wrong PIN shared", about: h.office.target, want: []int{401}, once: true,
		call:  h.enrollment(object{"type": "pin", "email": h.office.targetEmail, "pin": fmt.Sprintf("%012d", h.rng.Int64N(1e12))}, h.fresh("guess"), "none"),
		apply: func(*answer, *snapshot) error { count(&h.office.sure); return nil },
		found: func(*snapshot) bool { count(&h.office.maybe); return false },
	}
}
