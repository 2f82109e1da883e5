package device

// Party is who has to act next.
type Party string

const (
	WaitsNobody Party = ""
	WaitsUser   Party = "user"
	WaitsDevice Party = "device"
	WaitsServer Party = "server"
	WaitsAdmin  Party = "admin"
)

// Action is the next thing to do, for screens, mails and agents to put into
// words.
type Action string

const (
	NoAction          Action = ""
	InstallAgent      Action = "install_agent"
	InstallProfile    Action = "install_profile"
	CreateWorkProfile Action = "create_work_profile"
	ProvisionDevice   Action = "provision_device"
	SignIn            Action = "sign_in" // into the management, in the settings of the system
	ActivateAdmin     Action = "activate_admin"
	GrantPermissions  Action = "grant_permissions"
	ApproveProfile    Action = "approve_profile"
	SuperviseDevice   Action = "supervise_device"
	SendInventory     Action = "send_inventory"
	ReachServer       Action = "reach_server" // go online and open the agent
	LeaveManagement   Action = "leave_management"
	EnrollAgain       Action = "enroll_again"
	ResolveConflict   Action = "resolve_conflict"
)

// Waiting says what d waits for and what would bring it on. missing is what
// [Device.Missing] returned.
func (d Device) Waiting(missing []Fact) (Party, Action) {
	switch {
	case d.Conflict != "" && d.State.Live():
		return WaitsAdmin, ResolveConflict
	case d.State == Unresponsive:
		return WaitsUser, ReachServer
	case d.State == Leaving:
		return WaitsDevice, LeaveManagement
	case d.State == Unenrolled:
		return WaitsUser, EnrollAgain
	case len(missing) == 0:
		return WaitsNobody, NoAction
	}
	for _, row := range facts {
		if row.fact == missing[0] {
			return row.waits, row.next
		}
	}
	return WaitsServer, NoAction
}
