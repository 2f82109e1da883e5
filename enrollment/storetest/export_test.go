package storetest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"time"

	"example.com/enrollkit/enrollment"
)

// Broken checks one rule against s and returns what is said to be wrong.
func Broken(ctx context.Context, name string, s enrollment.Storage) []string {
	for _, g := range groups() {
		for _, r := range g.rules {
			if g.name+"/"+r.name == name {
				rec := &recorder{ctx: ctx}
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() {
						if p := recover(); p != nil {
							rec.Errorf("panic: %v", p)
						}
					}()
					r.check(rec, s)
				}()
				<-done
				return rec.said
			}
		}
	}
	return nil
}

// Own lists the names of the groups that RunInTransaction leaves out.
func Own() (names []string) {
	for _, g := range groups() {
		if g.own {
			names = append(names, g.name)
		}
	}
	return names
}

// ZeroFields names the fields that are zero in the rows that are to have none.
func ZeroFields() (names []string) {
	for _, row := range []any{
		userRows.row("s", "i"), invitationRows.row("s", "i"), credentialRows.row("s", "i"), sightingRows.row("s", "i"), deviceRows.row("s", "i"),
		contactRows.row("s", "i"), slotRows.row("s", "i"), eventRows.row("s", "i"), messageRows.row("s", "i"), recordRows.row("s", "i"),
	} {
		names = append(names, zeroFields(reflect.ValueOf(row), fmt.Sprintf("%T", row))...)
	}
	return names
}

func zeroFields(v reflect.Value, path string) (names []string) {
	if _, ok := v.Interface().(time.Time); ok || v.Kind() != reflect.Struct {
		if v.IsZero() {
			names = append(names, path)
		}
		return names
	}
	for i := range v.NumField() {
		names = append(names, zeroFields(v.Field(i), path+"."+v.Type().Field(i).Name)...)
	}
	return names
}

// recorder is a tb that keeps what it is told.
type recorder struct {
	ctx  context.Context
	said []string
}

func (*recorder) Helper()                    {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Errorf(format string, a ...any) {
	r.said = append(r.said, fmt.Sprintf(format, a...))
}
func (r *recorder) Fatalf(format string, a ...any) { r.Errorf(format, a...); runtime.Goexit() }
