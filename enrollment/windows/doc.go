// Package windows enrolls computers with Windows 10 and 11 by what is built into
// them: MS-MDE2 with its parts MS-XCEP and MS-WSTEP, and as much of OMA-DM as it
// takes to know a device and to see it go. There is nothing to install.
//
//	platform, err := windows.New(windows.Config{Authority: authority, Sites: sites, ProviderID: "ExampleMDM"})
//	...
//	svc, err := enrollment.New(store, enrollment.Config{Platforms: []enrollment.Platform{platform}, ...})
//	h, err := enrollhttp.New(svc, enrollhttp.Options{Platforms: []enrollment.Platform{platform}})
//	mux.Handle(windows.DiscoveryPath, platform.Discovery(svc))
//	sessions := &http.Server{Handler: platform.Management(svc), TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert}}
//
// It stands on the standard library alone. What it needs of the embedder is an
// [Authority], and a place where sessions come with the device's certificate.
//
// # The way of a device
//
//  1. A person accepts an invitation, or signs in with a one-time login, and is led
//     to Windows' own settings by a [DeepLink]. What is typed there is the
//     invitation's address with a one-time password that the page shows, or the
//     user name and the password of the login.
//  2. The device asks [DiscoveryPath] for the server. The answer is the same
//     whoever asks.
//  3. It asks for the policies. The login is proved, and not used up.
//  4. It asks for a certificate. The login is used up in the unit that creates the
//     device, and the answer has the certificate, the root to trust and the
//     address for sessions. Whoever did not get the answer asks again, for a day,
//     and gets the same device and a certificate for it, whatever it calls itself
//     by then. Another computer with the same login does not.
//  5. In its first session it is asked what it is. It is managed from the first
//     message on; the answer is its inventory.
//  6. Each session is contact. The alert 1226 is its goodbye, and a device that was
//     removed or deleted is told to leave in the next session that it begins.
//  7. Some weeks before its certificate ends it asks for another one, signed with
//     the key of the old.
//
// # Who a device is
//
// The common name of a certificate is the enrollment: the grant that was used
// ([EnrollmentRef]), and a short sum of the name by which the computer's messages
// call it since. A session with the certificate of another computer is refused. What
// a computer says of its hardware is a claim: it brings a device back that its user
// had before, and puts another user's into conflict. A computer that says nothing of
// it comes back by the name it gives itself.
//
// # What a device is told
//
// A refusal is a SOAP fault with HTTP status 200. What is wrong with a credential
// is Authentication, whatever it is; who has proved one, and is refused for what
// is behind it, is told Authorization or DeviceCapReached. The journal has each
// refusal once an hour, or once for each grant, with a code of its own. Sessions
// are refused with 403, and never with 401.
package windows
