package credentials

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// Purpose separates uses of one key: the same input has unrelated MACs under two
// purposes. A purpose that is not listed here works too; its subkey is derived
// on every call instead of once.
type Purpose string

// The purposes of this SDK. Their text is part of every stored MAC and never
// changes.
const (
	PurposeToken    Purpose = "token"    // index of invitation tokens
	PurposePIN      Purpose = "pin"      // check of a PIN, bound to its row
	PurposePasscode Purpose = "passcode" // index of company passcodes
	PurposeUsername Purpose = "username" // index of one-time user names
	PurposeOneTime  Purpose = "one-time" // one-time passwords
	PurposeDevice   Purpose = "device"   // device tokens
	PurposeSource   Purpose = "source"   // source networks in counters
	PurposeEmail    Purpose = "email"    // e-mail addresses in counters
	PurposeHardware Purpose = "hardware" // hardware ids in tombstones
	PurposeCursor   Purpose = "cursor"   // page tokens
	PurposeUser     Purpose = "user"     // users in keys that must not name them
	PurposeCanary   Purpose = "canary"   // the key canary
	PurposeMessage  Purpose = "message"  // Message-ID of mails
)

// Purposes returns the purposes whose subkeys a [Keyring] keeps ready.
func Purposes() []Purpose {
	return []Purpose{
		PurposeToken, PurposePIN, PurposePasscode, PurposeUsername, PurposeOneTime, PurposeDevice, PurposeSource,
		PurposeEmail, PurposeHardware, PurposeCursor, PurposeUser, PurposeCanary, PurposeMessage,
	}
}

// HKDF labels of the subkeys. Checking and deriving have their own, or a MAC in
// the database could be the very value that Derive gives to a device.
const (
	checkInfo  = "enrollkit/v1/check/"
	deriveInfo = "enrollkit/v1/derive/"
)

// MACBytes is the length of a stored [MAC]: key id and sum.
const MACBytes = 4 + sha256.Size

// MAC is an HMAC-SHA-256 and the key that made it. It is what the database holds
// instead of a secret; it is comparable, so that an index can find it. The zero
// value is "no MAC".
type MAC struct {
	KeyID uint32
	Sum   [sha256.Size]byte
}

// IsZero reports whether m is the zero value.
func (m MAC) IsZero() bool { return m == MAC{} }

// Bytes returns m as [MACBytes] bytes: the key id big-endian, then the sum.
func (m MAC) Bytes() []byte {
	b := make([]byte, MACBytes)
	binary.BigEndian.PutUint32(b, m.KeyID)
	copy(b[4:], m.Sum[:])
	return b
}

// ParseMAC reads what [MAC.Bytes] returned. Another length or key id 0 is
// [ErrMalformed].
func ParseMAC(b []byte) (MAC, error) {
	if len(b) != MACBytes || binary.BigEndian.Uint32(b) == 0 {
		return MAC{}, fmt.Errorf("%w: MAC", ErrMalformed)
	}
	m := MAC{KeyID: binary.BigEndian.Uint32(b)}
	copy(m.Sum[:], b[4:])
	return m, nil
}

// MAC returns the MAC of parts under the current key. Each part carries its
// length, so that no two lists of parts share an input ("a","bc" and "ab","c").
func (k *Keyring) MAC(p Purpose, parts ...[]byte) MAC {
	key := &k.r.keys[0]
	h := key.check(p).get()
	addParts(h, parts)
	return MAC{key.ID, h.sum()}
}

// MACs returns the MAC of parts under every key, the current one first: look up
// a value by any of them while a rotation is under way.
func (k *Keyring) MACs(p Purpose, parts ...[]byte) []MAC {
	macs := make([]MAC, len(k.r.keys))
	for i := range k.r.keys {
		h := k.r.keys[i].check(p).get()
		addParts(h, parts)
		macs[i] = MAC{k.r.keys[i].ID, h.sum()}
	}
	return macs
}

// Verify reports whether m is the MAC of parts, in constant time. It returns
// [ErrUnknownKey] if the ring lacks m's key: then nothing was compared, and the
// try must not be counted as wrong.
func (k *Keyring) Verify(m MAC, p Purpose, parts ...[]byte) (bool, error) {
	key, err := k.find(m.KeyID)
	if err != nil {
		return false, err
	}
	h := key.check(p).get()
	addParts(h, parts)
	sum := h.sum()
	return subtle.ConstantTimeCompare(m.Sum[:], sum[:]) == 1, nil
}

// MACSecret is [Keyring.MAC] of the context and then the secret, without
// revealing it. Bind a guessable secret to its row by the context: site, owner,
// generation.
func (k *Keyring) MACSecret(p Purpose, s Secret, context ...string) MAC {
	key := &k.r.keys[0]
	return MAC{key.ID, key.secretSum(p, s, context)}
}

