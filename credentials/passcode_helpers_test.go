package credentials_test

import (
	"io"
	"math"
	"math/big"
	"strings"

	"example.com/enrollkit/credentials"
)

// allClasses reports whether text has a digit, a lower and an upper case letter.
func allClasses(text string) bool {
	return strings.ContainsAny(text, symbols[:10]) && strings.ContainsAny(text, symbols[10:36]) &&
		strings.ContainsAny(text, symbols[36:])
}

// The generators below are wrong on purpose, except for draw and uniform.

// draw returns twelve symbols, each drawn by pick.
func draw(r io.Reader, pick func(io.Reader, string) byte) string {
	var text [credentials.PasscodeLength]byte
	for i := range text {
		text[i] = pick(r, symbols)
	}
	return string(text[:])
}

// uniform draws one of the symbols of set.
func uniform(r io.Reader, set string) byte { return set[below(r, len(set))] }

// below draws a number below n, at most 256.
func below(r io.Reader, n int) int {
	for {
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			panic(err)
		}
		if int(b[0]) < 256/n*n {
			return int(b[0]) % n
		}
	}
}

// remainder favours the first eight symbols by a quarter.
func remainder(r io.Reader, set string) byte {
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		panic(err)
	}
	return set[int(b[0])%len(set)]
}

// redrawn draws until every class is there.
func redrawn(r io.Reader, pick func(io.Reader, string) byte) string {
	for {
		if text := draw(r, pick); allClasses(text) {
			return text
		}
	}
}

// forcedFirst puts one of each class at the front.
func forcedFirst(r io.Reader) string {
	return string([]byte{uniform(r, symbols[:10]), uniform(r, symbols[36:]), uniform(r, symbols[10:36])}) +
		draw(r, uniform)[3:]
}

// forcedAnywhere is the subtle one: a text that happens to have every class stays
// as it is, and only in the others are random places overwritten.
func forcedAnywhere(r io.Reader) string {
	text := []byte(draw(r, uniform))
	for !allClasses(string(text)) {
		for _, class := range []string{symbols[:10], symbols[10:36], symbols[36:]} {
			if !strings.ContainsAny(string(text), class) {
				text[below(r, len(text))] = uniform(r, class)
			}
		}
	}
	return string(text)
}

// shuffled has one of each class and nine others, in random order.
func shuffled(r io.Reader) string {
	text := []byte(forcedFirst(r))
	for i := len(text) - 1; i > 0; i-- {
		j := below(r, i+1)
		text[i], text[j] = text[j], text[i]
	}
	return string(text)
}

// passcodeCount returns the size of the set of passcodes, summed over the mixes
// of classes rather than by inclusion and exclusion, as the package does it.
func passcodeCount() float64 {
	sum := new(big.Int)
	for digits := range 13 {
		for lowers := range 13 {
			sum.Add(sum, mixCount(digits, lowers))
		}
	}
	count, _ := new(big.Float).SetInt(sum).Float64()
	return count
}

// mixCount returns how many passcodes have that many digits and lower-case
// letters, the rest being upper case.
func mixCount(digits, lowers int) *big.Int {
	uppers := credentials.PasscodeLength - digits - lowers
	if digits < 1 || lowers < 1 || uppers < 1 {
		return new(big.Int)
	}
	pow := func(base, n int) *big.Int {
		return new(big.Int).Exp(big.NewInt(int64(base)), big.NewInt(int64(n)), nil)
	}
	count := new(big.Int).Binomial(credentials.PasscodeLength, int64(digits))
	count.Mul(count, new(big.Int).Binomial(int64(lowers+uppers), int64(lowers)))
	return count.Mul(count.Mul(count, pow(10, digits)), pow(26, lowers+uppers))
}

// mixChance is the probability of such a passcode.
func mixChance(digits, lowers int) float64 {
	count, _ := new(big.Float).SetInt(mixCount(digits, lowers)).Float64()
	return count / passcodeCount()
}

// symbolChance returns how likely each symbol is at any given place: the number
// of ways to complete it to a passcode, over all passcodes. After a digit, the
// other eleven need both cases; after a letter, a digit and the other case.
func symbolChance() [62]float64 {
	ways := func(n float64) float64 { return math.Pow(n, credentials.PasscodeLength-1) }
	digit := ways(62) - 2*ways(36) + ways(10)
	letter := ways(62) - ways(52) - ways(36) + ways(26)
	var chance [62]float64
	for s := range chance {
		chance[s] = letter / passcodeCount()
		if s < 10 {
			chance[s] = digit / passcodeCount()
		}
	}
	return chance
}

// chiBound is what chi-square exceeds with p = 1e-6 (Wilson and Hilferty).
func chiBound(df float64) float64 {
	const z = 4.753
	return df * math.Pow(1-2/(9*df)+z*math.Sqrt(2/(9*df)), 3)
}
