package simulate

import (
	"math/rand/v2"
	"time"
)

// script writes the acts of one person.
type script struct {
	rng      *rand.Rand
	devices  []Device
	device   int // that the acts are about
	wait     time.Duration
	acts     []Act
	mistypes *int // how many wrong PINs the whole plan may still cost
}

// after is the time before the next act.
func (s *script) after(low, high time.Duration) *script {
	s.wait += low + time.Duration(s.rng.Int64N(int64(high-low)+1))
	return s
}

// do adds an act.
func (s *script) do(v Verb, with ...string) {
	a := Act{After: s.wait.Round(time.Second), Do: v, Device: s.device}
	if len(with) > 0 {
		a.With = with[0]
	}
	s.acts, s.wait = append(s.acts, a), 0
}

// maybe plays a part of a story in so many percent of the cases. It draws in
// any case.
func (s *script) maybe(percent int, part func()) {
	if s.rng.IntN(100) < percent {
		part()
	}
}

// arrive opens the page and accepts.
func (s *script) arrive() {
	s.after(minutes(1), hours(8)).do(Open)
	s.after(seconds(5), minutes(2)).do(Accept)
}

// enroll installs the agent and enrolls. Answers get lost.
func (s *script) enroll(by string) {
	s.after(minutes(1), minutes(10)).do(Enroll, by)
	s.maybe(25, func() { s.after(seconds(1), seconds(30)).do(RepeatEnroll) })
}

// complete proves what is missing. Networks repeat and reorder.
func (s *script) complete() {
	s.maybe(40, func() { s.after(seconds(20), minutes(2)).do(ReportOne) })
	s.maybe(25, func() { s.after(seconds(1), seconds(30)).do(Repeat) })
	s.after(seconds(20), minutes(5)).do(Finish)
	s.maybe(25, func() { s.after(seconds(1), seconds(30)).do(Late) })
	s.maybe(50, func() { s.after(hours(1), hours(8)).do(CheckIn) })
}

// live is a few ordinary hours.
func (s *script) live() {
	for range 1 + s.rng.IntN(3) {
		s.after(hours(1), hours(8)).do(CheckIn)
	}
}

// mistype spends wrong PINs as long as the plan has some. All of them together
// stay below what one source network is allowed, and one person's below what
// one address is.
func (s *script) mistype() {
	for range s.rng.IntN(3) {
		if s.rng.IntN(3) == 0 {
			s.after(seconds(5), seconds(40)).do(MistypePIN, "short")
			continue
		}
		if *s.mistypes > 0 {
			*s.mistypes--
			s.after(seconds(5), seconds(40)).do(MistypePIN, "digit")
		}
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }
func hours(n int) time.Duration   { return time.Duration(n) * time.Hour }
func days(n int) time.Duration    { return hours(24 * n) }
