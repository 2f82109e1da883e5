package linear_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/linear"
)

// parse reads a history from lines like "send -> ok g1", one client after the
// other. Between "{" and "}" all calls are under way at once; "-> ?" is never
// answered.
func parse(t *testing.T, text string) *linear.History {
	t.Helper()
	h := &linear.History{}
	type pending struct {
		call linear.Open
		out  *linear.Output
	}
	var together []pending
	atOnce := false
	flush := func() {
		for _, p := range together {
			if p.out != nil {
				p.call.End(*p.out)
			}
		}
		together = nil
	}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		switch line = strings.TrimSpace(line); line {
		case "{":
			atOnce = true
			continue
		case "}":
			atOnce = false
			flush()
			continue
		}
		asked, answer, found := strings.Cut(line, " -> ")
		require.True(t, found, line)
		words := strings.Fields(asked)
		in := linear.Input{Register: "r", Op: linear.Op(words[0])}
		for _, word := range words[1:] {
			if word == "right" || word == "wrong" {
				in.Right = word == "right"
			} else {
				in.ID = word
			}
		}
		var out *linear.Output
		if answer != "?" {
			out = &linear.Output{}
			for _, word := range strings.Fields(answer) {
				switch word {
				case "ok":
					out.OK = true
				case "compared":
					out.Compared = linear.WasCompared
				case "unseen":
					out.Compared = linear.NotCompared
				case "refused", "none":
				default:
					if _, err := fmt.Sscanf(word, "%d", &out.N); err != nil {
						out.ID = word
					}
				}
			}
		}
		together = append(together, pending{h.Begin(i, in), out})
		if !atOnce {
			flush()
		}
	}
	return h
}

func TestModels(t *testing.T) {
	for _, c := range []struct {
		name  string
		model linear.Model
		right bool
		calls string
	}{
		{"an active one enrolls", linear.Register(), true, "send -> ok a\nenroll a -> ok\nactive -> a"},
		{"a new one replaces the old", linear.Register(), true, "send -> ok a\nsend -> ok b\nenroll a -> refused\nenroll b -> ok"},
		{"two are never active", linear.Register(), false, "send -> ok a\nsend -> ok b\nenroll b -> ok\nenroll a -> ok"},
		{"what is deactivated stays so", linear.Register(), false, "send -> ok a\ndeactivate a -> ok\nenroll a -> ok"},
		{"an active one refuses nobody", linear.Register(), false, "send -> ok a\nenroll a -> refused"},
		{"deactivating the old leaves the new", linear.Register(), true, "send -> ok a\nsend -> ok b\ndeactivate a -> ok\nenroll b -> ok"},
		{"disabling ends whichever is active", linear.Register(), false, "send -> ok a\ndisable -> ok\nactive -> a"},
		{"a stale look is wrong", linear.Register(), false, "send -> ok a\nsend -> ok b\nactive -> a"},
		{"calls at the same time may be in any order", linear.Register(), true, "send -> ok a\n{\ndeactivate a -> ok\nenroll a -> ok\nenroll a -> refused\n}\nactive -> none"},
		{"an end is an end for those at the same time too", linear.Register(), false, "send -> ok a\n{\ndeactivate a -> ok\nenroll a -> ok\n}\nenroll a -> ok"},
		{"an unknown end may have happened", linear.Register(), true, "send -> ok a\ndeactivate a -> ?\nenroll a -> refused"},
		{"an unknown end may never have happened", linear.Register(), true, "send -> ok a\ndeactivate a -> ?\nenroll a -> ok"},
		{"an unknown end may happen late", linear.Register(), true, "send -> ok a\ndeactivate a -> ?\nenroll a -> ok\nenroll a -> refused"},
		{"an unknown end does not come undone", linear.Register(), false, "send -> ok a\ndeactivate a -> ?\nenroll a -> refused\nenroll a -> ok"},
		{"an unknown new one is told by its looks", linear.Register(), true, "send -> ok a\nsend -> ?\nenroll a -> refused\nactive -> b\nenroll b -> ok"},
		{"an unknown new one is still one", linear.Register(), false, "send -> ok a\nsend -> ?\nactive -> b\nenroll a -> ok"},
		{"an unknown new one may never be seen", linear.Register(), true, "send -> ok a\nsend -> ?\nenroll a -> refused\nsend -> ok c\nenroll c -> ok"},
		{"nobody is active whom nobody made", linear.Register(), false, "send -> ok a\nactive -> b"},

		{"a budget is spent to the last try", linear.Budget(2), true, "try wrong -> refused compared\ntry right -> ok compared\ntry wrong -> refused compared\ntry right -> refused unseen"},
		{"a budget is not overspent", linear.Budget(2), false, "try wrong -> refused compared\ntry wrong -> refused compared\ntry wrong -> refused compared"},
		{"a burnt secret is not taken", linear.Budget(1), false, "try wrong -> refused\ntry right -> ok"},
		{"a right try costs nothing", linear.Budget(1), true, "try right -> ok\ntry right -> ok\nleft -> 1"},
		{"what is left is told exactly", linear.Budget(3), false, "try wrong -> refused\nleft -> 3"},
		{"a right try under way holds a place", linear.Budget(1), true, "{\ntry right -> ok\ntry wrong -> refused unseen\nleft -> 0\n}\nleft -> 1"},
		{"a wrong one does not", linear.Budget(2), false, "{\ntry wrong -> refused compared\ntry wrong -> refused unseen\n}"},
		{"a right one is not refused with room left", linear.Budget(2), false, "try wrong -> refused\ntry right -> refused"},
		{"a right one is not refused once compared", linear.Budget(1), false, "try wrong -> refused\ntry right -> refused compared"},
		{"an unknown try may be counted", linear.Budget(1), true, "try wrong -> ?\ntry right -> refused"},
		{"an unknown try may not be counted", linear.Budget(1), true, "try wrong -> ?\ntry right -> ok"},
		{"an unknown right try may stay counted", linear.Budget(1), true, "try right -> ?\ntry right -> refused\nleft -> 0"},
		{"unknown tries are no more than they are", linear.Budget(3), false, "try wrong -> ?\ntry right -> ok\nleft -> 1"},

		{"one is let in", linear.Once(10), true, "use a -> ok\nuse b -> refused\nuse a -> ok"},
		{"two are not", linear.Once(10), false, "use a -> ok\nuse b -> ok"},
		{"not two at the same time either", linear.Once(10), false, "{\nuse a -> ok\nuse b -> ok\n}"},
		{"nobody is refused before one is in", linear.Once(10), false, "use a -> refused\nuse b -> ok"},
		{"whom an unknown call let in may come again", linear.Once(10), true, "use a -> ?\nuse b -> refused\nuse a -> ok"},
		{"an unknown call may not have let anybody in", linear.Once(10), true, "use a -> ?\nuse b -> ok"},
		{"an unknown call lets in one of two", linear.Once(10), false, "use a -> ?\nuse b -> ok\nuse a -> ok"},
		{"as many as the budget turn one away", linear.Once(2), true, "{\nuse a -> refused\nuse b -> ok\nuse c -> refused\n}\nuse b -> ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := parse(t, c.calls)
			var kept bytes.Buffer
			_, err := h.WriteTo(&kept)
			require.NoError(t, err)
			read, err := linear.ReadHistory(&kept)
			require.NoError(t, err)
			for _, h := range []*linear.History{h, read} {
				report, err := h.Check(c.model, linear.Timeout)
				require.Equal(t, 1, report.Histories)
				require.Zero(t, report.Undecided)
				if c.right {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, linear.ErrNotLinearizable)
				}
			}
		})
	}
}

