package credentials

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// The envelope: version(1) algorithm(1) key id(4) nonce(24) ciphertext tag(16).
const (
	sealVersion   = 1
	sealXChaCha20 = 1 // XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03)

	sealHeader   = 1 + 1 + 4
	sealPrefix   = sealHeader + chacha20poly1305.NonceSizeX
	sealOverhead = sealPrefix + chacha20poly1305.Overhead
)

// Plaintexts are padded to a power of two between these, so that an envelope
// tells neither a PIN of 8 digits from one of 12 nor an invitation's set of
// secrets with a PIN from one without.
const (
	minPadded = 32
	maxPadded = 4096
	padPrefix = 2 // the length of the plaintext, big-endian
)

// MaxSealed is the longest plaintext in bytes that [Keyring.Seal] takes.
const MaxSealed = maxPadded - padPrefix

// aadDomain starts every additional data: envelopes of another product or
// version under the same key never open here.
const aadDomain = "enrollkit/v1"

// AAD is the place an envelope belongs to. It is authenticated and not stored in
// the envelope: whoever moves an envelope to another row, column, site or
// generation makes it unreadable.
type AAD struct {
	Site       string // the tenant
	Owner      string // the row: an id that is never reused
	Kind       string // what the envelope holds: "set", "passcode"
	Generation int    // counts replacements within the row
}

// Seal encrypts plaintext under the current key for the place a. Two envelopes
// of one plaintext differ. It returns [ErrNoSealingKey] on a public ring,
// [ErrMalformed] for the zero Secret, [ErrTooLong] above [MaxSealed] bytes.
func (k *Keyring) Seal(rand io.Reader, a AAD, plaintext Secret) ([]byte, error) {
	if plaintext.IsZero() {
		return nil, fmt.Errorf("%w: nothing to seal", ErrMalformed)
	}
	if len(plaintext.bytes()) > MaxSealed {
		return nil, fmt.Errorf("%w: sealing more than %d bytes", ErrTooLong, MaxSealed)
	}
	s := k.r.sites.scratch()
	defer k.r.sites.release(s)
	s.text = append(s.text, plaintext.bytes()...)
	return k.seal(rand, a, s)
}

// seal encrypts s.text[padPrefix:].
func (k *Keyring) seal(rand io.Reader, a AAD, s *sealScratch) ([]byte, error) {
	key := &k.r.keys[0]
	if !k.CanSeal() {
		return nil, ErrNoSealingKey
	}
	aead, err := k.r.sites.aead(key, a.Site)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(s.text, uint16(len(s.text)-padPrefix))
	for size := paddedSize(len(s.text)); len(s.text) < size; {
		s.text = append(s.text, 0)
	}

	env := make([]byte, sealPrefix, sealOverhead+len(s.text))
	env[0], env[1] = sealVersion, sealXChaCha20
	binary.BigEndian.PutUint32(env[2:], key.ID)
	nonce := env[sealHeader:sealPrefix]
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("credentials: read randomness: %w", err)
	}
	s.aad = a.append(s.aad, env[:sealHeader])
	return aead.Seal(env, nonce, s.text, s.aad), nil
}

// Open decrypts what Seal returned, for the same place. It returns
// [ErrMalformed] for bytes that are no envelope of a known version,
// [ErrNoSealingKey] on a public ring, [ErrUnknownKey] if the ring lacks the
// envelope's key, and [ErrTampered] if anything else does not fit.
func (k *Keyring) Open(a AAD, envelope []byte) (Secret, error) {
	id, err := EnvelopeKey(envelope)
	if err != nil {
		return Secret{}, err
	}
	if !k.CanSeal() {
		return Secret{}, ErrNoSealingKey
	}
	key, err := k.find(id)
	if err != nil {
		return Secret{}, err
	}
	aead, err := k.r.sites.aead(key, a.Site)
	if err != nil {
		return Secret{}, err
	}
	s := k.r.sites.scratch()
	defer k.r.sites.release(s)
	s.aad = a.append(s.aad, envelope[:sealHeader])
	text, err := aead.Open(s.text[:0], envelope[sealHeader:sealPrefix], envelope[sealPrefix:], s.aad)
	if err != nil {
		return Secret{}, ErrTampered
	}
	s.text = text
	n := int(binary.BigEndian.Uint16(text))
	if n == 0 || paddedSize(n+padPrefix) != len(text) {
		return Secret{}, ErrTampered
	}
	return NewSecret(text[padPrefix : padPrefix+n]), nil
}

// EnvelopeKey returns the id of the key that sealed an envelope, to find what a
// rotation has still to re-seal. It authenticates nothing. Bytes that are no
// envelope of a known version are [ErrMalformed].
func EnvelopeKey(envelope []byte) (uint32, error) {
	n := len(envelope) - sealOverhead
	if n < minPadded || n > maxPadded || paddedSize(n) != n || envelope[0] != sealVersion || envelope[1] != sealXChaCha20 {
		return 0, fmt.Errorf("%w: envelope", ErrMalformed)
	}
	return binary.BigEndian.Uint32(envelope[2:]), nil
}

// append appends the additional data of a: every field with its length, then the
// envelope's header, which has version, algorithm and key id.
func (a AAD) append(dst, header []byte) []byte {
	dst = appendPart(dst, aadDomain)
	dst = appendPart(dst, a.Site)
	dst = appendPart(dst, a.Owner)
	dst = appendPart(dst, a.Kind)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Generation))
	return append(dst, header...)
}

// paddedSize returns the size class of n bytes, the length prefix included.
func paddedSize(n int) int {
	size := minPadded
	for size < n {
		size *= 2
	}
	return size
}

// maxSites bounds the cache of site keys. A site costs about 200 bytes; deriving
// its key again about a microsecond.
const maxSites = 4096

// siteCache holds the AEADs of recent sites and the buffers of sealing. The zero
// value is ready.
type siteCache struct {
	mu    sync.RWMutex
	aeads map[siteKey]cipher.AEAD
	pool  sync.Pool
}

type siteKey struct {
	id   uint32
	site string
}

// aead returns the AEAD of a site under key. Sites have keys of their own, so
// that nonces of all sites together never wear out one key.
func (c *siteCache) aead(key *ringKey, site string) (cipher.AEAD, error) {
	c.mu.RLock()
	aead, ok := c.aeads[siteKey{key.ID, site}]
	c.mu.RUnlock()
	if ok {
		return aead, nil
	}
	siteRoot, err := hkdf.Expand(sha256.New, key.Seal.bytes(), "enrollkit/v1/seal/site/"+site, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("credentials: derive site key: %w", err)
	}
	if aead, err = chacha20poly1305.NewX(siteRoot); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Starting over is crude and needs no bookkeeping on the hot path.
	if c.aeads == nil || len(c.aeads) >= maxSites {
		c.aeads = make(map[siteKey]cipher.AEAD)
	}
	c.aeads[siteKey{key.ID, strings.Clone(site)}] = aead
	return aead, nil
}

// sealScratch is reused because the AEAD's arguments escape to the heap. text
// starts with room for the length.
type sealScratch struct{ text, aad []byte }

func (c *siteCache) scratch() *sealScratch {
	s, ok := c.pool.Get().(*sealScratch)
	if !ok {
		s = &sealScratch{make([]byte, padPrefix, 128), make([]byte, 0, 256)}
	}
	return s
}

// release clears the secret and gives the buffers back.
func (c *siteCache) release(s *sealScratch) {
	clear(s.text)
	s.text, s.aad = s.text[:padPrefix], s.aad[:0]
	c.pool.Put(s)
}
