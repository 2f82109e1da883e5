//go:build fault

package fault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/refserver/fault/sink"
)

// figures are one row of the report: what one fault did in this run.
type figures struct {
	fault      string
	cycles     int
	acked      int // writes that were acknowledged
	unknown    int // requests without an answer
	happened   int // of them, that had happened
	wrong      int // lost, twice, or by half
	events     int // of the journal
	mails      int // that came
	repeated   int // that came more than once, beyond the first time
	recoveries []time.Duration
	notes      []string
}

// report is the rows of this run, in the order in which they began.
var report []*figures

func init() {
	atEnd = append(atEnd, func() error {
		if len(report) > 0 {
			fmt.Println("\nFigures of this run:")
		}
		for _, r := range report {
			fmt.Println(r)
		}
		return nil
	})
}

func rowOf(fault string) *figures {
	for _, r := range report {
		if r.fault == fault {
			return r
		}
	}
	r := &figures{fault: fault}
	report = append(report, r)
	return r
}

func (f *figures) recovered(d time.Duration) { f.recoveries = append(f.recoveries, d) }

func (f *figures) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *figures) looked(*world, *snapshot, []sink.Mail) { f.cycles++ }

// done adds up a world that has come to its end.
func (f *figures) done(w *world, s *snapshot) {
	h := w.history
	f.acked += h.count[acknowledged]
	f.unknown += h.count[unknown]
	f.happened += h.found
	f.events += s.journal
	if w.sink == nil {
		return
	}
	seen := map[string]bool{}
	for _, m := range w.sink.Mails() {
		f.mails++
		if seen[m.ID] {
			f.repeated++
		}
		seen[m.ID] = true
	}
}

func (f *figures) median() time.Duration {
	if len(f.recoveries) == 0 {
		return 0
	}
	list := slices.Sorted(slices.Values(f.recoveries))
	return list[len(list)/2].Round(time.Millisecond)
}

func (f *figures) String() string {
	line := fmt.Sprintf("%-34s %4d cycles, %6d acknowledged, %4d unknown (%d had happened), %d lost or twice, %6d events, %5d mails (%d repeated)",
		f.fault, f.cycles, f.acked, f.unknown, f.happened, f.wrong, f.events, f.mails, f.repeated)
	if m := f.median(); m > 0 {
		line += fmt.Sprintf(", back after %v (median of %d)", m, len(f.recoveries))
	}
	return strings.Join(append([]string{line}, f.notes...), "; ")
}
