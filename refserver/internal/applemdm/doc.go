// Package applemdm is the Apple side of the reference server, in one process: a
// certificate authority that speaks SCEP, NanoMDM as a library over the server's
// own database, and the decorator that tells the enrollment Service what devices
// say. The rules are those of package enrollment/apple; here is the protocol.
//
// A device is known by its certificate alone. The authority gives one for the
// challenge of one profile, and keeps to which enrollment it belongs; the queue,
// the push token and the name of the device hang on that enrollment. So a device
// that claims another's UDID gets nothing of the other's.
//
// A device is never answered 401: it would drop its profile.
package applemdm
