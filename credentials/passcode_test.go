package credentials_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

const symbols = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func TestAPasscodeHasTwelveCharactersOfThreeClasses(t *testing.T) {
	seen := map[string]bool{}
	for range 100_000 {
		passcode, err := credentials.NewPasscode(rand.Reader)
		require.NoError(t, err)
		text := passcode.Reveal()
		if len(text) != credentials.PasscodeLength || strings.Trim(text, symbols) != "" || !allClasses(text) || seen[text] {
			t.Fatal("no passcode, or one that came twice")
		}
		seen[text] = true
	}
}

// The two values of six bits that are no symbol are drawn again, and a text
// without one of the classes as a whole.
func TestAPasscodeIsDrawnAgainRatherThanMended(t *testing.T) {
	raw := func(text string) []byte {
		b := []byte(text)
		for i := range b {
			if b[i] == '!' {
				b[i] = 62
			} else {
				b[i] = byte(strings.IndexByte(symbols, b[i])) | 0x80 // high bits do not matter
			}
		}
		return b
	}
	for _, c := range []struct{ in, want string }{
		{"abcdefGHI123zzzz", "abcdefGHI123"},
		{"!abc!defGHI1!23z", "abcdefGHI123"},
		{"abcdefghiJKLabcdefGHI1230000zzzz", "abcdefGHI123"},               // no digit
		{"ABCDEFGHI123" + "abcdefghi123" + "0aB0aB0aB0aB", "0aB0aB0aB0aB"}, // no lower, no upper
		{"!!!!!!!!!!!!!!!!" + "abcdefGHI123zzzz", "abcdefGHI123"},
	} {
		in := raw(c.in)
		in = append(in, make([]byte, 15)...)
		passcode, err := credentials.NewPasscode(bytes.NewReader(in[:len(in)/16*16]))
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, passcode.Reveal())
	}
	for name, r := range map[string]io.Reader{
		"none":           brokenReader{},
		"short":          bytes.NewReader(make([]byte, 15)),
		"gone in redraw": bytes.NewReader(make([]byte, 32)),
	} {
		passcode, err := credentials.NewPasscode(r)
		require.Error(t, err, name)
		require.True(t, passcode.IsZero(), name)
	}
	_, err := credentials.NewPasscode(brokenReader{})
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// T15. Uniform over the set is less than uniform per symbol: given that every
// class is there, digits are likelier than letters. The expectations are exact;
// the bounds are those of p = 1e-6 (129 for 61 degrees of freedom). What is wrong
// by design must not pass, or the test would prove nothing.
func TestPasscodesAreUniformOverTheirSet(t *testing.T) {
	ours := func(r io.Reader) string {
		passcode, err := credentials.NewPasscode(r)
		require.NoError(t, err)
		return passcode.Reveal()
	}
	for _, c := range []struct {
		name     string
		generate func(io.Reader) string
		r        io.Reader
		fails    []string
	}{
		{"ours, fixed", ours, fixed(12), nil},
		{"ours, crypto/rand", ours, rand.Reader, nil},
		{"remainder of a byte", func(r io.Reader) string { return redrawn(r, remainder) }, fixed(1), []string{"symbols", "place 1", "place 12"}},
		{"classes not asked for", func(r io.Reader) string { return draw(r, uniform) }, fixed(2), []string{"symbols", "classes"}},
		{"classes forced into the first places", forcedFirst, fixed(3), []string{"symbols", "place 1", "place 2", "place 3", "classes"}},
		{"missing classes forced into any place", forcedAnywhere, fixed(4), []string{"symbols", "classes"}},
		{"one of each class, then shuffled", shuffled, fixed(5), []string{"symbols", "classes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := misfits(100_000, func() string { return c.generate(c.r) })
			if c.fails == nil {
				require.Empty(t, bad)
				return
			}
			require.Subset(t, slices.Collect(maps.Keys(bad)), c.fails, "%v", bad)
		})
	}
}

func TestThePasscodeSetHasTheDocumentedSize(t *testing.T) {
	space := passcodeCount()
	bits := math.Log2(space)
	require.InDelta(t, 71.3, bits, 0.05)
	require.InEpsilon(t, 2.8e21, space, 0.02)
	require.InEpsilon(t, 7.0/8, space/math.Pow(62, 12), 0.01, "one draw in eight is thrown away")
	require.InDelta(t, bits, credentials.Policy{}.Odds().Of(credentials.AttackPasscode).Bits, 1e-9)
}

