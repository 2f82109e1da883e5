package memstore

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

var errText = errors.New("memstore: text is not UTF-8 or holds a NUL byte")

// taken returns v as it is stored: a copy that shares nothing with v, whose
// times are in UTC and cut to microseconds. Text that not every store could
// keep is an error.
func taken[T any](v T) (T, error) {
	err := settle(reflect.ValueOf(&v).Elem())
	return v, err
}

// given returns a copy of what is stored.
func given[T any](v T) T {
	v, _ = taken(v) // it was taken before, so it is no error
	return v
}

// settle makes the addressable v, a copy at its first level, one at all levels.
func settle(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		return checkText(v.String())
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*time.Time); ok {
			*t = micros(*t)
			return nil
		}
		for i := range v.NumField() {
			if !v.Field(i).CanSet() {
				continue // unexported: not ours to look into
			}
			if err := settle(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(bytes.Clone(v.Bytes()))
			return nil
		}
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		v.Set(list)
		for i := range v.Len() {
			if err := settle(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		m := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			k, e := settable(it.Key()), settable(it.Value())
			if err := settle(k); err != nil {
				return err
			}
			if err := settle(e); err != nil {
				return err
			}
			m.SetMapIndex(k, e)
		}
		v.Set(m)
	}
	return nil
}

func settable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

func checkText(s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return errText
	}
	return nil
}

// micros returns t as a store keeps it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// first returns at most n elements of list.
func first[T any](list []T, n int) []T { return list[:min(max(n, 0), len(list))] }

// atMost is first, but 0 means all.
func atMost[T any](list []T, n int) []T {
	if n <= 0 {
		return list
	}
	return first(list, n)
}