func TestARegisterIsCheckedByItself(t *testing.T) {
	h := &linear.History{}
	for _, register := range []string{"acme/ann", "acme/bob"} {
		h.Begin(0, linear.Input{Register: register, Op: linear.Send}).End(linear.Output{OK: true, ID: "of " + register})
	}
	h.Begin(1, linear.Input{Register: "acme/ann", Op: linear.Active}).End(linear.Output{ID: "of acme/bob"})
	report, err := h.Check(linear.Register(), linear.Timeout)
	require.ErrorIs(t, err, linear.ErrNotLinearizable)
	require.ErrorContains(t, err, "acme/ann")
	require.NotContains(t, err.Error(), "acme/bob:")
	require.Equal(t, linear.Report{Histories: 2, Calls: 3}, report)
}

func TestADroppedCallIsNoCall(t *testing.T) {
	h := &linear.History{}
	h.Begin(0, linear.Input{Register: "r", Op: linear.Try}).Drop()
	call := h.Begin(0, linear.Input{Register: "r", Op: linear.Left})
	call.End(linear.Output{N: 1})
	call.End(linear.Output{N: 0}) // the first answer is the answer
	_, err := h.Check(linear.Budget(1), linear.Timeout)
	require.NoError(t, err)
	require.Len(t, h.Calls(), 1)
}

func TestAnUndecidedHistoryIsAnError(t *testing.T) {
	report, err := parse(t, "send -> ok a").Check(linear.Register(), 0)
	require.ErrorIs(t, err, linear.ErrUndecided)
	require.Equal(t, 1, report.Undecided)
}

func TestACallWithoutAnAnswerIsCounted(t *testing.T) {
	report, err := parse(t, "send -> ok a\ndeactivate a -> ?").Check(linear.Register(), linear.Timeout)
	require.NoError(t, err)
	require.Equal(t, linear.Report{Histories: 1, Calls: 2, Unknown: 1}, report)
	require.Equal(t, "1 histories of 2 calls (1 without an answer) checked, 0 undecided", report.String())
}
