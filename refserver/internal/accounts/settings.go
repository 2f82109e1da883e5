package accounts

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
)

// Settings are what an administrator may set of a site, as they stand on the
// wire and in the table. What is absent has its default.
type Settings struct {
	Name      string           `json:"name"`
	Languages []string         `json:"languages"`
	Support   string           `json:"support"`
	Agents    map[string]Agent `json:"agents"` // by platform
	Policy    Policy           `json:"policy"`
}

// Agent is the program of one platform.
type Agent struct {
	Name     string `json:"name"`
	Package  string `json:"package"`
	StoreURL string `json:"store_url"`
	OpenURL  string `json:"open_url"`

	// For Android devices that the agent takes over on their first screen.
	Component   string `json:"component"`
	DownloadURL string `json:"download_url"`
	Certificate string `json:"certificate"`
	Identifier  string `json:"identifier"`
}

// Policy are the numbers of a site, and one choice. In numbers that can be turned
// off, 0 does so; null and absent mean the default.
type Policy struct {
	PINDigits          *int `json:"pin_digits"`
	PINBudget          *int `json:"pin_budget"`
	PINPace            *int `json:"pin_pace"`
	PINPaceSeconds     *int `json:"pin_pace_seconds"`
	SourcePace         *int `json:"source_pace"`
	SourcePaceSeconds  *int `json:"source_pace_seconds"`
	PINSiteBudget      *int `json:"pin_site_budget"`
	PINSiteSeconds     *int `json:"pin_site_seconds"`
	PINSiteSlowSeconds *int `json:"pin_site_slow_seconds"`
	PINAlert           *int `json:"pin_alert"`

	PasscodeAlert               *int `json:"passcode_alert"`
	PasscodeLock                *int `json:"passcode_lock"`
	PasscodeWindowSeconds       *int `json:"passcode_window_seconds"`
	PasscodeSourceCap           *int `json:"passcode_source_cap"`
	PasscodeSourceWindowSeconds *int `json:"passcode_source_window_seconds"`
	PasscodeSlowSeconds         *int `json:"passcode_slow_seconds"`
	PasscodePace                *int `json:"passcode_pace"`
	PasscodePaceSeconds         *int `json:"passcode_pace_seconds"`
	GlobalPace                  *int `json:"global_pace"`
	MailboxCap                  *int `json:"mailbox_cap"`
	MailboxWindowSeconds        *int `json:"mailbox_window_seconds"`
	OneTimeBudget               *int `json:"one_time_budget"`
	OneTimePace                 *int `json:"one_time_pace"`
	OneTimePaceSeconds          *int `json:"one_time_pace_seconds"`
	OneTimeTTLSeconds           *int `json:"one_time_ttl_seconds"`
	LoginReservationSeconds     *int `json:"login_reservation_seconds"`

	UnresponsiveAfterSeconds *int `json:"unresponsive_after_seconds"`
	LeaveTimeoutSeconds      *int `json:"leave_timeout_seconds"`
	RenewEverySeconds        *int `json:"renew_every_seconds"`

	MaxDevices *int `json:"max_devices"` // live ones; 0: any number

	KeepDeviceAdmin *bool `json:"keep_device_admin"` // no work profile is offered to device admins

	// For how many days what is kept; 0: for ever.
	JournalDays      *int `json:"journal_days"`
	ObservationsDays *int `json:"observations_days"`
	TombstonesDays   *int `json:"tombstones_days"`
	RequestsDays     *int `json:"requests_days"` // never for ever
}

// day is a day of retention.
const day = 24 * time.Hour