// MACsSecret is [Keyring.MACs] of the context and then the secret.
func (k *Keyring) MACsSecret(p Purpose, s Secret, context ...string) []MAC {
	macs := make([]MAC, len(k.r.keys))
	for i := range k.r.keys {
		macs[i] = MAC{k.r.keys[i].ID, k.r.keys[i].secretSum(p, s, context)}
	}
	return macs
}

// VerifySecret is [Keyring.Verify] of the context and then the secret. The zero
// Secret never matches.
func (k *Keyring) VerifySecret(m MAC, p Purpose, s Secret, context ...string) (bool, error) {
	key, err := k.find(m.KeyID)
	if err != nil {
		return false, err
	}
	sum := key.secretSum(p, s, context)
	return subtle.ConstantTimeCompare(m.Sum[:], sum[:]) == 1 && !s.IsZero(), nil
}

// Derive returns 32 bytes that only holders of the key can reproduce, for
// secrets that are given out and never stored. It shares nothing with the MAC of
// the same purpose and parts. It returns [ErrUnknownKey] if the ring lacks keyID.
func (k *Keyring) Derive(keyID uint32, p Purpose, parts ...[]byte) ([KeyBytes]byte, error) {
	key, err := k.find(keyID)
	if err != nil {
		return [KeyBytes]byte{}, err
	}
	h := key.derive(p).get()
	addParts(h, parts)
	return h.sum(), nil
}

// Canaries returns one MAC of a constant per key. Store them; checking them at
// start keeps a node with the wrong ring from calling every right PIN wrong.
func (k *Keyring) Canaries() []MAC { return k.MACs(PurposeCanary) }

// CheckCanary compares a stored canary with the ring: nil, [ErrUnknownKey] if the
// ring lacks its key, [ErrWrongKey] if it has another key of that id. It covers
// the MAC root, which every ring has; a wrong sealing root shows as [ErrTampered].
func (k *Keyring) CheckCanary(stored MAC) error {
	ok, err := k.Verify(stored, PurposeCanary)
	if err == nil && !ok {
		err = fmt.Errorf("%w: id %d", ErrWrongKey, stored.KeyID)
	}
	return err
}

func (k *ringKey) check(p Purpose) *macer { return k.macer(k.checks, checkInfo, p) }

func (k *ringKey) derive(p Purpose) *macer { return k.macer(k.derives, deriveInfo, p) }

// macer returns the ready subkey of p, or makes one for a purpose of the
// embedder's own. Those are not kept: purposes could come without end.
func (k *ringKey) macer(ready map[Purpose]*macer, info string, p Purpose) *macer {
	if m, ok := ready[p]; ok {
		return m
	}
	m, err := newMacer(k.MAC, info+string(p))
	if err != nil {
		// The same derivation succeeded for every listed purpose of this key.
		panic(err)
	}
	return m
}

func (k *ringKey) secretSum(p Purpose, s Secret, context []string) [sha256.Size]byte {
	h := k.check(p).get()
	addParts(h, context)
	addPart(h, s.bytes())
	return h.sum()
}

// macer is one subkey with a pool of HMACs that have already absorbed it: reuse
// is three times as fast as hmac.New and allocates nothing.
type macer struct{ pool sync.Pool }

// newMacer derives the subkey info of a root by HKDF-Expand; roots are uniform,
// so there is nothing to extract.
func newMacer(root Secret, info string) (*macer, error) {
	subkey, err := hkdf.Expand(sha256.New, root.bytes(), info, KeyBytes)
	if err != nil {
		return nil, fmt.Errorf("credentials: derive subkey: %w", err)
	}
	m := new(macer)
	m.pool.New = func() any { return &hasher{home: m, hmac: hmac.New(sha256.New, subkey)} }
	return m, nil
}

func (m *macer) get() *hasher { return m.pool.Get().(*hasher) }

// hasher is one use of a subkey: parts are collected in buf, then summed.
type hasher struct {
	home *macer
	hmac hash.Hash
	buf  []byte
	out  [sha256.Size]byte
}

// sum returns the MAC of the parts added and gives h back; h is unusable then.
func (h *hasher) sum() [sha256.Size]byte {
	h.hmac.Reset()
	h.hmac.Write(h.buf)
	h.hmac.Sum(h.out[:0])
	out := h.out
	// The buffer held a secret and must not outlive it in the pool.
	clear(h.buf)
	h.buf = h.buf[:0]
	h.home.pool.Put(h)
	return out
}

// addParts appends every part to h.
func addParts[T ~string | ~[]byte](h *hasher, parts []T) {
	for _, part := range parts {
		h.buf = appendPart(h.buf, part)
	}
}

func addPart[T ~string | ~[]byte](h *hasher, part T) { h.buf = appendPart(h.buf, part) }

// appendPart appends the length of part in 8 bytes and part itself. A list of
// parts so encoded can be read back in one way only, hence names one input.
func appendPart[T ~string | ~[]byte](dst []byte, part T) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(len(part)))
	return append(dst, part...)
}
