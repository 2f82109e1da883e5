// Package credentials is what a person scans, types or follows to enroll a
// device: how such secrets are made, read back, checked, shown again and
// protected from guessing. It knows neither invitations nor devices, stores
// nothing, logs nothing and reads neither clock nor entropy by itself: the time
// and the source of randomness are arguments.
//
// # Secrets
//
// A [Secret] cannot print, log or marshal itself; [Secret.Reveal] is the only
// way out, so that a review can find every place where one leaves. [NewToken],
// [NewPIN] and [NewPasscode] make secrets, [ParseToken], [ParsePIN] and
// [ParsePasscode] read what people and clients send. Errors never contain the
// input.
//
// # At rest
//
// A [Keyring] has two roots per key. The MAC root checks: every stored value to
// compare with is a [MAC], keyed, separated by [Purpose] and useless without
// the key, even for an eight-digit PIN. The sealing root shows again:
// [Keyring.Seal] encrypts what an administrator or a mail must repeat, bound by
// [AAD] to its row. Nodes that face the public get [Keyring.Public], which has
// no sealing root. What only has to be reproduced ([DeviceToken],
// [OneTimePassword] with its [OneTimeUsername]) is derived from a key and a
// nonce and never stored.
//
// # Guessing
//
// A [Limit] and a [Counter] are the arithmetic of every guess budget, pace and
// lockout; [Policy] holds the numbers of a site, and [Policy.Odds] computes what
// they leave to a guesser. Spend a try and commit it before comparing; give it
// back with [Counter.Refund] after the right answer.
//
// # Showing
//
// [DeploymentURL] makes the link, [EncodeQR] its QR code, which renders itself
// as a 1-bit PNG, as SVG and for a terminal, always with the quiet zone that
// scanners need.
package credentials
