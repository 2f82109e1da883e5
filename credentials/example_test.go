package credentials_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
)

// exampleRing returns a ring that is the same in every run. Make a real one with
// crypto/rand.Reader.
func exampleRing() *credentials.Keyring {
	key, err := credentials.KeyFromRoot(1, credentials.NewSecret(bytes.Repeat([]byte{1}, credentials.KeyBytes)))
	if err != nil {
		panic(err)
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		panic(err)
	}
	return ring
}

// An invitation's credentials: made once, stored as MACs and one envelope,
// checked by MAC, shown again from the envelope.
func Example() {
	ring := exampleRing()
	set, err := credentials.NewSet(rand.Reader, credentials.DefaultPINDigits)
	if err != nil {
		fmt.Println(err)
		return
	}

	// What the database holds.
	index := ring.MACSecret(credentials.PurposeToken, set.Token)
	check := ring.MACSecret(credentials.PurposePIN, set.PIN, "acme", "inv_1", "1")
	place := credentials.AAD{Site: "acme", Owner: "inv_1", Kind: "set", Generation: 1}
	envelope, err := ring.SealSet(rand.Reader, place, set)
	if err != nil {
		fmt.Println(err)
		return
	}

	// A node that faces the public checks and cannot show.
	public := ring.Public()
	ok, err := public.VerifySecret(check, credentials.PurposePIN, set.PIN, "acme", "inv_1", "1")
	fmt.Println("PIN accepted:", ok, err)
	_, err = public.OpenSet(place, envelope)
	fmt.Println("shown in public:", err)

	// An administrator's node shows it again.
	shown, err := ring.OpenSet(place, envelope)
	fmt.Println("the same PIN:", shown.PIN.Equal(set.PIN), err)
	fmt.Println("in a log:", shown, index.KeyID)
	// Output:
	// PIN accepted: true <nil>
	// shown in public: credentials: no sealing key
	// the same PIN: true <nil>
	// in a log: {[redacted] [redacted]} 1
}

func ExampleSecret() {
	login := struct{ password credentials.Secret }{credentials.SecretString("hunter2")}
	fmt.Printf("%v\n", login.password)
	fmt.Println(login.password.Reveal())
	// Output:
	// [redacted]
	// hunter2
}

func ExampleParseToken() {
	token, _ := credentials.NewToken(rand.Reader)
	_, err := credentials.ParseToken(token.Reveal())
	fmt.Println(len(token.Reveal()), err)
	_, err = credentials.ParseToken(token.Reveal() + "=")
	fmt.Println(err)
	// Output:
	// 43 <nil>
	// credentials: malformed
}

func ExampleParsePIN() {
	pin, err := credentials.ParsePIN(" 0012-3456 ")
	fmt.Println(pin.Reveal(), err)
	fmt.Println(credentials.GroupPIN(pin.Reveal()))
	// Output:
	// 00123456 <nil>
	// 0012 3456
}

func ExampleCanonicalEmail() {
	fmt.Println(credentials.CanonicalEmail(" Jan.Novak+MDM@Example.COM "))
	fmt.Println(credentials.CanonicalEmail("mar\u212a@example.com")) // the Kelvin sign is no k
	// Output:
	// jan.novak+mdm@example.com <nil>
	//  credentials: malformed
}

// Spend and store first, then compare, then refund.
func ExampleCounter_Spend() {
	limit := credentials.Limit{Key: "pin/1", Max: 2, Window: 15 * time.Minute}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var stored credentials.Counter
	for range 3 {
		next, ok, retryAt := stored.Spend(limit, now)
		stored = next
		fmt.Println(ok, stored.Left(limit, now), retryAt.Format(time.TimeOnly))
	}
	fmt.Println(stored.Refund().Left(limit, now))
	// Output:
	// true 1 00:00:00
	// true 0 00:00:00
	// false 0 09:15:00
	// 1
}

func ExamplePolicy() {
	policy := credentials.Policy{PINDigits: 10, SourcePace: credentials.Off}
	fmt.Println(policy.Validate(), policy.WithDefaults().PINBudget)
	limit := policy.PINBudgetLimit("acme", "inv_1", 1)
	fmt.Println(limit.Key, limit.Max)
	_, on := policy.SourceLimit("198.51.100.0")
	fmt.Println(on)

	err := credentials.Policy{PINDigits: 6}.Validate()
	if e, ok := errors.AsType[*credentials.PolicyError](err); ok {
		fmt.Println(e.Field, e.Min)
	}
	// Output:
	// <nil> 20
	// pin/4:acme/5:inv_1/1:1 20
	// false
	// PINDigits 8
}