// retentionFields ties the fields of the wire to those of enrollment.Retention,
// with what the SDK takes.
func (p *Policy) retentionFields(r *enrollment.Retention) []struct {
	name        string
	wire        **int
	to          *time.Duration
	usual       time.Duration
	least, most int
	forever     bool
} {
	type row = struct {
		name        string
		wire        **int
		to          *time.Duration
		usual       time.Duration
		least, most int
		forever     bool
	}
	return []row{
		{"journal_days", &p.JournalDays, &r.Journal, enrollment.DefaultJournalKept, 30, 3653, true},
		{"observations_days", &p.ObservationsDays, &r.Observations, enrollment.DefaultObservationsKept, 1, 3653, true},
		{"tombstones_days", &p.TombstonesDays, &r.Tombstones, enrollment.DefaultTombstonesKept, 30, 3653, true},
		{"requests_days", &p.RequestsDays, &r.Requests, enrollment.RecordsKept, 1, 30, false},
	}
}

// retention returns the retention for the SDK.
func (p Policy) retention() (r enrollment.Retention) {
	for _, f := range p.retentionFields(&r) {
		switch v := *f.wire; {
		case v == nil:
		case *v == 0 && f.forever:
			*f.to = enrollment.Forever
		default:
			*f.to = time.Duration(*v) * day
		}
	}
	return r
}

// credentialFields ties the fields of the wire to those of credentials.Policy.
// seconds says that the field is a time.
func (p *Policy) credentialFields(c *credentials.Policy) []struct {
	name, field string
	wire        **int
	count       *int
	seconds     *time.Duration
} {
	type row = struct {
		name, field string
		wire        **int
		count       *int
		seconds     *time.Duration
	}
	return []row{
		{"pin_digits", "PINDigits", &p.PINDigits, &c.PINDigits, nil},
		{"pin_budget", "PINBudget", &p.PINBudget, &c.PINBudget, nil},
		{"pin_pace", "PINPace", &p.PINPace, &c.PINPace, nil},
		{"pin_pace_seconds", "PINPaceWindow", &p.PINPaceSeconds, nil, &c.PINPaceWindow},
		{"source_pace", "SourcePace", &p.SourcePace, &c.SourcePace, nil},
		{"source_pace_seconds", "SourceWindow", &p.SourcePaceSeconds, nil, &c.SourceWindow},
		{"pin_site_budget", "PINSiteBudget", &p.PINSiteBudget, &c.PINSiteBudget, nil},
		{"pin_site_seconds", "PINSiteWindow", &p.PINSiteSeconds, nil, &c.PINSiteWindow},
		{"pin_site_slow_seconds", "PINSiteSlow", &p.PINSiteSlowSeconds, nil, &c.PINSiteSlow},
		{"pin_alert", "PINAlert", &p.PINAlert, &c.PINAlert, nil},
		{"passcode_alert", "PasscodeAlert", &p.PasscodeAlert, &c.PasscodeAlert, nil},
		{"passcode_lock", "PasscodeLock", &p.PasscodeLock, &c.PasscodeLock, nil},
		{"passcode_window_seconds", "PasscodeWindow", &p.PasscodeWindowSeconds, nil, &c.PasscodeWindow},
		{"passcode_source_cap", "PasscodeSourceCap", &p.PasscodeSourceCap, &c.PasscodeSourceCap, nil},
		{"passcode_source_window_seconds", "PasscodeSourceWindow", &p.PasscodeSourceWindowSeconds, nil, &c.PasscodeSourceWindow},
		{"passcode_slow_seconds", "PasscodeSlow", &p.PasscodeSlowSeconds, nil, &c.PasscodeSlow},
		{"passcode_pace", "PasscodePace", &p.PasscodePace, &c.PasscodePace, nil},
		{"passcode_pace_seconds", "PasscodePaceWindow", &p.PasscodePaceSeconds, nil, &c.PasscodePaceWindow},
		{"global_pace", "GlobalPace", &p.GlobalPace, &c.GlobalPace, nil},
		{"mailbox_cap", "MailboxCap", &p.MailboxCap, &c.MailboxCap, nil},
		{"mailbox_window_seconds", "MailboxWindow", &p.MailboxWindowSeconds, nil, &c.MailboxWindow},
		{"one_time_budget", "OneTimeBudget", &p.OneTimeBudget, &c.OneTimeBudget, nil},
		{"one_time_pace", "OneTimePace", &p.OneTimePace, &c.OneTimePace, nil},
		{"one_time_pace_seconds", "OneTimePaceWindow", &p.OneTimePaceSeconds, nil, &c.OneTimePaceWindow},
		{"one_time_ttl_seconds", "OneTimeTTL", &p.OneTimeTTLSeconds, nil, &c.OneTimeTTL},
		{"login_reservation_seconds", "LoginReservation", &p.LoginReservationSeconds, nil, &c.LoginReservation},
	}
}

