package simulate

import (
	"time"

	"example.com/enrollkit/device"
)

// Verb is something that somebody does.
type Verb string

const (
	// Before there is a device.
	Fetch       Verb = "fetch"        // a mail scanner fetches every link
	Open        Verb = "open"         // the person opens the page; with "desk", on a computer
	OpenCut     Verb = "open_cut"     // the person opens a link that lost its end
	OpenOver    Verb = "open_over"    // the person opens the link of an invitation that is over
	Accept      Verb = "accept"       // the person sends the form
	MistypePIN  Verb = "mistype_pin"  // with "digit" or "short"
	Enroll      Verb = "enroll"       // by "link", "qr" or "pin"
	Refused     Verb = "refused"      // enrolls and hears that there is no place left
	EnrollAgain Verb = "enroll_again" // the same hardware with a new enrollment id; with a mode or none

	// A computer that Windows itself has managed.
	SignIn       Verb = "sign_in" // by "invitation" or "self_service"
	RepeatSignIn Verb = "repeat_sign_in"
	Session      Verb = "session"

	// The agent on the device.
	RepeatEnroll Verb = "repeat_enroll" // the answer was lost
	StaleEnroll  Verb = "stale_enroll"  // a repetition from before the hardware enrolled anew
	ReportOne    Verb = "report"        // one missing fact
	Finish       Verb = "finish"        // every missing fact, one after another
	Repeat       Verb = "repeat"        // the last report once more, as it was
	Late         Verb = "late"          // a report with a number that is long past
	CheckIn      Verb = "check_in"
	Lose         Verb = "lose" // a permission
	Regain       Verb = "regain"
	Silence      Verb = "silence"    // nothing, for long
	Unenroll     Verb = "unenroll"   // the device leaves by itself
	Farewell     Verb = "farewell"   // a message of a device that has left
	OldToken     Verb = "old_token"  // a message with the token of an earlier enrollment
	AfterDelete  Verb = "after_gone" // a message of a device that was deleted

	// An administrator.
	Resend     Verb = "resend"
	InviteAnew Verb = "invite_anew" // which replaces the invitation
	NewPIN     Verb = "new_pin"
	Deactivate Verb = "deactivate"
	Renew      Verb = "renew"
	Remove     Verb = "remove"
	Delete     Verb = "delete"
)

// Act is one thing that is done, After the one before it.
type Act struct {
	After  time.Duration // of the people's time
	Do     Verb
	With   string
	Device int // which of the person's
}

// Story is one way in which an enrollment goes.
type Story struct {
	Name   string
	Weight int // how many of a deck of 30 devices
	// Kinds it is about; empty: any.
	Kinds []kind
	// Devices it takes; 0: one.
	Devices int
	// Invite is how its people are invited.
	Invite Invite
	script func(*script)
}

// Invite is how a person is invited.
type Invite struct {
	Unsent     bool // created and not mailed
	Mode       device.Mode
	Ownership  device.Ownership // fixed
	MaxDevices int
}

var androids = []kind{androidPhone, androidTablet}

