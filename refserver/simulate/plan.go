package simulate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/device"
)

// Person is one person, what they have and what they will do.
type Person struct {
	N       int
	Name    string
	Email   string
	Story   string
	Invite  Invite
	Scanner *scanner   // in front of the mailbox; nil: none
	Desk    string     // User-Agent of the computer at work
	Source  netip.Addr // the network, as X-Forwarded-For says it
	Devices []Device
	Acts    []Act
}

// Plan is what everybody will do.
type Plan struct {
	Seed   uint64
	People []Person
}

// maxMistypes is how many wrong PINs a plan has: fewer than a server takes from
// one source network by default.
const maxMistypes = 6

// NewPlan plans so many devices. The same seed gives the same plan; label goes
// into addresses and hardware ids alone.
func NewPlan(seed uint64, devices int, label string) Plan {
	p := Plan{Seed: seed}
	mistypes := maxMistypes
	deck := &deck{rng: stream(seed, 0, "deck")}
	for devices > 0 {
		story := deck.draw(devices)
		person := newPerson(seed, len(p.People)+1, label, story, &mistypes)
		p.People = append(p.People, person)
		devices -= len(person.Devices)
	}
	return p
}

// deck holds every story as often as its weight says.
type deck struct {
	rng   *rand.Rand
	cards []Story
}

// draw takes the next story that is about at most so many devices.
func (d *deck) draw(devices int) Story {
	for {
		for i, card := range d.cards {
			if max(card.Devices, 1) <= devices {
				d.cards = slices.Delete(d.cards, i, i+1)
				return card
			}
		}
		for _, story := range Stories() {

			for range story.Weight {
				d.cards = append(d.cards, story)
			}
		}
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
}

// newPerson draws a person and writes the script.
func newPerson(seed uint64, n int, label string, story Story, mistypes *int) Person {
	rng := stream(seed, n, "person")
	who := names[rng.IntN(len(names))]
	p := Person{
		N: n, Name: who.first + " " + who.last, Story: story.Name, Invite: story.Invite,
		Email:  fmt.Sprintf("%s.%d@example.org", who.address, n),
		Desk:   desks[rng.IntN(len(desks))],
		Source: netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)}), // for benchmarks (RFC 2544)
	}
	if label != "" {
		p.Email = fmt.Sprintf("%s.%d.%s@example.org", who.address, n, label)
	}
	if rng.IntN(100) < 40 && !story.Invite.Unsent {
		p.Scanner = &scanners[rng.IntN(len(scanners))]
	}
	own := story.Invite.Ownership
	if own == "" {
		own = []device.Ownership{device.Personal, device.Company}[rng.IntN(2)]
	}
	ids := stream(seed, n, "hardware "+label)
	for range max(story.Devices, 1) {
		p.Devices = append(p.Devices, newDevice(rng, ids, drawKind(rng, story.Kinds), who, own))
	}
	s := &script{rng: rng, devices: p.Devices, mistypes: mistypes}
	if p.Scanner != nil {
		s.after(seconds(2), minutes(1)).do(Fetch, p.Scanner.name)
	}
	story.script(s)
	p.Acts = s.acts
	return p
}

// mode has the person's device ask for a mode.
func (s *script) mode(m device.Mode) { s.devices[s.device].Mode = m }

// drawKind draws a kind out of allowed, by the percentages of kinds.
func drawKind(rng *rand.Rand, allowed []kind) kind {
	total := 0
	for _, k := range kinds {
		if len(allowed) == 0 || slices.Contains(allowed, k.kind) {
			total += k.percent
		}
	}
	n := rng.IntN(total)
	for _, k := range kinds {
		if len(allowed) > 0 && !slices.Contains(allowed, k.kind) {
			continue
		}
		if n < k.percent {
			return k.kind
		}
		n -= k.percent
	}
	return kinds[0].kind
}

// Devices counts the devices of a plan.
func (p Plan) Devices() (n int) {
	for _, person := range p.People {
		n += len(person.Devices)
	}
	return n
}

// Length is how long the longest story takes, in the people's time.
func (p Plan) Length() (longest time.Duration) {
	for _, person := range p.People {
		var sum time.Duration
		for _, a := range person.Acts {
			sum += a.After
		}
		longest = max(longest, sum)
	}
	return longest
}

// String writes the plan for people to read; a test compares it.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d people, %d devices, %v\n", p.Seed, len(p.People), p.Devices(), p.Length())
	for _, person := range p.People {
		fmt.Fprintf(&b, "\n%d. %s <%s> %s\n", person.N, person.Name, person.Email, person.Story)
		for i, d := range person.Devices {
			fmt.Fprintf(&b, "   device %d: %s, %s %s, %s", i, d.Kind, d.Manufacturer, d.Model, d.Ownership)
			if d.Mode != "" {
				fmt.Fprintf(&b, ", %s", d.Mode)
			}
			fmt.Fprintf(&b, ", %s\n", d.Hardware.Identity(d.Manufacturer))
		}
		for _, a := range person.Acts {
			fmt.Fprintf(&b, "   +%-10v %s", a.After, a.Do)
			if a.With != "" {
				fmt.Fprintf(&b, " (%s)", a.With)
			}
			if len(person.Devices) > 1 {
				fmt.Fprintf(&b, " [%d]", a.Device)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
