package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/storetest"
)

func TestAStoreThatFailsNowhereKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) enrollment.Storage { return &storetest.Failing{Storage: memstore.New()} })
}

// Every method of every group is a call: a method that a group gains and that is
// not counted is found here.
func TestEveryMethodOfAUnitIsACallThatCanFail(t *testing.T) {
	txType := reflect.TypeFor[enrollment.Tx]()
	for i := range txType.NumMethod() {
		group := txType.Method(i)
		methods := group.Type.Out(0)
		for k := range methods.NumMethod() {
			name := group.Name + "." + methods.Method(k).Name
			s := &storetest.Failing{Storage: memstore.New(), At: 2} // after the beginning of the unit
			err := s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
				g := reflect.ValueOf(tx).MethodByName(group.Name).Call(nil)[0]
				method := g.MethodByName(methods.Method(k).Name)
				args := []reflect.Value{reflect.ValueOf(ctx)}
				for n := 1; n < method.Type().NumIn(); n++ {
					if method.Type().IsVariadic() && n == method.Type().NumIn()-1 {
						break
					}
					args = append(args, reflect.Zero(method.Type().In(n)))
				}
				out := method.Call(args)
				if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, storetest.ErrFailing) {
					t.Errorf("%s answered %v", name, err)
				}
				return nil // what hides the error does not hide that the unit is lost
			})
			if !errors.Is(err, storetest.ErrFailing) || !s.Failed() {
				t.Errorf("%s: the unit answered %v", name, err)
			}
		}
	}
}

func TestAFailingStoreFailsWhereItIsTold(t *testing.T) {
	put := func(s enrollment.Storage) error {
		return s.Update(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
			return tx.Users().Put(ctx, enrollment.User{Site: "a", ID: "b"})
		})
	}
	spend := func(s enrollment.Storage) error {
		_, err := s.Spend(t.Context(), time.Unix(1, 0), []credentials.Limit{{Key: "k", Max: 5}})
		return err
	}
	for _, c := range []struct {
		name   string
		s      *storetest.Failing
		do     func(enrollment.Storage) error
		fails  bool
		stored bool
	}{
		{"at the beginning", &storetest.Failing{At: 1}, put, true, false},
		{"at the method", &storetest.Failing{At: 2}, put, true, false},
		{"at the commit", &storetest.Failing{At: 3}, put, true, false},
		{"behind the last call", &storetest.Failing{At: 4}, put, false, true},
		{"after the commit", &storetest.Failing{At: 1, Late: true}, put, true, true},
		{"never", &storetest.Failing{}, put, false, true},
		{"before a Spend", &storetest.Failing{At: 1}, spend, true, false},
		{"after a Spend", &storetest.Failing{At: 1, Late: true}, spend, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			below := memstore.New()
			c.s.Storage = below
			err := c.do(c.s)
			if errors.Is(err, storetest.ErrFailing) != c.fails || c.s.Failed() != c.fails {
				t.Errorf("answered %v", err)
			}
			stored := false
			if err := below.View(t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
				_, missing := tx.Users().Get(ctx, "a", "b")
				counters, err := tx.Counters().Get(ctx, "k")
				stored = missing == nil || counters[0].N > 0
				return err
			}); err != nil || stored != c.stored {
				t.Errorf("stored: %v, %v", stored, err)
			}
		})
	}
	s := &storetest.Failing{Storage: memstore.New(), At: 2, Down: true}
	if first, second := put(s), put(s); first == nil || second == nil {
		t.Error("a store that is down came back")
	}
	s.Heal()
	if err := put(s); err != nil {
		t.Error(err)
	}
}

// Whatever call fails, the caller is told.
func ExampleFailing() {
	store := memstore.New()
	put := func(s enrollment.Storage) error {
		return s.Update(context.Background(), func(ctx context.Context, tx enrollment.Tx) error {
			return tx.Users().Put(ctx, enrollment.User{Site: "acme", ID: "ann"})
		})
	}
	for n := 1; ; n++ {
		s := &storetest.Failing{Storage: store, At: n}
		err := put(s)
		fmt.Println(n, errors.Is(err, storetest.ErrFailing))
		if !s.Failed() {
			break
		}
	}
	// Output:
	// 1 true
	// 2 true
	// 3 true
	// 4 false
}