// credentials returns the policy for the SDK. 0 on the wire is its Off, which it
// refuses where it does not apply.
func (p Policy) credentials() credentials.Policy {
	var c credentials.Policy
	for _, f := range p.credentialFields(&c) {
		switch v := *f.wire; {
		case v == nil:
		case *v == 0 && f.count != nil:
			*f.count = credentials.Off
		case *v == 0:
			*f.seconds = credentials.Off
		case f.count != nil:
			*f.count = *v
		default:
			*f.seconds = seconds(*v)
		}
	}
	return c
}

// Effective returns s with every default filled in, as the SDK applies them.
func (s Settings) Effective() Settings {
	c := s.Policy.credentials().WithDefaults()
	for _, f := range s.Policy.credentialFields(&c) {
		var n int
		switch {
		case f.count != nil && *f.count != credentials.Off:
			n = *f.count
		case f.seconds != nil && *f.seconds != credentials.Off:
			n = int(*f.seconds / time.Second)
		}
		*f.wire = &n
	}
	orSeconds(&s.Policy.UnresponsiveAfterSeconds, enrollment.DefaultUnresponsiveAfter)
	orSeconds(&s.Policy.LeaveTimeoutSeconds, enrollment.DefaultLeaveTimeout)
	orSeconds(&s.Policy.RenewEverySeconds, 0)
	if s.Policy.MaxDevices == nil {
		s.Policy.MaxDevices = new(int)
	}
	if s.Policy.KeepDeviceAdmin == nil {
		s.Policy.KeepDeviceAdmin = new(bool)
	}
	for _, f := range s.Policy.retentionFields(new(enrollment.Retention)) {
		if *f.wire == nil {
			n := int(f.usual / day)
			*f.wire = &n
		}
	}
	if s.Languages == nil {
		s.Languages = []string{}
	}
	if s.Agents == nil {
		s.Agents = map[string]Agent{}
	}
	return s
}

func orSeconds(v **int, d time.Duration) {
	if *v == nil {
		n := int(d / time.Second)
		*v = &n
	}
}

// site is what the Service sees.
func (s Settings) site(id string, public *url.URL) enrollment.Site {
	out := enrollment.Site{
		ID: id, Name: s.Name, PublicURL: public, Languages: s.Languages, Support: s.Support,
		Agents: map[device.Platform]enrollment.Agent{},
		Policy: enrollment.Policy{Credentials: s.Policy.credentials(), Retention: s.Policy.retention()},
	}
	for platform, a := range s.Agents {
		out.Agents[device.Platform(platform)] = enrollment.Agent(a)
	}
	for _, f := range []struct {
		wire *int
		to   *time.Duration
	}{
		{s.Policy.UnresponsiveAfterSeconds, &out.Policy.UnresponsiveAfter},
		{s.Policy.LeaveTimeoutSeconds, &out.Policy.LeaveTimeout},
		{s.Policy.RenewEverySeconds, &out.Policy.RenewEvery},
	} {
		if f.wire != nil {
			*f.to = seconds(*f.wire)
		}
	}
	if s.Policy.MaxDevices != nil {
		out.Policy.MaxDevices = *s.Policy.MaxDevices
	}
	out.Policy.KeepDeviceAdmin = s.Policy.KeepDeviceAdmin != nil && *s.Policy.KeepDeviceAdmin
	return out
}

