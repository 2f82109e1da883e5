package authority

import "crypto/rsa"

// KeyOf is the key that signs, for tests that look for it where it must not be.
func (a *Authority) KeyOf() *rsa.PrivateKey { return a.roots[len(a.roots)-1].key }
