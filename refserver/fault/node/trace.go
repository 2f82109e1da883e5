//go:build fault

package main

import (
	"context"
	"fmt"
	"os"

	"example.com/enrollkit/enrollment"
)

// trace writes down each try that was compared, in the moment in which it is
// known, so that what the node knew outlives it.
type trace struct {
	out    *os.File // nil: nothing is written
	points *failpoints
}

func openTrace(path string, points *failpoints) (*trace, error) {
	if path == "" {
		return &trace{points: points}, nil
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &trace{out, points}, err
}

// observe is the Service's Observer.
func (t *trace) observe(_ context.Context, s enrollment.Signal) {
	compared := s.Outcome == enrollment.TryWrong || s.Outcome == enrollment.TryRight
	if s.Kind != enrollment.SignalTry || !compared {
		return
	}
	if t.out != nil {
		// One write, so that lines of several nodes do not mix.
		if _, err := fmt.Fprintf(t.out, "%s %s %s\n", s.Name, s.Site, s.Outcome); err != nil {
			panic(err) // the suite would count wrongly
		}
	}
	t.points.hit(afterTry)
}
