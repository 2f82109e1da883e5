package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"example.com/enrollkit/enrollment"
)

// unit is what runs in a unit of work.
type unit = func(ctx context.Context, tx enrollment.Tx) error

// reading is a unit that has an answer.
type reading[T any] = func(ctx context.Context, tx enrollment.Tx) (T, error)

var errBoom = errors.New("storetest: boom")

// all runs units one after another in one.
func all(list ...unit) unit {
	return func(ctx context.Context, tx enrollment.Tx) error {
		for _, fn := range list {
			if err := fn(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	}
}

// do runs a unit that has to be committed.
func do(t tb, s enrollment.Storage, list ...unit) {
	t.Helper()
	if err := s.Update(t.Context(), all(list...)); err != nil {
		t.Fatalf("the unit failed: %v", err)
	}
}

// fails runs a unit that has to fail: with want, or with any error if that is nil.
func fails(t tb, s enrollment.Storage, want error, list ...unit) {
	t.Helper()
	err := s.Update(t.Context(), all(list...))
	switch {
	case err == nil:
		t.Fatalf("the unit was committed, want an error: %v", orAny(want))
	case want != nil && !errors.Is(err, want):
		t.Fatalf("the unit failed with: %v\n\twant an error wrapping: %v", err, want)
	}
}

func orAny(err error) string {
	if err == nil {
		return "any"
	}
	return err.Error()
}

// see reads what has to be there.
func see[T any](t tb, s enrollment.Storage, fn reading[T]) T {
	t.Helper()
	var got T
	err := s.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) (err error) {
		got, err = fn(ctx, tx)
		return err
	})
	if err != nil {
		t.Fatalf("reading failed: %v", err)
	}
	return got
}

// take writes and reads in one unit that has to be committed.
func take[T any](t tb, s enrollment.Storage, fn reading[T]) T {
	t.Helper()
	var got T
	do(t, s, func(ctx context.Context, tx enrollment.Tx) (err error) {
		got, err = fn(ctx, tx)
		return err
	})
	return got
}

// misses reads what must not be there.
func misses[T any](t tb, s enrollment.Storage, what string, fn reading[T]) {
	t.Helper()
	err := s.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		_, err := fn(ctx, tx)
		return err
	})
	if !errors.Is(err, enrollment.ErrNotFound) {
		t.Fatalf("%s: got error %v, want one wrapping %q", what, err, enrollment.ErrNotFound)
	}
}

// optional reads what may not be there: the zero value.
func optional[T any](v T, err error) (T, error) {
	if errors.Is(err, enrollment.ErrNotFound) {
		var zero T
		return zero, nil
	}
	return v, err
}

// same compares what a store returned. Nil and empty lists are the same.
func same(t tb, what string, got, want any) {
	t.Helper()
	if d := diff("", reflect.ValueOf(got), reflect.ValueOf(want)); d != "" {
		t.Fatalf("%s:%s", what, d)
	}
}

// diff returns the first difference, or "".
func diff(path string, got, want reflect.Value) string {
	if !got.IsValid() || !want.IsValid() || got.Type() != want.Type() {
		if got.IsValid() != want.IsValid() || got.IsValid() {
			return fmt.Sprintf("%s is %v, want %v", path, got, want)
		}
		return ""
	}
	differs := fmt.Sprintf("%s is %v, want %v", path, got, want)
	switch got.Kind() {
	case reflect.Interface, reflect.Pointer:
		return diff(path, got.Elem(), want.Elem())
	case reflect.Struct:
		if g, ok := got.Interface().(time.Time); ok {
			w, _ := want.Interface().(time.Time)
			if !g.Equal(w) || g.Location() != time.UTC {
				return differs
			}
			return ""
		}
		for i := range got.NumField() {
			if f := got.Type().Field(i); f.IsExported() {
				if d := diff(path+"."+f.Name, got.Field(i), want.Field(i)); d != "" {
					return d
				}
			}
		}
	case reflect.Slice:
		if got.Len() != want.Len() {
			return fmt.Sprintf("%s has %d elements, want %d: %v, want %v", path, got.Len(), want.Len(), got, want)
		}
		for i := range got.Len() {
			if d := diff(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i)); d != "" {
				return d
			}
		}
	case reflect.Map:
		if got.Len() != want.Len() {
			return differs
		}
		for it := want.MapRange(); it.Next(); {
			e := got.MapIndex(it.Key())
			if !e.IsValid() {
				return differs
			}
			if d := diff(fmt.Sprintf("%s[%v]", path, it.Key()), e, it.Value()); d != "" {
				return d
			}
		}
	default:
		if !got.Equal(want) {
			if got.Kind() == reflect.String {
				return fmt.Sprintf("%s is %q, want %q", path, got, want)
			}
			return differs
		}
	}
	return ""
}

// together runs fn n times at once and returns what each returned.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// allNil says which of several callers failed.
func allNil(t tb, errs []error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("caller %d of %d failed: %v", i+1, len(errs), err)
		}
	}
}

// ids projects rows to what names them, for comparing orders.
func ids[T any](list []T, id func(T) string) []string {
	names := make([]string, len(list))
	for i, row := range list {
		names[i] = id(row)
	}
	return names
}
