package storetest

import (
	"context"
	"errors"
	"reflect"

	"example.com/enrollkit/enrollment"
)

// trace is a way of writing in one group, and of reading all that it may leave,
// for the rules on what does not happen.
type trace struct {
	spend func(t tb, s enrollment.Storage) // what has to be there, where a unit cannot put it
	seed  unit                             // what has to be there
	write unit                             // changes it, adds to it and uses what it frees
	read  reading[any]
}

func (tr trace) rules() []rule {
	return []rule{
		{"roll back on an error", "An error of fn is passed on, and what fn wrote is not there.", func(t tb, s enrollment.Storage) {
			tr.undone(t, s, func() {
				err := s.Update(t.Context(), all(tr.write, func(context.Context, enrollment.Tx) error { return errBoom }))
				if !errors.Is(err, errBoom) {
					t.Fatalf("Update returned %v, want the error of fn", err)
				}
			})
		}},
		{"roll back on a panic", "A panic of fn is passed on, and what fn wrote is not there.", func(t tb, s enrollment.Storage) {
			tr.undone(t, s, func() {
				defer func() {
					if got := recover(); got != any(errBoom) {
						t.Fatalf("Update panicked with %v, want the panic of fn", got)
					}
				}()
				err := s.Update(t.Context(), all(tr.write, func(context.Context, enrollment.Tx) error { panic(errBoom) }))
				t.Fatalf("Update returned %v, want the panic of fn", err)
			})
		}},
		{"roll back on a cancelled context", "A unit whose context ends before it is committed returns the context's error and leaves nothing.", func(t tb, s enrollment.Storage) {
			tr.undone(t, s, func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := s.Update(ctx, all(tr.write, func(context.Context, enrollment.Tx) error { cancel(); return nil }))
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("Update returned %v, want %v", err, context.Canceled)
				}
			})
		}},
	}
}

// undone runs what must leave nothing, and then the same for good, to see that
// nothing is in its way and that it would have left something.
func (tr trace) undone(t tb, s enrollment.Storage, fn func()) {
	t.Helper()
	if tr.spend != nil {
		tr.spend(t, s)
	}
	do(t, s, tr.seed)
	before := see(t, s, tr.read)
	fn()
	same(t, "after the unit that failed, the group", see(t, s, tr.read), before)
	do(t, s, tr.write)
	after := see(t, s, tr.read)
	if diff("", reflect.ValueOf(after), reflect.ValueOf(before)) == "" {
		t.Fatalf("the unit was committed and left nothing")
	}
}
