package credentials

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
)

// What can be wrong with keys. None of them says anything about the credential
// being checked, so none may be counted as a wrong try.
var (
	// ErrUnknownKey says that a key id is not in the ring: a node has an old or a
	// wrong ring. Answer "unavailable", never "wrong".
	ErrUnknownKey = errors.New("credentials: unknown key")

	// ErrWrongKey says that the ring has a key of that id with another content.
	ErrWrongKey = errors.New("credentials: wrong key")

	// ErrTampered says that an envelope was changed, or moved from the place it
	// was sealed for.
	ErrTampered = errors.New("credentials: tampered")

	// ErrNoSealingKey says that the ring is for the public plane, which can check
	// credentials but not show them.
	ErrNoSealingKey = errors.New("credentials: no sealing key")

	// ErrInvalidKeyring says that keys do not make a ring.
	ErrInvalidKeyring = errors.New("credentials: invalid keyring")
)

// KeyBytes is the length of every root and derived key: 256 bits.
const KeyBytes = 32

// Key is one generation of the two roots from which everything else is derived.
// They are separate so that a node that faces the public can have the one
// without the other. A Key prints its id and nothing else.
type Key struct {
	// ID names the key in stored values. It is not zero and never reused for
	// another content.
	ID uint32

	// MAC is the root of everything that checks or reproduces: KeyBytes bytes.
	MAC Secret

	// Seal is the root of everything that shows again: KeyBytes bytes, or zero on
	// the public plane.
	Seal Secret
}

// NewKey returns a key with fresh roots. rand is normally crypto/rand.Reader.
func NewKey(id uint32, rand io.Reader) (Key, error) {
	root := make([]byte, KeyBytes)
	if _, err := io.ReadFull(rand, root); err != nil {
		return Key{}, fmt.Errorf("credentials: read randomness: %w", err)
	}
	defer clear(root)
	return KeyFromRoot(id, NewSecret(root))
}

// KeyFromRoot returns the key whose two roots come from one root of KeyBytes
// random bytes, for instance kept by a key management service, by HKDF-SHA-256.
// The same root always gives the same key.
func KeyFromRoot(id uint32, root Secret) (Key, error) {
	if id == 0 || len(root.bytes()) != KeyBytes {
		return Key{}, fmt.Errorf("%w: want a non-zero id and a root of %d bytes", ErrInvalidKeyring, KeyBytes)
	}
	prk, err := hkdf.Extract(sha256.New, root.bytes(), nil)
	if err != nil {
		return Key{}, fmt.Errorf("credentials: derive key: %w", err)
	}
	key := Key{ID: id}
	for info, dst := range map[string]*Secret{"enrollkit/v1/root/mac": &key.MAC, "enrollkit/v1/root/seal": &key.Seal} {
		b, err := hkdf.Expand(sha256.New, prk, info, KeyBytes)
		if err != nil {
			return Key{}, fmt.Errorf("credentials: derive key: %w", err)
		}
		*dst = NewSecret(b)
	}
	return key, nil
}

// Keyring is an ordered set of keys: the first is current and makes new values,
// the rest still read old ones. It is immutable; [Keyring.Rotate] and the like
// return another ring. It prints as "[redacted]" and is safe for concurrent use.
// Make one with [NewKeyring] or [ParseKeyring]; the zero value is not usable.
//
// To rotate without a flag day: [Keyring.Add] a key on every node, then
// [Keyring.Promote] it, then re-seal and re-MAC what is stored
// (enrollment.Service.Rekey), then drop the old one with [Keyring.Without]. On a
// single node, Rotate does the first two. Ids grow: what is stored under a key
// with a lower id than the current one is what has to be changed.
type Keyring struct{ r *ring }

// ring is behind a pointer so that a dereferenced Keyring prints an address.
type ring struct {
	keys  []ringKey
	sites siteCache

	namesRoot Secret
	names     map[Purpose]*macer // for Name
}

// ringKey is a Key with its subkeys derived.
type ringKey struct {
	Key
	checks  map[Purpose]*macer // for MAC
	derives map[Purpose]*macer // for Derive
}

// NewKeyring returns the ring of keys, the first being current. Ids are unique
// and not zero; either every key has a sealing root or none has. Anything else
// is [ErrInvalidKeyring].
func NewKeyring(keys ...Key) (*Keyring, error) { return newKeyring(Secret{}, keys...) }

