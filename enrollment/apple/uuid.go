package apple

import (
	"crypto/sha256"
	"fmt"
)

// uuidOf names one part of a profile: the same name and part, the same UUID
// (version 8 of RFC 9562, from SHA-256).
func uuidOf(name, part string) string {
	sum := sha256.Sum256([]byte("enrollkit/apple/" + part + "/" + name))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
