package credentials_test

import (
	"crypto/rand"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
)

// A passcode is found by its MAC, which names no site until it matches.
func ExampleNewPasscode() {
	passcode, err := credentials.NewPasscode(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(passcode, len(passcode.Reveal()))

	index := exampleRing().MACSecret(credentials.PurposePasscode, passcode)
	typed, err := credentials.ParsePasscode(" " + passcode.Reveal() + "\n")
	fmt.Println(exampleRing().MACSecret(credentials.PurposePasscode, typed) == index, err)
	// Output:
	// [redacted] 12
	// true <nil>
}

func ExampleParsePasscode() {
	for _, typed := range []string{"aB3dE6gH9kL2\r\n", "aB3d E6gH 9kL2", "aB3dE6gH9kL"} {
		passcode, err := credentials.ParsePasscode(typed)
		fmt.Println(passcode.Reveal(), err)
	}
	// Output:
	// aB3dE6gH9kL2 <nil>
	//  credentials: malformed
	//  credentials: malformed
}

// A row keeps nonce and generation; name and password come back from them.
func ExampleOneTimeUsername() {
	ring, nonce := exampleRing(), make([]byte, credentials.MinNonceBytes)
	name, err := credentials.OneTimeUsername(ring, 1, "acme", "usr_1", 1, nonce)
	if err != nil {
		fmt.Println(err)
		return
	}
	again, _ := credentials.OneTimeUsername(ring, 1, "acme", "usr_1", 1, nonce)
	replaced, _ := credentials.OneTimeUsername(ring, 1, "acme", "usr_1", 2, nonce)
	fmt.Println(len(name), name == again, name == replaced)
	// Output:
	// 10 true false
}

func ExampleParseUsername() {
	fmt.Println(credentials.ParseUsername(" KO3LF7Q2XM "))
	fmt.Println(credentials.ParseUsername("anna@example.com"))
	// Output:
	// k031f7q2xm <nil>
	//  credentials: malformed
}

func ExampleGroupOneTimePassword() {
	fmt.Println(credentials.GroupOneTimePassword("ABCDEFGHJKMNPQRS"))
	password, err := credentials.ParseOneTimePassword("abcd efgh-jkmn pqrs")
	fmt.Println(password.Reveal(), err)
	// Output:
	// ABCD-EFGH-JKMN-PQRS
	// ABCDEFGHJKMNPQRS <nil>
}

// A source counts towards the lock up to its cap; then it is slow.
func ExamplePolicy_PasscodeSourceLimit() {
	policy := credentials.Policy{PasscodeLock: 50, PasscodeSourceCap: 2}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	towardsLock, _ := policy.PasscodeSourceLimit("acme", "mac of 198.51.100.7")
	slow := policy.PasscodeSlowLimit("acme", "mac of 198.51.100.7")
	var source, pace credentials.Counter
	for range 4 {
		var counts, compared bool
		if source, counts, _ = source.Spend(towardsLock, now); !counts {
			pace, compared, _ = pace.Spend(slow, now)
		}
		fmt.Println("counts:", counts, "compared:", counts || compared)
	}
	// Output:
	// counts: true compared: true
	// counts: true compared: true
	// counts: false compared: true
	// counts: false compared: false
}

// What the recommended policy leaves to a guesser with any number of sources.
func ExamplePolicy_Odds() {
	fmt.Print(credentials.Policy{}.Odds())
	// Output:
	// guessing                        within     space    tries   chance
	// one PIN                         for ever  2^26.6       20  2^-22.3  2.0e-07
	// any PIN of 10000 users          30 days   2^26.6     4620  2^-14.4  4.6e-05
	// the same without a site budget  for ever  2^26.6   200000   2^-9.0  2.0e-03
	// a passcode until it locks       24 h      2^71.3      100  2^-64.6  3.5e-20
	// a passcode below its lock       a year    2^71.3  5.2e+06  2^-48.9  1.9e-15
	// any passcode of a host          a year    2^71.3  1.6e+09  2^-40.7  5.6e-13
	// a one-time login                24 h      2^80.0       10  2^-76.7  8.3e-24
	// an invitation's password        for ever  2^80.0    10000  2^-66.7  8.3e-21
}

func ExamplePolicy_OddsFor() {
	policy := credentials.Policy{PINDigits: 10, PasscodeLock: 20}
	odds := policy.OddsFor(500)
	for _, attack := range []credentials.Attack{credentials.AttackPINSite, credentials.AttackPasscode} {
		fmt.Printf("%s: 2^%.1f\n", attack, odds.Of(attack).Log2())
	}
	// Output:
	// pin-site: 2^-21.0
	// passcode: 2^-66.9
}
