// Command bench holds the store and the Service against hand-written programs
// that do the least for the same duty on the same tables (package floor), side by
// side: rounds take turns in one process on one database, and what is printed are
// medians and their ratios. Absolute figures depend on the machine and on who
// else uses it; ratios are what the targets are about.
//
// It starts a throw-away PostgreSQL, or uses ENROLLKIT_TEST_POSTGRES, which has
// to name an empty database.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	report
	pace    pace
	systems []string
	clients []int
	sizes   []int // of the list
	bulk    int   // invitations
	fleet   time.Duration
	verbs   string
}

// part is one chapter of the run.
type part struct {
	name, about string
	run         func(b *bench, ctx context.Context) error
}

var parts = []part{
	{"verbs", "the five duties against the floor, at several concurrencies", (*bench).runVerbs},
	{"list", "pages of the list by its size, counts, OFFSET", (*bench).runList},
	{"bulk", "many invitations at once against COPY", (*bench).runBulk},
	{"touch", "signs of life, a thousand in one call against one each", (*bench).runTouch},
	{"group", "SQLite: group commit against one transaction each", (*bench).runGroup},
	{"secrets", "credentials, checks and QR codes", (*bench).runSecrets},
	{"fleet", "444 check-ins a second: bloat, WAL, CPU of PostgreSQL", (*bench).runFleet},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	b := &bench{report: report{out: os.Stdout}, clients: []int{1, 8, 32}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("parts", "", "comma-separated parts; default: all of "+names(parts))
	long := flags.Bool("long", false, "the long profile: 1.2 million slots, ten minutes of check-ins, longer rounds")
	flags.StringVar(&b.verbs, "verbs", "", "comma-separated duties of the part verbs; default: all")
	list := flags.String("systems", strings.Join(systems, ","), "databases")
	flags.DurationVar(&b.pace.round, "round", 300*time.Millisecond, "length of a round, about")
	flags.IntVar(&b.pace.rounds, "rounds", 3, "rounds of each way, of which the median counts")
	flags.IntVar(&b.bulk, "bulk", 100_000, "invitations of the part bulk")
	flags.DurationVar(&b.fleet, "fleet", 20*time.Second, "length of the part fleet")
	profile := flags.String("cpuprofile", "", "file for a CPU profile of this process")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	b.pace.most, b.sizes, b.systems = 5000, []int{1000, 100_000}, strings.Split(*list, ",")
	if *long {
		b.sizes, b.fleet, b.pace = append(b.sizes, 1_200_000), 10*time.Minute, pace{7, 2 * time.Second, 20_000}
	}
	for _, s := range b.systems {
		if !slices.Contains(systems, s) {
			return fmt.Errorf("no database %q", s)
		}
	}
	for _, name := range strings.Split(*only, ",") {
		if name != "" && !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("no part %q", name)
		}
	}
	for _, p := range parts {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), p.name) {
			continue
		}
		fmt.Fprintf(b.out, "\n## %s: %s\n", p.name, p.about)
		began := time.Now()
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(b.out, "\n(%s)\n", time.Since(began).Round(time.Second))
	}
	missed := b.targets()
	fmt.Fprintf(b.out, "\n%d of %d targets missed\n", missed, len(b.verdicts))
	return nil
}

func names(list []part) string {
	var all []string
	for _, p := range list {
		all = append(all, p.name)
	}
	return strings.Join(all, ",")
}

// on runs fn in a new world.
func (b *bench) on(ctx context.Context, system string, fn func(w *world) error) (err error) {
	w, err := open(ctx, system, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	return fn(w)
}
