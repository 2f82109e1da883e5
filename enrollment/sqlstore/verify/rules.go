package verify

import "slices"

// Rule is one thing that holds of every database that a [sqlstore.Store] keeps,
// at every moment and whatever was killed.
type Rule struct {
	Name string
	Says string // in one sentence; names in parentheses are those of the reliability plan
}

// Rules returns all rules in the order in which they are looked at.
func Rules() []Rule { return slices.Clone(rules) }

// The names of the rules.
const (
	integrity           = "integrity"
	oneActive           = "one active invitation"
	invitationState     = "state of an invitation"
	liveDevices         = "live devices"
	oneHardware         = "one device per hardware"
	oneEnrollment       = "one device per enrollment"
	deviceState         = "state of a device"
	tombstones          = "tombstones"
	identity            = "identity"
	contact             = "contacts"
	deviceTokens        = "device tokens"
	refs                = "refs"
	slotSet             = "slots"
	slotContent         = "slots as their rows"
	counts              = "counts"
	noGap               = "journal without gap"
	leadsToState        = "journal leads to the state"
	siteOrder           = "site order without gap"
	alertsOnce          = "alerts once"
	loginsOnce          = "logins once"
	enrollmentsAnswered = "enrollments answered"
	enrollmentsKept     = "enrollments kept"
	invitesKept         = "invites kept"
	credentialSets      = "credentials"
	credentialsOpen     = "credentials open"
	passcodesOpen       = "passcodes"
	loginsOpen          = "logins"
	keysKnown           = "keys"
	toldOnce            = "outbox"
	messageKeys         = "message keys"
	messageEnds         = "message ends"
	leases              = "leases"
	budgets             = "budgets"
	sameSite            = "sites"
	erasedPeople        = "erased people"
)

var rules = []Rule{
	{integrity, "the database finds its own structures sound (I20)"},

	{oneActive, "a user has at most one active invitation (I1)"},
	{invitationState, "an invitation has the times and the reason of its state"},
	{liveDevices, "an invitation counts its live devices, and has admitted no more than its limit (I11)"},

	{oneHardware, "hardware belongs to at most one device that is not deleted (I2)"},
	{oneEnrollment, "an enrollment id belongs to one device (I2)"},
	{deviceState, "a device has what its state implies"},
	{tombstones, "of a deleted device nothing personal is left"},
	{identity, "a device is found by the identity that its hardware gives it (I2)"},
	{contact, "a device has one contact, silent while it is unresponsive, gone once it is deleted"},
	{deviceTokens, "a device's contact has the token that its row reproduces (I14)"},
	{refs, "a device that is not deleted is found by its refs, and by nothing else"},

	{slotSet, "the list has each active invitation without a live device, each device, and nothing else (I11)"},
	{slotContent, "a row of the list shows, finds and sorts what its invitation or device says (I17)"},
	{counts, "the counts per state are those of the list (I17)"},

	{noGap, "a subject's events are numbered without gap, and its row says how many there were (I4)"},
	{leadsToState, "each event begins where the one before ended, by a legal step, and the last ends at the row (I4)"},
	{siteOrder, "a site's numbered events are without gap, and the last number is remembered"},
	{alertsOnce, "a PIN's alert and its end are journaled once each (I8)"},
	{loginsOnce, "a one-time login is used once (I6)"},

	{enrollmentsAnswered, "a device that enrolled in the last day and its kept answer were stored together (I15)"},
	{enrollmentsKept, "a kept answer to an enrollment names a device (I15)"},
	{invitesKept, "a kept answer to an invite names invitations (I15)"},

	{credentialSets, "an invitation has one set of credentials, of its generation, which can be shown while it is active only"},
	{credentialsOpen, "what is sealed opens, and its MACs are those stored (I14)"},
	{passcodesOpen, "a site has at most one passcode that opens and is proved, while it is active, and no other site has it (I8, I14)"},
	{loginsOpen, "a one-time login is the one that its row reproduces (I14)"},
	{keysKnown, "what is in use was made with a key of the ring (I14)"},

	{toldOnce, "what has to be told is queued once, in the unit in which it happened (I9)"},
	{messageKeys, "a message has a key that no other has (I9)"},
	{messageEnds, "a message has ended once, or waits, and each claim raised its fence (I9, I16)"},
	{leases, "a message is leased no longer than a lease (I16)"},

	{budgets, "no counter is beyond what any policy allows (I5)"},
	{sameSite, "what belongs together is of one site (I13)"},
	{erasedPeople, "of a person who was erased nothing personal is left"},
}

// place is where a rule stands in the list.
func place(name string) int {
	return slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
}
