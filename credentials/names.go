package credentials

import (
	"cmp"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// namesInfo is the HKDF label of the root of names, and nameInfo that of the
// subkeys below it.
const (
	namesInfo = "enrollkit/v1/names"
	nameInfo  = "enrollkit/v1/name/"
)

// Name returns what stands for parts where they must not stand themselves and
// have to be found again by nothing else: an address or a source network in the
// key of a counter. Unlike [Keyring.MAC] it does not change with the current
// key, or a rotation would start every pace anew and give guesses back.
//
// It comes from a root of its own, which a ring takes from its key with the
// lowest id and keeps through Add, Promote, Rotate, Without and Public, also
// when that key is gone; see [Keyring.WithNames].
func (k *Keyring) Name(p Purpose, parts ...[]byte) [sha256.Size]byte {
	m := k.r.names[p]
	if m == nil {
		var err error
		if m, err = newMacer(k.r.namesRoot, nameInfo+string(p)); err != nil {
			// Expanding 32 bytes cannot fail.
			panic("credentials: name: " + err.Error())
		}
	}
	h := m.get()
	addParts(h, parts)
	return h.sum()
}

// Names returns the root of names, KeyBytes bytes: keep it where the keys are
// kept once the key that it comes from is gone, for [Keyring.WithNames].
// [Keyring.MarshalKeyring] does.
func (k *Keyring) Names() Secret { return k.r.namesRoot }

// WithNames returns the ring with another root of names: the one that an older
// ring had ([Keyring.Names]), for rings that are made of their keys each time
// and have lost their first; or a fresh one, to make what stored names stand for
// unrecognisable after their root was stolen. Every node needs the same, and a
// change starts all paces anew. A root of another length is
// [ErrInvalidKeyring].
func (k *Keyring) WithNames(root Secret) (*Keyring, error) {
	if !isRoot(root) {
		return nil, fmt.Errorf("%w: no usable root of names", ErrInvalidKeyring)
	}
	return newKeyring(root, k.all()...)
}

// namesOf is the root of names that a set of keys has by itself: that of the key
// with the lowest id, which is the oldest and in every ring until it is removed.
func namesOf(keys []Key) (Secret, error) {
	oldest := slices.MinFunc(keys, func(a, b Key) int { return cmp.Compare(a.ID, b.ID) })
	root, err := hkdf.Expand(sha256.New, oldest.MAC.bytes(), namesInfo, KeyBytes)
	if err != nil {
		return Secret{}, fmt.Errorf("credentials: derive root of names: %w", err)
	}
	defer clear(root)
	return NewSecret(root), nil
}

// appendNames appends the line of a key file that keeps the root of names; a
// ring that still has the key it comes from needs none.
func (k *Keyring) appendNames(b []byte) []byte {
	root := k.r.namesRoot
	if own, err := namesOf(k.all()); err == nil && own.Equal(root) {
		return b
	}
	b = append(b, "names "...)
	b = base64.RawURLEncoding.AppendEncode(b, root.bytes())
	b = append(b, ' ')
	b = base64.RawURLEncoding.AppendEncode(b, namesCheck(root))
	return append(b, '\n')
}

// parseNamesLine reads what appendNames wrote.
func parseNamesLine(text string) (Secret, error) {
	fields := strings.Split(text, " ")
	if len(fields) != 3 {
		return Secret{}, fmt.Errorf("%w: want \"names\", root, check", ErrMalformed)
	}
	root, err := parseRoot(fields[1])
	if err != nil || !isRoot(root) {
		return Secret{}, fmt.Errorf("%w: root of names", ErrMalformed)
	}
	check, err := decodeCanonical(fields[2])
	if err != nil || subtle.ConstantTimeCompare(check, namesCheck(root)) != 1 {
		return Secret{}, fmt.Errorf("%w: check", ErrMalformed)
	}
	return root, nil
}

// namesCheck finds slips of the hand, as keyCheck does.
func namesCheck(root Secret) []byte {
	h := hmac.New(sha256.New, root.bytes())
	h.Write([]byte("enrollkit/v1/keyring/names"))
	return h.Sum(nil)[:keyCheckBytes]
}
