//go:build fault

package main

import (
	"context"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/mailer"
)

// point is a place at which the node can die.
type point string

const (
	beforeBegin  point = "before-begin"
	afterBegin   point = "after-begin"
	atStatement  point = "statement" // before each one in a transaction
	beforeCommit point = "before-commit"
	afterCommit  point = "after-commit" // and before anybody is told
	afterSpend   point = "after-spend"  // a try is booked and not yet compared
	afterTry     point = "after-try"    // it is compared and nobody is told
	beforeSend   point = "before-send"  // a mail is rendered
	afterSend    point = "after-send"   // it was taken, and that is not noted
)

var pointNames = map[point]bool{
	beforeBegin: true, afterBegin: true, atStatement: true, beforeCommit: true, afterCommit: true,
	afterSpend: true, afterTry: true, beforeSend: true, afterSend: true,
}

// failpoints is the one point that is armed. The zero value is none.
type failpoints struct {
	name point
	at   int64
	hits atomic.Int64
}

// hit kills the node, with all that it has under way, if it is time.
func (f *failpoints) hit(p point) {
	if f.name != p || f.hits.Add(1) != f.at {
		return
	}
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // it takes the kernel a moment
}

// failingStorage has the point between a try that is booked and its comparison.
type failingStorage struct {
	enrollment.Storage
	points *failpoints
}

func (s failingStorage) Spend(ctx context.Context, now time.Time, gate []credentials.Limit, groups ...[]credentials.Limit) (enrollment.Spent, error) {
	spent, err := s.Storage.Spend(ctx, now, gate, groups...)
	s.points.hit(afterSpend)
	return spent, err
}

// failingSender has the points around a mail's hand-over.
type failingSender struct {
	mailer.Sender
	points *failpoints
}

func (s failingSender) Send(ctx context.Context, m mailer.Message) error {
	s.points.hit(beforeSend)
	err := s.Sender.Send(ctx, m)
	if err == nil {
		s.points.hit(afterSend)
	}
	return err
}
