package simulate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// simulation is one run.
type simulation struct {
	*client
	o        Options
	admin    *admin
	origin   string // of the server
	players  []*player
	hasUsers atomic.Bool // the server has a directory to add people to
}

// Run plays a whole plan and returns what came of it. Its error says that the
// playing did not begin: options that make no sense, or a server that does not
// invite. If ctx ends, Run returns the report so far without an error.
func Run(ctx context.Context, o Options) (Report, error) {
	began := time.Now()
	o, err := o.withDefaults()
	if err != nil {
		return Report{}, err
	}
	plan := NewPlan(o.Seed, o.Devices, o.Label)
	report := Report{Seed: o.Seed, People: len(plan.People), Devices: plan.Devices(), Stories: map[string]int{}}
	for _, person := range plan.People {
		report.Stories[person.Story]++
	}
	s := newSimulation(o, plan)
	fmt.Fprintf(o.Progress, "simulate: %d people, %d devices, seed %d; the longest story takes %v, here %v\n",
		report.People, report.Devices, o.Seed, plan.Length().Round(time.Minute), o.real(plan.Length()).Round(time.Second))

	playing, stop := context.WithCancel(ctx)
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { s.narrate(playing) })
	err = s.run(playing, began, &report)
	report.Interrupted = ctx.Err() != nil
	stop()
	background.Wait()

	s.tally.fill(&report)
	report.States = s.states()
	report.Took = time.Since(began)
	switch {
	case report.Interrupted:
		return report, nil
	case errors.Is(err, errStopped) && !report.OK():
		return report, nil // it is in the report
	}
	return report, err
}

func newSimulation(o Options, plan Plan) *simulation {
	t := newTally(func(u Unexpected) {
		o.Logger.Warn("not foreseen", "where", u.Where, "what", u.What, "want", u.Want, "got", u.Got)
	})
	c := &client{http: o.Client, slots: make(chan struct{}, o.Concurrency), patience: o.Patience, tally: t}
	s := &simulation{
		client: c, o: o, origin: originOf(o.BaseURL),
		admin: &admin{client: c, base: o.BaseURL, token: o.AdminToken},
	}
	for _, person := range plan.People {
		s.players = append(s.players, newPlayer(s, person))
	}
	return s
}

// run invites, plays and compares.
func (s *simulation) run(ctx context.Context, began time.Time, report *Report) error {
	if err := s.setup(ctx); err != nil {
		return err
	}
	until := began.Add(s.o.For)
	if s.o.For == UntilCancelled {
		until = time.Time{}
	}
	var everybody sync.WaitGroup
	for _, p := range s.players {
		everybody.Go(func() { s.follow(ctx, p, until) })
	}
	everybody.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	n, err := s.verify(ctx)
	report.Verified = n
	return err
}

// follow plays one person from the first act to the end of the run.
func (s *simulation) follow(ctx context.Context, p *player, until time.Time) {
	switch err := p.play(ctx); {
	case errors.Is(err, errStopped):
		p.lost = true
		s.tally.count("stories broken off")
	case err != nil:
		return
	case s.o.For != 0:
		if err := p.liveOn(ctx, until); errors.Is(err, errStopped) {
			p.lost = true
			s.tally.count("stories broken off")
		}
	}
}

// narrate writes a line of progress now and then.
func (s *simulation) narrate(ctx context.Context) {
	const every = 10 * time.Second
	for sleep(ctx, every) == nil {
		s.tally.mu.Lock()
		requests, surprises := s.tally.requests, len(s.tally.surprises)
		accepted, reports := s.tally.events["invitations accepted"], s.tally.events["reports"]
		s.tally.mu.Unlock()
		fmt.Fprintf(s.o.Progress, "simulate: %d requests, %d invitations accepted, %d reports, %d kinds of surprises\n",
			requests, accepted, reports, surprises)
	}
}

// states counts the devices by the state they are expected to be in. It is
// called when nobody plays any more.
func (s *simulation) states() map[string]int {
	counts := map[string]int{}
	for _, p := range s.players {
		for _, a := range p.agents {
			switch {
			case a.state == "":
				counts["none"]++
			case a.silent:
				counts[string(a.state)+", silent"]++
			default:
				counts[string(a.state)]++
			}
		}
	}
	return counts
}
