package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report prints tables as it goes and keeps what is said of the targets.
type report struct {
	out      io.Writer
	verdicts []verdict
}

// verdict is one target beside what was reached.
type verdict struct {
	number                int // in the list of targets
	what, target, reached string
	met                   bool
}

func (r *report) judge(number int, what, target, reached string, met bool) {
	r.verdicts = append(r.verdicts, verdict{number, what, target, reached, met})
}

// table prints a table in Markdown.
func (r *report) table(title string, head []string, rows [][]string) {
	fmt.Fprintf(r.out, "\n### %s\n\n%s\n%s\n", title, line(head), "|"+strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintln(r.out, line(row))
	}
}

func line(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }

// targets prints all verdicts, and returns how many were missed.
func (r *report) targets() (missed int) {
	var rows [][]string
	for _, v := range r.verdicts {
		answer := "yes"
		if !v.met {
			answer = "NO"
			missed++
		}
		rows = append(rows, []string{fmt.Sprint(v.number), v.what, v.target, v.reached, answer})
	}
	r.table("Targets", []string{"#", "what", "target", "reached", "met"}, rows)
	return missed
}

// times writes a ratio.
func times(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// ms writes a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1e3) }
