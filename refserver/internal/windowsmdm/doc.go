// Package windowsmdm is the Windows side of the reference server: package
// enrollment/windows with the server's own certificate authority, and the listener
// on which devices keep their sessions.
//
// A device is known by its certificate alone, which it shows in the TLS handshake.
// No proxy can end that for us, so sessions have a listener of their own; its
// certificate is of the same authority, unless the operator brings one, and devices
// trust it by the root in their provisioning document.
package windowsmdm
