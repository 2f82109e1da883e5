package enrollment

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// maxID is the greatest length, in bytes, of an embedder's site or user id.
const maxID = 128

// The prefixes of the ids that we mint.
const (
	prefixInvitation = "inv_"
	prefixDevice     = "dev_"
	prefixUser       = "usr_"
	prefixEvent      = "log_"
	prefixMessage    = "evt_"
)

// idText is Crockford's alphabet in lower case; it sorts as the bytes do.
var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID mints an id: 48 bits of milliseconds and 80 random bits, as in UUID
// version 7 without its fixed bits, so that ids sort by time and are never
// guessed or used again.
func newID(prefix string, now time.Time, rand io.Reader) (string, error) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	if _, err := io.ReadFull(rand, b[6:]); err != nil {
		return "", fmt.Errorf("enrollment: random source: %w", err)
	}
	return prefix + idText.EncodeToString(b[:]), nil
}
