// Package android enrolls Android devices.
//
// [Platform] is an enrollment.Platform for an agent of one's own. A person's own
// phone installs it from Google Play, which hands the invitation over as install
// referrer, or opens it by a link; a device of the company scans a provisioning
// code on its first screen ([Provisioning]), or is told "afw#..." in the place of
// a Google account. What it needs to know of the agent stands in Site.Agents.
// Mounted by enrollhttp it answers /i/{token}/android/store and
// /platform/android/login/{grant}/store: they lead to the store and look at the
// invitation or the login again first.
//
// [Managed] is one for an agent that another system provides and manages, such as
// the Android Management API: it carries that system's tokens and codes behind
// [Tokens], and turns its notifications into enrollments and observations. See
// examples/androidmanagement. [BySite] is both, as each site chooses.
//
// [CheckPayload] knows every key of a provisioning code with its type, and says
// what devices would refuse, or worse, ignore without a word. [ReadStart] is for
// the agent's side: whatever it was started by, it learns where to enroll and by
// which token.
package android
