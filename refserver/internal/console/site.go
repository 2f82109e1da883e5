package console

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/refserver/internal/accounts"
)

// siteData is the form of the settings.
type siteData struct {
	ID        string
	Settings  accounts.Settings
	Languages string
	Numbers   []siteNumber
	KeepAdmin bool // device admins keep their mode
	Platforms []device.Platform
	Wrong     map[string]string
}

// siteNumber is one field of the policy.
type siteNumber struct {
	Name, Label, Hint string
	Value             string // as set; empty: the default
	Default           int
	Group             string
	field             func(*accounts.Policy) **int
}

// numbers describes the policy's fields; what they may be is not known here.
func numbers() []siteNumber {
	const devices, kept, pin, sources = "Devices", "How long it is kept", "PIN", "Sources and site"
	const passcode, login = "Company passcode", "One-time login"
	return []siteNumber{
		{Group: devices, Name: "unresponsive_after_seconds", Label: "Unresponsive after", Hint: "seconds of silence", field: func(p *accounts.Policy) **int { return &p.UnresponsiveAfterSeconds }},
		{Group: devices, Name: "leave_timeout_seconds", Label: "Leaving ends after", Hint: "seconds without a goodbye", field: func(p *accounts.Policy) **int { return &p.LeaveTimeoutSeconds }},
		{Group: devices, Name: "renew_every_seconds", Label: "Automatic renewal every", Hint: "seconds, doubling; 0: never", field: func(p *accounts.Policy) **int { return &p.RenewEverySeconds }},
		{Group: devices, Name: "max_devices", Label: "At most", Hint: "devices that are here; 0: any number", field: func(p *accounts.Policy) **int { return &p.MaxDevices }},
		{Group: kept, Name: "journal_days", Label: "Journal", Hint: "days; 0: for ever", field: func(p *accounts.Policy) **int { return &p.JournalDays }},
		{Group: kept, Name: "observations_days", Label: "What was seen of invitations", Hint: "days after they ended; 0: for ever", field: func(p *accounts.Policy) **int { return &p.ObservationsDays }},
		{Group: kept, Name: "tombstones_days", Label: "Deleted devices", Hint: "days; 0: for ever", field: func(p *accounts.Policy) **int { return &p.TombstonesDays }},
		{Group: kept, Name: "requests_days", Label: "Repeatable requests", Hint: "days", field: func(p *accounts.Policy) **int { return &p.RequestsDays }},
		{Group: pin, Name: "pin_digits", Label: "Digits of new PINs", field: func(p *accounts.Policy) **int { return &p.PINDigits }},
		{Group: pin, Name: "pin_budget", Label: "Wrong tries until a PIN is burnt", Hint: "in its whole life", field: func(p *accounts.Policy) **int { return &p.PINBudget }},
		{Group: pin, Name: "pin_alert", Label: "Wrong tries until an alert", Hint: "0: no alert", field: func(p *accounts.Policy) **int { return &p.PINAlert }},
		{Group: pin, Name: "pin_pace", Label: "Wrong tries per address", Hint: "in the window below; 0: no pace", field: func(p *accounts.Policy) **int { return &p.PINPace }},
		{Group: pin, Name: "pin_pace_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.PINPaceSeconds }},
		{Group: passcode, Name: "passcode_alert", Label: "Wrong tries until an alert", Hint: "in the window below; 0: no alert", field: func(p *accounts.Policy) **int { return &p.PasscodeAlert }},
		{Group: passcode, Name: "passcode_lock", Label: "Wrong tries until it locks", Hint: "in the window below", field: func(p *accounts.Policy) **int { return &p.PasscodeLock }},
		{Group: passcode, Name: "passcode_window_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.PasscodeWindowSeconds }},
		{Group: passcode, Name: "passcode_source_cap", Label: "Of them from one source network", Hint: "at most half of the lock; 0: no cap, one source can lock", field: func(p *accounts.Policy) **int { return &p.PasscodeSourceCap }},
		{Group: passcode, Name: "passcode_source_window_seconds", Label: "Window of the cap", Hint: "seconds, at least the window of the lock", field: func(p *accounts.Policy) **int { return &p.PasscodeSourceWindowSeconds }},
		{Group: passcode, Name: "passcode_slow_seconds", Label: "Beyond the cap one try every", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.PasscodeSlowSeconds }},
		{Group: passcode, Name: "passcode_pace", Label: "Wrong tries per address", Hint: "in the window below; 0: no pace", field: func(p *accounts.Policy) **int { return &p.PasscodePace }},
		{Group: passcode, Name: "passcode_pace_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.PasscodePaceSeconds }},
		{Group: passcode, Name: "global_pace", Label: "Tries per second", Hint: "over all sites of this server; 0: no limit", field: func(p *accounts.Policy) **int { return &p.GlobalPace }},
		{Group: login, Name: "mailbox_cap", Label: "Mails per mailbox", Hint: "in the window below", field: func(p *accounts.Policy) **int { return &p.MailboxCap }},
		{Group: login, Name: "mailbox_window_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.MailboxWindowSeconds }},
		{Group: login, Name: "one_time_ttl_seconds", Label: "Can be used for", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.OneTimeTTLSeconds }},
		{Group: login, Name: "one_time_budget", Label: "Wrong tries it survives", field: func(p *accounts.Policy) **int { return &p.OneTimeBudget }},
		{Group: login, Name: "one_time_pace", Label: "Wrong tries per user name", Hint: "in the window below; 0: no pace", field: func(p *accounts.Policy) **int { return &p.OneTimePace }},
		{Group: login, Name: "one_time_pace_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.OneTimePaceSeconds }},
		{Group: login, Name: "login_reservation_seconds", Label: "Stays usable once it was checked", Hint: "seconds, also past its end", field: func(p *accounts.Policy) **int { return &p.LoginReservationSeconds }},
		{Group: sources, Name: "source_pace", Label: "Failures per source network", Hint: "in the window below; 0: no pace", field: func(p *accounts.Policy) **int { return &p.SourcePace }},
		{Group: sources, Name: "source_pace_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.SourcePaceSeconds }},
		{Group: sources, Name: "pin_site_budget", Label: "Wrong PINs per site", Hint: "in the window below; 0: no limit", field: func(p *accounts.Policy) **int { return &p.PINSiteBudget }},
		{Group: sources, Name: "pin_site_seconds", Label: "Window", Hint: "seconds", field: func(p *accounts.Policy) **int { return &p.PINSiteSeconds }},
		{Group: sources, Name: "pin_site_slow_seconds", Label: "Then one try every", Hint: "seconds; 0: none", field: func(p *accounts.Policy) **int { return &p.PINSiteSlowSeconds }},
	}
}

func (c *Console) sitePage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	settings, err := c.Accounts.Settings(by.Site)
	if err != nil {
		return err
	}
	return c.showSite(w, r, by, http.StatusOK, settings, nil)
}

func (c *Console) showSite(w http.ResponseWriter, r *http.Request, by accounts.Principal, status int, s accounts.Settings, wrong map[string]string) error {
	data := siteData{ID: by.Site, Settings: s, Languages: strings.Join(s.Languages, ", "), Platforms: device.Platforms(), Wrong: wrong}
	effective, defaults := s.Effective().Policy, accounts.Settings{}.Effective().Policy
	data.KeepAdmin = *effective.KeepDeviceAdmin
	for _, n := range numbers() {
		if v := *n.field(&s.Policy); v != nil {
			n.Value = strconv.Itoa(*v)
		}
		n.Default = **n.field(&effective) // defaults depend on what is set
		if n.Value != "" {
			n.Default = **n.field(&defaults)
		}
		data.Numbers = append(data.Numbers, n)
	}
	c.render(w, r, by, status, "site", "Site settings", data)
	return nil
}

func (c *Console) saveSite(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	s := accounts.Settings{Name: strings.TrimSpace(r.PostFormValue("name")), Support: strings.TrimSpace(r.PostFormValue("support")), Agents: map[string]accounts.Agent{}}
	for l := range strings.FieldsFuncSeq(r.PostFormValue("languages"), func(c rune) bool { return c == ',' || c == ' ' }) {
		s.Languages = append(s.Languages, l)
	}
	for _, p := range device.Platforms() {
		get := func(field string) string { return strings.TrimSpace(r.PostFormValue(string(p) + "_" + field)) }
		agent := accounts.Agent{
			Name: get("name"), Package: get("package"), StoreURL: get("store_url"), OpenURL: get("open_url"),
			Component: get("component"), DownloadURL: get("download_url"), Certificate: get("certificate"), Identifier: get("identifier"),
		}
		if agent != (accounts.Agent{}) {
			s.Agents[string(p)] = agent
		}
	}
	wrong := map[string]string{}
	for _, n := range numbers() {
		v, ok := number(strings.TrimSpace(r.PostFormValue(n.Name)))
		if !ok {
			wrong["policy."+n.Name] = word(wrongs, "malformed")
			continue
		}
		*n.field(&s.Policy) = v
	}
	if r.PostFormValue("keep_device_admin") != "" {
		keep := true
		s.Policy.KeepDeviceAdmin = &keep
	}
	var err error
	if len(wrong) == 0 {
		err = c.Accounts.PutSettings(r.Context(), by.Site, s)
	} else {
		err = s.Validate()
	}
	maps.Copy(wrong, fieldErrors(err))
	if len(wrong) > 0 {
		return c.showSite(w, r, by, http.StatusUnprocessableEntity, s, wrong)
	}
	if err != nil {
		return err
	}
	return c.done(w, r, "/site", "site_saved")
}
