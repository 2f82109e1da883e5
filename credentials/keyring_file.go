package credentials

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// keyringHeader is the first line of a key file that is not a comment. The
// number changes whenever an older reader would misread the rest.
const keyringHeader = "enrollkit-keyring 1"

// noSeal stands for the sealing root in the file of a public ring.
const noSeal = "-"

// keyCheckBytes is the length of the check at the end of a key line. Forty-eight
// bits find any slip of the hand; they defend against nobody.
const keyCheckBytes = 6

// maxKeyringFile bounds what ParseKeyring reads, in bytes.
const maxKeyringFile = 64 << 10

// MarshalKeyring returns the ring as a text file: the keys themselves. Store it
// like a private key, outside the database and its backups.
//
//	enrollkit-keyring 1
//	key 2 <MAC root> <sealing root or -> <check>
//	key 1 <MAC root> <sealing root or -> <check>
//	names <root> <check>
//
// The first key is the current one; roots and checks are base64url without
// padding. The last line is there once the key that names come from is gone
// ([Keyring.Name]). Lines that are empty or start with # are comments.
func (k *Keyring) MarshalKeyring() []byte {
	b := []byte(keyringHeader + "\n# Secret. The first key is the current one.\n")
	for _, key := range k.all() {
		b = fmt.Appendf(b, "key %d ", key.ID)
		b = base64.RawURLEncoding.AppendEncode(b, key.MAC.bytes())
		b = append(b, ' ')
		if key.Seal.IsZero() {
			b = append(b, noSeal...)
		} else {
			b = base64.RawURLEncoding.AppendEncode(b, key.Seal.bytes())
		}
		b = append(b, ' ')
		b = base64.RawURLEncoding.AppendEncode(b, keyCheck(key))
		b = append(b, '\n')
	}
	return k.appendNames(b)
}

// ParseKeyring reads what [Keyring.MarshalKeyring] wrote, comments added. It is
// strict: an unknown version or line, another spelling of a number or a root, a
// failing check are [ErrInvalidKeyring] with the number of the line and nothing
// of its content.
func ParseKeyring(file []byte) (*Keyring, error) {
	if len(file) > maxKeyringFile {
		return nil, fmt.Errorf("%w: file of more than %d bytes", ErrInvalidKeyring, maxKeyringFile)
	}
	var keys []Key
	var names Secret
	header, number := false, 0
	for line := range bytes.Lines(file) {
		number++
		// A file edited on Windows is still the same file.
		text := string(bytes.TrimRight(line, "\r\n"))
		switch {
		case text == "" || text[0] == '#':
		case !header:
			if text != keyringHeader {
				return nil, fmt.Errorf("%w: line %d: want %q", ErrInvalidKeyring, number, keyringHeader)
			}
			header = true
		case strings.HasPrefix(text, "names ") && names.IsZero():
			var err error
			if names, err = parseNamesLine(text); err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", ErrInvalidKeyring, number, err)
			}
		default:
			key, err := parseKeyLine(text)
			if err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", ErrInvalidKeyring, number, err)
			}
			keys = append(keys, key)
		}
	}
	return newKeyring(names, keys...)
}

// parseKeyLine reads one key. Its errors name the field, never its content.
func parseKeyLine(text string) (Key, error) {
	fields := strings.Split(text, " ")
	if len(fields) != 5 || fields[0] != "key" {
		return Key{}, fmt.Errorf("%w: want \"key\", id, MAC root, sealing root, check", ErrMalformed)
	}
	id, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil || strconv.FormatUint(id, 10) != fields[1] {
		return Key{}, fmt.Errorf("%w: id", ErrMalformed)
	}
	key := Key{ID: uint32(id)}
	if key.MAC, err = parseRoot(fields[2]); err != nil {
		return Key{}, fmt.Errorf("%w: MAC root", err)
	}
	if fields[3] != noSeal {
		if key.Seal, err = parseRoot(fields[3]); err != nil {
			return Key{}, fmt.Errorf("%w: sealing root", err)
		}
	}
	check, err := decodeCanonical(fields[4])
	if err != nil || subtle.ConstantTimeCompare(check, keyCheck(key)) != 1 {
		return Key{}, fmt.Errorf("%w: check", ErrMalformed)
	}
	return key, nil
}

// parseRoot reads one root.
func parseRoot(s string) (Secret, error) {
	b, err := decodeCanonical(s)
	if err != nil || len(b) != KeyBytes {
		return Secret{}, ErrMalformed
	}
	defer clear(b)
	return NewSecret(b), nil
}

// decodeCanonical decodes base64url and refuses every spelling but the one that
// MarshalKeyring writes; the decoder's own error would quote the input.
func decodeCanonical(s string) ([]byte, error) {
	b, err := tokenEncoding().DecodeString(s)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(b)) != len(s) {
		return nil, ErrMalformed
	}
	return b, nil
}

// keyCheck returns the check of a key line, over the id and both roots. A typing
// error in a root would otherwise be a valid key that fits nothing.
func keyCheck(key Key) []byte {
	h := hmac.New(sha256.New, key.MAC.bytes())
	h.Write(binary.BigEndian.AppendUint32([]byte("enrollkit/v1/keyring/check"), key.ID))
	h.Write(key.Seal.bytes())
	return h.Sum(nil)[:keyCheckBytes]
}