// marshal validates and returns what the table keeps.
func (s Settings) marshal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

var language = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// maxSeconds keeps a number of seconds within a time.Duration.
const maxSeconds = 100 * 366 * 24 * 3600

// maxDevices is the greatest limit of a site's devices.
const maxDevices = 10_000_000

// Validate returns an *enrollment.ValidationError, or nil. What the numbers of
// credentials may be is asked of their own package.
func (s Settings) Validate() error {
	var wrong fields
	wrong.text("name", s.Name, true)
	wrong.text("support", s.Support, false)
	for _, l := range s.Languages {
		if !language.MatchString(l) {
			wrong.add("languages", "malformed")
		}
	}
	for platform, a := range s.Agents {
		if !device.Platform(platform).Valid() {
			wrong.add("agents", "unknown")
			continue
		}
		prefix := "agents." + platform + "."
		wrong.text(prefix+"name", a.Name, false)
		wrong.text(prefix+"package", a.Package, false)
		wrong.link(prefix+"store_url", a.StoreURL, true)
		wrong.link(prefix+"open_url", a.OpenURL, false)
		wrong.link(prefix+"download_url", a.DownloadURL, true)
		// What a device would refuse, or worse, take without a word.
		for field, bad := range map[string]bool{
			"component":   a.Component != "" && !android.IsComponent(a.Component),
			"certificate": a.Certificate != "" && !isChecksum(a.Certificate),
			"identifier":  a.Identifier != "" && !android.IsIdentifier(a.Identifier),
		} {
			if bad {
				wrong.add(prefix+field, "malformed")
			}
		}
	}
	wrong.policy(s.Policy)
	return wrong.err()
}

func isChecksum(s string) bool {
	_, err := android.ParseChecksum(s)
	return err == nil
}

func (f *fields) policy(p Policy) {
	var c credentials.Policy
	names := map[string]string{}
	for _, row := range p.credentialFields(&c) {
		names[row.field] = "policy." + row.name
		if v := *row.wire; v != nil && (*v < 0 || *v > maxSeconds) {
			f.add("policy."+row.name, "out_of_range")
			return
		}
	}
	for _, err := range unjoin(p.credentials().Validate()) {
		if bad, ok := errors.AsType[*credentials.PolicyError](err); ok {
			f.add(names[bad.Field], "out_of_range")
		}
	}
	for name, v := range map[string]*int{
		"unresponsive_after_seconds": p.UnresponsiveAfterSeconds, "leave_timeout_seconds": p.LeaveTimeoutSeconds,
	} {
		if v != nil && (*v < 1 || *v > maxSeconds) {
			f.add("policy."+name, "out_of_range")
		}
	}
	for _, row := range p.retentionFields(new(enrollment.Retention)) {
		if v := *row.wire; v != nil && !(*v == 0 && row.forever) && (*v < row.least || *v > row.most) {
			f.add("policy."+row.name, "out_of_range")
		}
	}
	if v := p.MaxDevices; v != nil && (*v < 0 || *v > maxDevices) {
		f.add("policy.max_devices", "out_of_range")
	}
	if v := p.RenewEverySeconds; v != nil && (*v < 0 || *v > maxSeconds) {
		f.add("policy.renew_every_seconds", "out_of_range")
	}
}

// unjoin returns the errors that were joined.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// link takes an absolute link; only a store's has to be https.
func (f *fields) link(field, s string, store bool) {
	if s == "" {
		return
	}
	f.text(field, s, false)
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || strings.ContainsAny(s, " \\"):
		f.add(field, "malformed")
	case store && (u.Scheme != "https" || u.Host == ""):
		f.add(field, "malformed")
	case u.Scheme == "javascript" || u.Scheme == "data" || u.Scheme == "vbscript" || u.Scheme == "file":
		f.add(field, "malformed")
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
