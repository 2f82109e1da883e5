package credentials_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

func TestAPINHasTheDigitsAskedForAndKeepsLeadingZeros(t *testing.T) {
	word := func(v uint64) io.Reader { return bytes.NewReader(binary.BigEndian.AppendUint64(nil, v)) }
	for _, c := range []struct {
		raw    uint64
		digits int
		want   string
	}{
		{0, 8, "00000000"},
		{42, 8, "00000042"},
		{99_999_999, 8, "99999999"},
		{100_000_000, 8, "00000000"},
		{1_234_567_890, 10, "1234567890"},
		{123_456_789_012, 12, "123456789012"},
		{5, 12, "000000000005"},
	} {
		pin, err := credentials.NewPIN(word(c.raw), c.digits)
		require.NoError(t, err)
		require.Equal(t, c.want, pin.Reveal())
	}
	for _, digits := range []int{-1, 0, 4, 6, 7, 13, 20} {
		_, err := credentials.NewPIN(rand.Reader, digits)
		require.ErrorIs(t, err, credentials.ErrMalformed, digits)
		_, err = credentials.NewSet(rand.Reader, digits)
		require.ErrorIs(t, err, credentials.ErrMalformed, digits)
	}
	_, err := credentials.NewPIN(brokenReader{}, 8)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestAPINIsDrawnAgainRatherThanBiased(t *testing.T) {
	for digits := credentials.MinPINDigits; digits <= credentials.MaxPINDigits; digits++ {
		space := uint64(math.Pow10(digits))
		first := math.MaxUint64 / space * space // the smallest that must be refused
		var raw []byte
		for _, v := range []uint64{math.MaxUint64, first, first - 1} {
			raw = binary.BigEndian.AppendUint64(raw, v)
		}
		pin, err := credentials.NewPIN(bytes.NewReader(raw), digits)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("9", digits), pin.Reveal(), "two refused, the third taken")
	}
}

// The bounds are those of p = 1e-6: with 9 degrees of freedom chi-square stays
// below 46. A byte taken modulo 10 scores thousands.
func TestPINsAreUniform(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	for name, r := range map[string]io.Reader{"fixed": fixed(9), "crypto/rand": rand.Reader} {
		t.Run(name, func(t *testing.T) {
			var counts [8][10]int
			for range n {
				pin, err := credentials.NewPIN(r, 8)
				if err != nil {
					t.Fatal(err)
				}
				for place, digit := range []byte(pin.Reveal()) {
					counts[place][digit-'0']++
				}
			}
			for place := range counts {
				chi, want := 0.0, float64(n)/10
				for _, got := range counts[place] {
					chi += (float64(got) - want) * (float64(got) - want) / want
				}
				require.Less(t, chi, 46.0, "place %d", place)
			}
		})
	}
}

func TestAPINIsReadAsPeopleTypeIt(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"12345678", "12345678"},
		{"00000000", "00000000"},
		{"1234 5678", "12345678"},
		{"1234-5678", "12345678"},
		{"1234 - 5678", "12345678"},
		{"1234\u00a05678", "12345678"},
		{"\u00a0 1234 5678 \u00a0", "12345678"},
		{"1 2 3 4 5 6 7 8", "12345678"},
		{"1234 5678 9012", "123456789012"},
		{"", ""},
		{"1234567", ""},
		{"1234567890123", ""},
		{"-12345678", ""},
		{"12345678-", ""},
		{"+12345678", ""},
		{"1234.5678", ""},
		{"1234\t5678", ""},
		{"1234\n5678", ""},
		{"1234567O", ""},
		{"12345678\x00", ""},
		{"１２３４５６７８", ""},
		{"١٢٣٤٥٦٧٨", ""},
		{"1234\u20095678", ""},
		{"1234\xa05678", ""},
		{"12345678" + strings.Repeat(" ", 57), ""},
	} {
		pin, err := credentials.ParsePIN(c.in)
		if c.want == "" {
			require.ErrorIs(t, err, credentials.ErrMalformed, "%q", c.in)
			continue
		}
		require.NoError(t, err, "%q", c.in)
		require.Equal(t, c.want, pin.Reveal())
	}
}

func TestAPINIsShownInGroups(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"12345678", "1234 5678"},
		{"123456789", "123 456 789"},
		{"1234567890", "1234 567 890"},
		{"12345678901", "1234 5678 901"},
		{"123456789012", "1234 5678 9012"},
		{"", ""},
		{"1234567", "1234567"},
		{"1234 5678", "1234 5678"},
		{"abcdefgh", "abcdefgh"},
		{"[redacted]", "[redacted]"},
	} {
		require.Equal(t, c.want, credentials.GroupPIN(c.in))
	}
}

func FuzzParsePIN(f *testing.F) {
	for _, s := range []string{"12345678", "1234 5678 9012", "1234\u00a05678", "1-2-3-4-5-6-7-8", "１２３４５６７８", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pin, err := credentials.ParsePIN(s)
		if err != nil {
			require.Equal(t, credentials.ErrMalformed, err)
			return
		}
		require.Regexp(t, `^[0-9]{8,12}$`, pin.Reveal())
		again, err := credentials.ParsePIN(credentials.GroupPIN(pin.Reveal()))
		require.NoError(t, err)
		require.True(t, again.Equal(pin), "what is shown can be typed")
	})
}