func TestAPasscodeIsReadAsTyped(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"aB3dE6gH9kL2", "aB3dE6gH9kL2"},
		{" \t\r\n\v\faB3dE6gH9kL2 \n", "aB3dE6gH9kL2"},
		{"AB3DE6GH9KL2", "AB3DE6GH9KL2"}, // case is kept, and no class is asked for
		{"000000000000", "000000000000"},
		{"", ""},
		{"            ", ""},
		{"aB3dE6gH9kL", ""},
		{"aB3dE6gH9kL2x", ""},
		{"aB3d E6gH9kL2", ""},
		{"aB3dE6 H9kL2", ""},
		{"aB3d-E6gH-9kL2", ""},
		{"aB3dE6-H9kL2", ""},
		{"aB3dE6_H9kL2", ""},
		{"aB3dE6gH9kL\x00", ""},
		{"aB3dE6gH9k\u00e9", ""},
		{"aB3dE6gH9\u212a", ""},
		{"ａB3dE6gH9k", ""},
		{"\u00a0aB3dE6gH9kL2", ""},
		{"\ufeffaB3dE6gH9kL2", ""},
	} {
		passcode, err := credentials.ParsePasscode(c.in)
		if c.want == "" {
			require.ErrorIs(t, err, credentials.ErrMalformed, "%q", c.in)
			require.True(t, passcode.IsZero())
			continue
		}
		require.NoError(t, err, "%q", c.in)
		require.Equal(t, c.want, passcode.Reveal())
	}
}

func FuzzParsePasscode(f *testing.F) {
	for _, s := range []string{"aB3dE6gH9kL2", " aB3dE6gH9kL2\r\n", "000000000000", "aB3dE6gH9k\u00e9", "aB3d E6gH 9kL2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		passcode, err := credentials.ParsePasscode(s)
		if err != nil {
			require.Equal(t, credentials.ErrMalformed, err)
			require.True(t, passcode.IsZero())
			require.NotRegexp(t, `\A[ \t\n\v\f\r]*[0-9A-Za-z]{12}[ \t\n\v\f\r]*\z`, s)
			return
		}
		require.Regexp(t, `\A[0-9A-Za-z]{12}\z`, passcode.Reveal())
		require.Contains(t, s, passcode.Reveal(), "nothing was changed")
		again, err := credentials.ParsePasscode(passcode.Reveal())
		require.NoError(t, err)
		require.True(t, again.Equal(passcode))
	})
}

// misfits draws n passcodes and returns the statistics whose chi-square exceeds
// its bound, named by what they look at.
func misfits(n int, generate func() string) map[string]string {
	var places [credentials.PasscodeLength][62]float64
	var pooled [62]float64
	var mixes [13][13]float64 // by digits and lower-case letters
	for range n {
		text := generate()
		var digits, lowers int
		for place, c := range []byte(text) {
			s := strings.IndexByte(symbols, c)
			places[place][s]++
			pooled[s]++
			switch {
			case s < 10:
				digits++
			case s >= 36:
				lowers++
			}
		}
		mixes[digits][lowers]++
	}
	bad := map[string]string{}
	note := func(what string, got, want []float64) {
		chi := 0.0
		for i := range got {
			chi += (got[i] - want[i]) * (got[i] - want[i]) / want[i]
		}
		if bound := chiBound(float64(len(got) - 1)); chi > bound {
			bad[what] = fmt.Sprintf("%.0f > %.0f", chi, bound)
		}
	}
	marginal := symbolChance()
	want, wantPooled := make([]float64, 62), make([]float64, 62)
	for s := range want {
		want[s] = marginal[s] * float64(n)
		wantPooled[s] = want[s] * credentials.PasscodeLength
	}
	for place := range places {
		note(fmt.Sprintf("place %d", place+1), places[place][:], want)
	}
	note("symbols", pooled[:], wantPooled)

	// How many of each class there are: what a mended passcode gets wrong even if
	// its symbols were right. Mixes too rare for chi-square are taken together.
	var got, wantMix []float64
	var rareGot, rareWant float64
	for digits := range mixes {
		for lowers := range mixes[digits] {
			w := mixChance(digits, lowers) * float64(n)
			if w < 10 {
				rareGot, rareWant = rareGot+mixes[digits][lowers], rareWant+w
				continue
			}
			got, wantMix = append(got, mixes[digits][lowers]), append(wantMix, w)
		}
	}
	note("classes", append(got, rareGot), append(wantMix, rareWant))
	return bad
}
