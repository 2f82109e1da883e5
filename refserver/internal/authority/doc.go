// Package authority is a certificate authority in the server's database: it gives
// devices the certificates by which a platform knows them, and says whose a
// certificate is.
//
// Every node has the same authority. Its keys are in the database, sealed with the
// key ring, and what it issued is there before anybody gets it. An authority has
// generations: [Rotate] makes a new root, which signs from then on; those before
// stay trusted for the certificates that they signed. Nodes notice by themselves.
//
// The key of a root signs certificates and nothing else. What a protocol wants
// besides, to decrypt requests or to sign files, is done with a [Deputy]'s key, so
// that a mistake there forges no certificate.
package authority
