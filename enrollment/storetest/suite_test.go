package storetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/storetest"
)

func TestEveryRuleHasANameOfItsOwnAndASentence(t *testing.T) {
	names := map[string]bool{}
	for _, r := range storetest.Rules() {
		if names[r.Name] {
			t.Errorf("two rules are named %q", r.Name)
		}
		names[r.Name] = true
		if first := r.Says[:1]; !strings.HasSuffix(r.Says, ".") || first != strings.ToUpper(first) {
			t.Errorf("%s says %q, which is no sentence", r.Name, r.Says)
		}
	}
}

func TestRowsTryEveryField(t *testing.T) {
	want := []string{
		"device.Device.Conflict", "device.Device.Trace", "device.Device.DeletedAt", // have rules of their own
		"enrollment.Event.SiteSeq", // is given later
	}
	if got := storetest.ZeroFields(); !slices.Equal(got, want) {
		t.Errorf("the rows do not set %q, want only %q", got, want)
	}
}

func TestEveryRuleStartsWithItsOwnStore(t *testing.T) {
	opened := 0
	storetest.Run(t, func(*testing.T) enrollment.Storage { opened++; return memstore.New() })
	if want := len(storetest.Rules()); opened != want {
		t.Errorf("opened %d stores for %d rules", opened, want)
	}
}

// A store inside an embedder's transaction refuses to spend; the rest of the
// contract holds.
func TestRunInTransactionNeedsNoTransactionOfItsOwn(t *testing.T) {
	if got, want := storetest.Own(), []string{"spend", "concurrency"}; !slices.Equal(got, want) {
		t.Errorf("left out are %q, want %q", got, want)
	}
	storetest.RunInTransaction(t, func(*testing.T) enrollment.Storage {
		return &broken{Storage: memstore.New(), spend: func(context.Context, enrollment.Storage, spendCall) (enrollment.Spent, error) {
			return enrollment.Spent{}, enrollment.ErrOwnTransaction
		}}
	})
}

func TestAFailureShowsTheSentence(t *testing.T) {
	s := &broken{Storage: memstore.New(), update: func(context.Context, enrollment.Storage, unit) error { return errors.New("out of order") }}
	got := storetest.Broken(t.Context(), "unit/commit", s)
	want := "What a unit wrote is there when Update has returned.\n\tthe unit failed: out of order"
	if len(got) != 1 || got[0] != want {
		t.Errorf("said %q, want %q", got, want)
	}
}
