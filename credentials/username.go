package credentials

import (
	"encoding/binary"
	"strings"
)

// UsernameLength is the length of a one-time user name in characters: a letter
// and nine of Crockford's base32, 49.5 bits.
const UsernameLength = 10

// OneTimeUsername returns the user name of a self-service login, as
// [OneTimePassword] returns its password: [UsernameLength] characters of
// Crockford's base32, lower case, the first a letter, so that no keyboard or
// spreadsheet takes it for a number. [ParseUsername] reads it.
//
// It names a login and says nothing about its user; it proves nothing by itself
// and is therefore no [Secret]. Two logins share one with a chance of 2^-49.5:
// index it by a MAC of [PurposeUsername] and take another nonce on a conflict.
func OneTimeUsername(
	ring *Keyring, keyID uint32, site, owner string, generation int, nonce []byte,
) (string, error) {
	raw, err := ring.reproduce(keyID, PurposeUsername, site, owner, generation, nonce)
	if err != nil {
		return "", err
	}
	var text [UsernameLength]byte
	// 64 bits modulo 22 letters: no letter is likelier than another by 2^-59.
	letters := crockford[10:]
	text[0] = letters[binary.BigEndian.Uint64(raw[:8])%uint64(len(letters))]
	bits := binary.BigEndian.Uint64(raw[8:16])
	for i := range text[1:] {
		text[1+i] = crockford[bits>>(59-5*i)&31]
	}
	return strings.ToLower(string(text[:])), nil
}

// ParseUsername reads a one-time user name as a person typed it: any case, ASCII
// white space around it, O read as 0, I and L as 1 (Crockford's rules). Anything
// else is [ErrMalformed]; the result is as [OneTimeUsername] wrote it.
func ParseUsername(s string) (string, error) {
	s = strings.Trim(s, asciiSpace)
	if len(s) != UsernameLength {
		return "", ErrMalformed
	}
	var text [UsernameLength]byte
	for i := range text {
		c, ok := crockfordSymbol(s[i])
		if !ok || i == 0 && c <= '9' {
			return "", ErrMalformed
		}
		text[i] = c
	}
	return strings.ToLower(string(text[:])), nil
}
