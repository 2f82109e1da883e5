// Package apple enrolls iPhones, iPads and Macs: it makes the enrollment profile
// that a device downloads, and turns what the device then says to an MDM server
// into enrollments and observations.
//
//	platform, err := apple.New(apple.Config{Topic: topic, Identifier: "com.example.mdm", Signer: signer, MDM: server})
//	...
//	svc, err := enrollment.New(store, enrollment.Config{Platforms: []enrollment.Platform{platform}, ...})
//	h, err := enrollhttp.New(svc, enrollhttp.Options{Platforms: []enrollment.Platform{platform}})
//	checkins := apple.CheckIns{Service: svc, Topic: topic}
//
// The package parses nothing and signs nothing. It writes XML, takes typed
// messages, and asks a [Signer]. Who parses property lists, certificate requests
// and signatures is whoever runs the MDM server and the certificate authority.
// The reference server shows both around NanoMDM, in one process; the example
// nanomdm is for a team that runs NanoMDM already.
//
// # The way of a device
//
//  1. A person accepts an invitation, or signs in with a one-time login, and is
//     led to a profile. Each download is another one: its challenge is a grant
//     ([ChallengeUse]) that is good once, for an hour, and no longer than what gave
//     it. Its id is the enrollment: it is in the subject of the certificate and in
//     the addresses of the MDM server.
//  2. The device gives the challenge to the certificate authority, which asks
//     enrollment.Service.UseGrant whether it may sign, and signs for the enrollment.
//     A replayed challenge, and one whose invitation was deactivated or got a new PIN
//     since, get no certificate. Whose certificate was lost on the way may be given it
//     again, for the same key: the reference server shows how.
//  3. The device says Authenticate and TokenUpdate, in this order or another one.
//     [CheckIns] enrolls it, if it is still admitted, and knows it from then on by
//     its enrollment ([EnrollmentRef]). TokenUpdate means enrolled: it has a
//     management profile. Authenticate does not. A new PIN makes no difference to who
//     has a certificate; a deactivation does, until the device is enrolled.
//  4. The answer to DeviceInformation is its inventory, and says whether it is
//     supervised. On a Mac, SecurityInfo says whether somebody approved the profile.
//  5. CheckOut is its goodbye. Nothing but another Authenticate brings it back.
//
// Who declines on the device before step 2 is not heard of: the server sees a
// profile that was downloaded, and nothing more.
//
// # What a device is told
//
// [AnswerTo] maps errors to answers. A device that is answered 401 drops its
// profile, so no answer is a 401. One that is to drop it, because it was deleted
// or is not admitted, is answered 403 with Apple's ErrorUnrecognizedDevice.
//
// # Ids
//
// The ids of a site and of an invitation or user travel in the challenge, which
// may have 255 characters: together they may have 124 bytes. With longer ones, or
// for keys in the device's hardware, use ACME by Config.Adapt.
//
// A user enrollment names itself by an EnrollmentID that is another one each time.
// Its device has no hardware ids, whatever a message says, and is never recognised
// as the one from before. It has to be invited so, as device.IOSUserEnrollment: any
// device can leave its UDID out.
package apple
