// Package windowsclient is a small Windows MDM client of our own: discovery,
// policies, a certificate for a key of its own, the provisioning document, OMA-DM
// sessions over mutual TLS, renewal and goodbye. Tests and the simulator play
// Windows devices with it.
//
// It shares nothing with package enrollment/windows, so that the two check each
// other: what it sends are the messages that Windows sends, and it refuses answers
// that Windows would refuse, such as one without a Content-Length, or a
// certificate that does not chain to the root in the document.
//
// Each step is a method of its own, so that a test can leave one out, repeat it, or
// put it where it does not belong.
package windowsclient