// newKeyring is NewKeyring with the root of names; zero: the keys' own.
func newKeyring(names Secret, keys ...Key) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key", ErrInvalidKeyring)
	}
	r := &ring{keys: make([]ringKey, len(keys)), namesRoot: names, names: map[Purpose]*macer{}}
	for i, key := range keys {
		switch {
		case key.ID == 0:
			return nil, fmt.Errorf("%w: key id 0", ErrInvalidKeyring)
		case slices.ContainsFunc(keys[:i], func(k Key) bool { return k.ID == key.ID }):
			return nil, fmt.Errorf("%w: key id %d twice", ErrInvalidKeyring, key.ID)
		case !isRoot(key.MAC):
			return nil, fmt.Errorf("%w: key %d: no usable MAC root", ErrInvalidKeyring, key.ID)
		case !key.Seal.IsZero() && !isRoot(key.Seal):
			return nil, fmt.Errorf("%w: key %d: no usable sealing root", ErrInvalidKeyring, key.ID)
		case key.Seal.IsZero() != keys[0].Seal.IsZero():
			return nil, fmt.Errorf("%w: sealing and public keys mixed", ErrInvalidKeyring)
		case key.MAC.Equal(key.Seal):
			return nil, fmt.Errorf("%w: key %d: both roots are the same", ErrInvalidKeyring, key.ID)
		}
		r.keys[i] = ringKey{Key: key, checks: map[Purpose]*macer{}, derives: map[Purpose]*macer{}}
		for _, p := range Purposes() {
			var err error
			if r.keys[i].checks[p], err = newMacer(key.MAC, checkInfo+string(p)); err != nil {
				return nil, err
			}
			if r.keys[i].derives[p], err = newMacer(key.MAC, deriveInfo+string(p)); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if names.IsZero() {
		if r.namesRoot, err = namesOf(keys); err != nil {
			return nil, err
		}
	}
	for _, p := range Purposes() {
		if r.names[p], err = newMacer(r.namesRoot, nameInfo+string(p)); err != nil {
			return nil, err
		}
	}
	return &Keyring{r}, nil
}

// isRoot reports whether s can be a root: KeyBytes bytes and not all zero, which
// is what a forgotten key looks like.
func isRoot(s Secret) bool {
	return len(s.bytes()) == KeyBytes && slices.ContainsFunc(s.bytes(), func(b byte) bool { return b != 0 })
}

// IDs returns the key ids, the current one first.
func (k *Keyring) IDs() []uint32 {
	ids := make([]uint32, len(k.r.keys))
	for i := range k.r.keys {
		ids[i] = k.r.keys[i].ID
	}
	return ids
}

// Current returns the id of the key that makes new values.
func (k *Keyring) Current() uint32 { return k.r.keys[0].ID }

// CanSeal reports whether the ring has sealing roots.
func (k *Keyring) CanSeal() bool { return !k.r.keys[0].Seal.IsZero() }

// Public returns the ring without its sealing roots, for nodes that face the
// public: they check and reproduce credentials and cannot show them.
func (k *Keyring) Public() *Keyring {
	keys := k.all()
	for i := range keys {
		keys[i].Seal = Secret{}
	}
	ring, err := newKeyring(k.r.namesRoot, keys...)
	if err != nil {
		// Every key was accepted with more roots than it has now.
		panic("credentials: public ring of a valid ring: " + err.Error())
	}
	return ring
}

// Rotate returns the ring with a fresh current key, its id one above the highest
// in the ring; the others stay readable. It returns [ErrNoSealingKey] for a
// public ring, which does not own keys. Keep a removed key's id out of use:
// rotate before removing the highest.
func (k *Keyring) Rotate(rand io.Reader) (*Keyring, error) {
	if !k.CanSeal() {
		return nil, ErrNoSealingKey
	}
	highest := slices.Max(k.IDs())
	if highest == math.MaxUint32 {
		return nil, fmt.Errorf("%w: no key id left", ErrInvalidKeyring)
	}
	key, err := NewKey(highest+1, rand)
	if err != nil {
		return nil, err
	}
	return newKeyring(k.r.namesRoot, append([]Key{key}, k.all()...)...)
}

// Add returns the ring with key as the last one: readable, not current.
func (k *Keyring) Add(key Key) (*Keyring, error) {
	return newKeyring(k.r.namesRoot, append(k.all(), key)...)
}

// Promote returns the ring with the key id as the current one, or
// [ErrUnknownKey]. Promoting the current key changes nothing.
func (k *Keyring) Promote(id uint32) (*Keyring, error) {
	key, err := k.find(id)
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(k.all(), func(o Key) bool { return o.ID == id })
	return newKeyring(k.r.namesRoot, append([]Key{key.Key}, rest...)...)
}

// Without returns the ring without the key id, once nothing stored names it any
// more. It returns [ErrUnknownKey] if there is none, and [ErrInvalidKeyring] for
// the current key, which something may be using right now.
func (k *Keyring) Without(id uint32) (*Keyring, error) {
	if _, err := k.find(id); err != nil {
		return nil, err
	}
	if id == k.Current() {
		return nil, fmt.Errorf("%w: key %d is current, promote another first", ErrInvalidKeyring, id)
	}
	return newKeyring(k.r.namesRoot, slices.DeleteFunc(k.all(), func(o Key) bool { return o.ID == id })...)
}

// String returns "[redacted]".
func (*Keyring) String() string { return redacted }

// GoString returns "[redacted]", also for %#v.
func (*Keyring) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb and flags.
func (*Keyring) Format(f fmt.State, verb rune) { Secret{}.Format(f, verb) }

// LogValue returns "[redacted]".
func (*Keyring) LogValue() slog.Value { return slog.StringValue(redacted) }

// all returns a copy of the keys, the current one first.
func (k *Keyring) all() []Key {
	keys := make([]Key, len(k.r.keys))
	for i := range k.r.keys {
		keys[i] = k.r.keys[i].Key
	}
	return keys
}

// find returns the key id. Rings hold a handful of keys: a scan beats a map.
func (k *Keyring) find(id uint32) (*ringKey, error) {
	for i := range k.r.keys {
		if k.r.keys[i].ID == id {
			return &k.r.keys[i], nil
		}
	}
	return nil, fmt.Errorf("%w: id %d", ErrUnknownKey, id)
}
