package console

import (
	"strconv"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// The words for the codes of the SDK. A code without words is shown as it is,
// with spaces.
var (
	states = map[string]string{
		"created": "Invitation created", "sent": "Invitation sent", "opened": "Invitation opened", "deactivated": "Deactivated",
		"pending": "Pending...", "active": "Active MDM", "impaired": "Impaired", "unresponsive": "Unresponsive",
		"leaving": "Leaving", "unenrolled": "Unenrolled",
	}
	platforms  = map[string]string{"android": "Android", "ios": "iOS", "macos": "macOS", "windows": "Windows"}
	ownerships = map[string]string{"company": "Company", "personal": "Personal"}
	modes      = map[string]string{
		"android_work_profile": "Android work profile", "android_fully_managed": "Android fully managed",
		"android_company_work_profile": "Android company-owned work profile", "android_dedicated": "Android dedicated",
		"android_device_admin": "Android device admin", "ios_unsupervised": "iOS unsupervised", "ios_supervised": "iOS supervised",
		"ios_user_enrollment": "iOS user enrollment", "macos": "macOS", "windows": "Windows",
	}
	facts = map[string]string{
		"agent_installed": "Agent installed and running", "management_profile": "Management profile", "work_profile": "Work profile",
		"device_owner": "Agent is device owner", "admin_rights": "Device admin rights", "permissions": "All permissions granted",
		"inventory_received": "Inventory received", "user_approved": "Profile approved by the user", "supervised": "Supervised",
	}
	actions = map[string]string{
		"install_agent": "install the agent", "install_profile": "install the management profile",
		"create_work_profile": "create the work profile", "provision_device": "provision the device", "sign_in": "sign in in the settings",
		"activate_admin": "activate device admin", "grant_permissions": "grant the permissions",
		"approve_profile": "approve the profile", "supervise_device": "supervise the device",
		"send_inventory": "send its inventory", "reach_server": "go online and open the agent",
		"leave_management": "leave management", "enroll_again": "enroll again", "resolve_conflict": "resolve the conflict",
		"accept": "accept the invitation",
	}
	parties    = map[string]string{"user": "the user", "device": "the device", "server": "the server", "admin": "an administrator"}
	deliveries = map[string]string{"": "Not mailed", "queued": "Mail queued", "accepted": "Mail accepted", "failed": "Mail failed", "bounced": "Mail bounced"}
	reasons    = map[string]string{"by_admin": "by an administrator", "superseded": "replaced by a newer one", "expired": "expired", "exhausted": "all its devices have enrolled", "silent": "silent for too long",
		"user_erased": "everything about the person was erased"}
	evidences = map[string]string{
		"fetched": "Page fetched", "accepted": "Accepted by a person", "profile_downloaded": "Profile downloaded", "store_redirected": "Sent to the store",
		"first_contact": "First contact of a device", "certificate_issued": "Certificate issued", "management_active": "Management active",
	}
	hints = map[string]string{
		"send_invitation": "Send it, or set the device up with its credentials.", "correct_address": "The mail did not arrive: correct the address.",
		"check_mailbox":          "Not opened: ask the user to look into the inbox, or the spam folder.",
		"accept_on_page":         "Ask the user to accept on the page. Mail scanners fetch it, too.",
		"follow_next_step":       "Accepted, and stopped there: ask the user to follow the next step on the page.",
		"install_and_open_agent": "Was sent to the store: ask the user to install the agent and to open it.",
		"install_profile":        "Has the profile: ask the user to install it in the settings. It waits there for some minutes only.",
		"keep_online":            "Has its certificate: the device has to be online.",
		"finish_on_device":       "The device made contact: ask the user to finish there.",
		"invite_again":           "It is over: invite again.",
	}
	events = map[string]string{"device.adopted": "Taken over from another system", "user.erased": "Everything about the person erased",
		"user.exported":        "What is held of the person was exported",
		"device.facts_changed": "Facts changed", "invitation.credentials_revealed": "Credentials shown", "invitation.pin_replaced": "New PIN",
		"passcode.generated": "Passcode generated", "passcode.revealed": "Passcode shown", "passcode.disabled": "Passcode disabled",
		"passcode.alert": "Administrators alerted", "passcode.locked": "Passcode locked",
		"site.pins_slowed": "PINs slowed down: too many wrong ones"}
	mailKinds = map[string]string{
		"mail.invitation": "Invitation", "mail.renewal": "Renewal", "mail.alert": "Alert", "mail.self_service": "One-time login",
		"invitation": "Invitation", "renewal": "Renewal", "alert": "Alert", "self_service": "One-time login",
	}
	mailAbout = map[string]string{
		"invitation": "To whom an administrator invites.", "renewal": "To the user of a device that went silent.",
		"alert": "To the administrators, when something needs them.", "self_service": "To who asked for a login on the enrollment page.",
	}
	passcodes     = map[string]string{"none": "Not set up", "active": "Open", "locked": "Locked", "disabled": "Disabled"}
	jobs          = map[string]string{"checking": "Checking the file", "checked": "Checked", "importing": "Importing", "imported": "Imported"}
	importActions = map[string]string{"created": "New user", "updated": "Change", "unchanged": "As it is", "error": "Not taken"}
	columns       = map[string]string{"email": "E-mail address", "name": "Name", "language": "Language", "external_id": "External id", "row": "Cells",
		"subject": "Subject", "text": "Text", "html": "HTML"}
	wrongs = map[string]string{
		"required": "This is required.", "malformed": "This is malformed.", "too_long": "This is too long.", "unknown": "This is not known here.",
		"out_of_range": "This is out of range.", "mismatch": "This does not fit the rest.", "no_address": "There is no e-mail address to send to.",
		"not_found": "There is no such user.", "invitation_active": "Has an active invitation.", "conflict": "This is taken already.",
		"repeated": "This is in the list twice.", "not_allowed": "This is not allowed here.",
		"invalid": "Something about this person is not acceptable.",
	}
)

func word(words map[string]string, code string) string {
	if w, ok := words[code]; ok {
		return w
	}
	_, code, dotted := strings.Cut("."+code, ".")
	if _, last, ok := strings.Cut(code, "."); dotted && ok {
		code = last
	}
	code = strings.ReplaceAll(code, "_", " ")
	if code == "" {
		return ""
	}
	return strings.ToUpper(code[:1]) + code[1:]
}

// reason puts a state's reason into words; a fact is one that is missing.
func reason(code string) string {
	if fact, ok := facts[code]; ok {
		return "missing: " + fact
	}
	return word(reasons, code)
}

// begun says how a mode is best begun.
func begun(m device.Mode) string {
	how := ""
	for _, r := range enrollment.Recommendations() {
		if r.Mode == m {
			how = "created only, with the device in hand"
			if r.Send {
				how = "sent to the user"
			}
		}
	}
	if m == device.AndroidDeviceAdmin {
		how += "; not recommended from Android 10 on"
	}
	return how
}

// sentences say what was done; # stands for the number behind the word.
var sentences = map[string]string{
	"signed_out": "You are signed out.",

	"sent":        "The invitation is on its way.",
	"deactivated": "The invitation is deactivated. Its devices stay as they are.",
	"new_pin":     "The invitation has a new PIN. The link and the QR code stay.",
	"email":       "The address is changed. Nothing was mailed.",
	"invited":     "Invitations made: #.",

	"renewed":       "Renewal mails on their way: #.",
	"renewed_codes": "The renewal mail is on its way, without credentials: the user has no active invitation.",
	"removed":       "The device was told to leave. It goes with its next message.",
	"deleted":       "The device is deleted.",
	"erased":        "Everything about the person is erased.",
	"released":      "The conflict is resolved.",

	"user_added": "The user is added.",
	"user_saved": "The user is saved.",
	"site_saved": "The settings are saved.",

	"passcode_changed":  "Nothing was done: the passcode has changed since that page was made.",
	"passcode_disabled": "The passcode is disabled, and self-service with it.",

	"message_saved": "The message is saved. Mail that is sent from now on has it.",
	"message_reset": "The message has its default text again.",
}

// sentence returns what a word of [session.Guard.Flash] says, "" if it is not
// one of ours: a cookie can be written by others.
func sentence(done string) string {
	name, n, _ := strings.Cut(done, ".")
	if _, err := strconv.Atoi(n); err != nil {
		n = ""
	}
	return strings.ReplaceAll(sentences[name], "#", n)
}