func ExampleKeyring_Verify() {
	old := exampleRing()
	ring, err := old.Rotate(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	stored := ring.MAC(credentials.PurposeHardware, []byte("acme"), []byte("serial C02XYZ"))
	fmt.Println(ring.Verify(stored, credentials.PurposeHardware, []byte("acme"), []byte("serial C02XYZ")))
	fmt.Println(old.Verify(stored, credentials.PurposeHardware, []byte("acme"), []byte("serial C02XYZ")))
	// Output:
	// true <nil>
	// false credentials: unknown key: id 2
}

func ExampleKeyring_Rotate() {
	ring, err := exampleRing().Rotate(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring.IDs(), ring.Current(), ring)
	ring, err = ring.Without(1)
	fmt.Println(ring.IDs(), err)
	// Output:
	// [2 1] 2 [redacted]
	// [2] <nil>
}

func ExampleParseKeyring() {
	file := exampleRing().MarshalKeyring()
	ring, err := credentials.ParseKeyring(file)
	fmt.Println(ring.IDs(), ring.CanSeal(), err)
	_, err = credentials.ParseKeyring(append(file, "key 2 oops\n"...))
	fmt.Println(err)
	// Output:
	// [1] true <nil>
	// credentials: invalid keyring: line 4: credentials: malformed: want "key", id, MAC root, sealing root, check
}

func ExampleKeyring_CheckCanary() {
	stored := exampleRing().Canaries()[0]
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	wrong, err := credentials.NewKeyring(key)
	fmt.Println(err)
	fmt.Println(exampleRing().CheckCanary(stored))
	fmt.Println(wrong.CheckCanary(stored))
	// Output:
	// <nil>
	// <nil>
	// credentials: wrong key: id 1
}

func ExampleKeyring_Seal() {
	ring := exampleRing()
	place := credentials.AAD{Site: "acme", Owner: "acme", Kind: "passcode", Generation: 1}
	envelope, err := ring.Seal(rand.Reader, place, credentials.SecretString("aB3dE6gH9kL2"))
	fmt.Println(len(envelope), err)
	moved := place
	moved.Site = "other"
	_, err = ring.Open(moved, envelope)
	fmt.Println(err)
	// Output:
	// 78 <nil>
	// credentials: tampered
}

func ExampleDeviceToken() {
	ring, nonce := exampleRing(), make([]byte, credentials.MinNonceBytes)
	first, err := credentials.DeviceToken(ring, ring.Current(), "acme", "dev_1", 1, nonce)
	fmt.Println(len(first.Reveal()), err)
	repeated, _ := credentials.DeviceToken(ring, 1, "acme", "dev_1", 1, nonce)
	reenrolled, _ := credentials.DeviceToken(ring, 1, "acme", "dev_1", 2, nonce)
	fmt.Println(first.Equal(repeated), first.Equal(reenrolled))
	// Output:
	// 43 <nil>
	// true false
}

// The key that a token was derived from goes, and the device keeps its token.
func ExampleRekeyDeviceToken() {
	ring, nonce := exampleRing(), make([]byte, credentials.MinNonceBytes)
	before, err := credentials.DeviceToken(ring, 1, "acme", "dev_1", 1, nonce)
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err = ring.Rotate(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, nonce, err := credentials.RekeyDeviceToken(ring, 1, "acme", "dev_1", 1, nonce, rand.Reader)
	fmt.Println(key, len(nonce), err)
	ring, _ = ring.Without(1)
	after, err := credentials.DeviceToken(ring, key, "acme", "dev_1", 1, nonce)
	fmt.Println(before.Equal(after), err)
	// Output:
	// 2 48 <nil>
	// true <nil>
}

// A name is the same before and after a rotation, and a MAC is not.
func ExampleKeyring_Name() {
	ring, address := exampleRing(), []byte("ann@example.com")
	next, err := ring.Rotate(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring.Name(credentials.PurposeEmail, address) == next.Name(credentials.PurposeEmail, address))
	fmt.Println(ring.MAC(credentials.PurposeEmail, address) == next.MAC(credentials.PurposeEmail, address))
	// Output:
	// true
	// false
}

// A ring that is made of its keys each time, as they come from a key management
// service, keeps its names beside them once its first key is gone.
func ExampleKeyring_WithNames() {
	ring := exampleRing()
	kept := ring.Names()
	key, err := credentials.NewKey(2, rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	later, err := credentials.NewKeyring(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	address := []byte("ann@example.com")
	fmt.Println(later.Name(credentials.PurposeEmail, address) == ring.Name(credentials.PurposeEmail, address))
	later, err = later.WithNames(kept)
	fmt.Println(later.Name(credentials.PurposeEmail, address) == ring.Name(credentials.PurposeEmail, address), err)
	// Output:
	// false
	// true <nil>
}

func ExampleOneTimePassword() {
	ring := exampleRing()
	password, err := credentials.OneTimePassword(ring, 1, "acme", "usr_1", 1, make([]byte, 16))
	fmt.Println(len(password.Reveal()), err)
	typed, err := credentials.ParseOneTimePassword("  " + password.Reveal()[:8] + "-" + password.Reveal()[8:])
	fmt.Println(typed.Equal(password), err)
	// Output:
	// 16 <nil>
	// true <nil>
}

func ExampleDeploymentURL() {
	base, err := url.Parse("https://mdm.example.com/join")
	if err != nil {
		fmt.Println(err)
		return
	}
	link, err := credentials.DeploymentURL(base, credentials.SecretString(goodToken))
	fmt.Println(link.Reveal(), err)
	token, err := credentials.ParseDeploymentURL(link.Reveal())
	fmt.Println(token.Reveal() == goodToken, err)
	// Output:
	// https://mdm.example.com/join/i/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 <nil>
	// true <nil>
}

func ExampleEncodeQR() {
	code, err := credentials.EncodeQR(credentials.SecretString("https://mdm.example.com/i/" + goodToken))
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	fmt.Println(code.Modules(), code.PNGSize(8), code.PNG(&file, 8))
	fmt.Printf("%q\n", file.Bytes()[:4])
	// Output:
	// 37 360 <nil>
	// "\x89PNG"
}