// Stories lists what can happen. Their weights make one deck, so that every 30
// devices play every story.
func Stories() []Story {
	return []Story{
		{Name: "ignores the mail", Weight: 2, script: func(s *script) {
			s.maybe(50, func() { s.after(days(1), days(2)).do(Resend) })
		}},
		{Name: "reads and forgets", Weight: 1, script: func(s *script) {
			s.after(minutes(1), hours(8)).do(Open)
			s.maybe(50, func() { s.after(hours(1), hours(9)).do(Open) })
		}},
		{Name: "accepts and stops", Weight: 1, script: func(s *script) {
			s.arrive()
		}},
		{Name: "signs in on Windows", Weight: 1, Kinds: []kind{windowsPC}, script: func(s *script) {
			s.arrive()
			how := "invitation"
			s.maybe(50, func() { how = "self_service" })
			s.after(minutes(1), minutes(10)).do(SignIn, how)
			s.maybe(33, func() { s.after(seconds(1), seconds(30)).do(RepeatSignIn) })
			s.after(seconds(5), minutes(2)).do(Session)
			s.live()
			s.maybe(33, func() { s.after(hours(4), days(1)).do(Unenroll) })
		}},
		{Name: "enrolls by link", Weight: 2, script: func(s *script) {
			s.maybe(33, func() { s.after(minutes(1), hours(2)).do(OpenCut) })
			s.arrive()
			s.enroll("link")
			s.complete()
			s.maybe(50, func() { s.live() })
		}},
		{Name: "scans the code", Weight: 2, Kinds: androids, script: func(s *script) {
			s.after(minutes(1), hours(8)).do(Open, "desk")
			s.enroll("qr")
			s.complete()
			s.live()
		}},
		{Name: "types address and PIN", Weight: 2, Kinds: androids, script: func(s *script) {
			s.maybe(30, func() { s.after(hours(1), hours(3)).do(NewPIN) })
			s.after(minutes(5), hours(8))
			s.mistype()
			s.enroll("pin")
			s.complete()
		}},
		{Name: "gives up half way", Weight: 2, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			for range 1 + s.rng.IntN(2) {
				s.after(seconds(20), minutes(5)).do(ReportOne)
			}
			s.maybe(50, func() { s.after(days(1), days(2)).do(Renew) })
		}},
		{Name: "comes back and finishes", Weight: 1, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.after(seconds(20), minutes(5)).do(ReportOne)
			s.after(days(1), days(2)).do(Renew)
			s.after(hours(1), hours(8)).do(Repeat)
			s.complete()
		}},
		{Name: "loses a permission", Weight: 2, Kinds: androids, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(2), days(1)).do(Lose)
			s.maybe(60, func() { s.after(hours(1), days(1)).do(Regain) })
		}},
		{Name: "goes silent", Weight: 2, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(1), hours(4)).do(Silence)
			if s.rng.IntN(2) == 0 {
				return // for good
			}
			s.after(days(1), days(2)).do(CheckIn)
			s.live()
		}},
		{Name: "leaves", Weight: 1, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(4), days(1)).do(Unenroll)
			s.after(minutes(1), hours(1)).do(Farewell)
		}},
		{Name: "starts anew on the same hardware", Weight: 1, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(4), days(1)).do(EnrollAgain)
			s.after(seconds(5), minutes(1)).do(OldToken)
			s.after(seconds(5), minutes(1)).do(StaleEnroll)
			s.complete()
		}},
		{Name: "moves to a work profile", Weight: 1, Kinds: androids, script: func(s *script) {
			s.mode(device.AndroidDeviceAdmin)
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(4), days(2)).do(EnrollAgain, string(device.AndroidWorkProfile))
			s.complete()
		}},
		{Name: "has two devices", Weight: 1, Devices: 2, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.device = 1
			s.after(hours(1), days(1))
			s.enroll("qr")
			s.complete()
		}},
		{
			Name: "gets a company phone", Weight: 1, Kinds: []kind{androidPhone},
			Invite: Invite{Unsent: true, Mode: device.AndroidFullyManaged, Ownership: device.Company},
			script: func(s *script) { // the administrator has it in hand
				s.after(minutes(5), hours(4))
				s.enroll("qr")
				s.complete()
				s.live()
			},
		},
		{Name: "is invited anew", Weight: 1, script: func(s *script) {
			s.after(hours(1), hours(8)).do(InviteAnew)
			s.after(minutes(5), hours(1)).do(OpenOver)
			s.arrive()
			s.enroll("link")
			s.complete()
		}},
		{Name: "is deleted", Weight: 1, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(4), days(1)).do(Delete)
			s.after(minutes(1), hours(1)).do(AfterDelete)
			s.maybe(50, func() {
				s.after(minutes(1), hours(2)).do(EnrollAgain)
				s.complete()
			})
		}},
		{Name: "is told to go", Weight: 1, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.after(hours(4), days(1)).do(Remove)
			s.after(minutes(1), hours(4)).do(Repeat) // whose answer tells the agent
			s.maybe(70, func() { s.after(minutes(1), hours(4)).do(Unenroll) })
		}},
		{Name: "outlives the invitation", Weight: 1, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.after(minutes(1), hours(1)).do(Deactivate)
			s.after(seconds(5), minutes(1)).do(RepeatEnroll)
			s.complete()
			s.after(minutes(1), hours(1)).do(OpenOver)
		}},
		{Name: "has one place", Weight: 1, Devices: 2, Invite: Invite{MaxDevices: 1}, script: func(s *script) {
			s.arrive()
			s.enroll("link")
			s.complete()
			s.device = 1
			s.after(hours(1), days(1)).do(Refused)
		}},
	}
}
