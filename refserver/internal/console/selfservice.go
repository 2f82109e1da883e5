package console

import (
	"net/http"
	"strconv"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
)

// selfServiceData is the panel of the company passcode.
type selfServiceData struct {
	enrollment.PasscodeDetail
	Passcode string // shown this once; empty: not asked for
	Page     string // where people enroll
	By       string // who generated it
	Alert    int    // 0: no alert
	History  []historyEntry
}

// historyEntry is one event with the name of who did it.
type historyEntry struct {
	enrollment.Event
	Who string
}

// historyRows is how much of the history the panel shows.
const historyRows = 50

func (c *Console) selfService(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	return c.showSelfService(w, r, by, credentials.Secret{})
}

func (c *Console) showSelfService(w http.ResponseWriter, r *http.Request, by accounts.Principal, passcode credentials.Secret) error {
	detail, err := c.Service.Passcode(r.Context(), by.Actor())
	if err != nil {
		return err
	}
	site, err := c.Accounts.Site(r.Context(), by.Site)
	if err != nil {
		return err
	}
	data := selfServiceData{
		PasscodeDetail: detail, Passcode: passcode.Reveal(), Page: site.PublicURL.JoinPath("enroll").String(),
		By: detail.GeneratedByEmail, Alert: max(detail.AlertLevel, 0),
	}
	names, err := c.adminNames(r, by)
	if err != nil {
		return err
	}
	if data.By == "" {
		data.By = names(detail.GeneratedBy)
	}
	events, err := c.Journal(r.Context(), by.Site, enrollment.PasscodeSubject)
	if err != nil {
		return err
	}
	for i := len(events) - 1; i >= 0 && len(data.History) < historyRows; i-- {
		data.History = append(data.History, historyEntry{events[i], names(events[i].Actor)})
	}
	c.render(w, r, by, http.StatusOK, "selfservice", "Self-service", data)
	return nil
}

// adminNames returns what turns an administrator's id into an address.
func (c *Console) adminNames(r *http.Request, by accounts.Principal) (func(string) string, error) {
	admins, err := c.Accounts.Administrators(r.Context(), by.Site)
	if err != nil {
		return nil, err
	}
	emails := map[string]string{enrollment.ActorSystem: "the system"}
	for _, a := range admins {
		emails[a.ID] = a.Email
	}
	return func(id string) string {
		if email, ok := emails[id]; ok {
			return email
		}
		return id
	}, nil
}

// passcodeForm asks before the passcode is replaced or disabled. Generation is
// what it was when the page was made: a form that is sent again does nothing.
type passcodeForm struct {
	Action, Question, Button string
	Generation               int
}

// passcodeChanges are the changes that are asked about.
var passcodeChanges = map[string]passcodeForm{
	"generate": {
		Action: "Generate a new company passcode", Button: "Generate",
		Question: "The present passcode stops working at once, so tell people the new one. One-time logins that were mailed stay good, and the count of failed attempts starts anew.",
	},
	"disable": {
		Action: "Disable the company passcode", Button: "Disable",
		Question: "Self-service is off until you generate a new passcode: nobody gets a one-time login, and those that were mailed stop working. Devices that are enrolled stay.",
	},
}

func (c *Console) passcodePage(name string) screen {
	return func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
		detail, err := c.Service.Passcode(r.Context(), by.Actor())
		if err != nil {
			return err
		}
		form := passcodeChanges[name]
		form.Generation = detail.Generation
		if name == "generate" && detail.Status != enrollment.PasscodeActive {
			form.Question = "It opens self-service: whoever has an address in your directory, and the passcode, can enroll a device."
		}
		c.render(w, r, by, http.StatusOK, "passcode", form.Action, form)
		return nil
	}
}

// stale reports whether a form was made for another passcode than the present.
func (c *Console) stale(r *http.Request, by accounts.Principal) (bool, error) {
	detail, err := c.Service.Passcode(r.Context(), by.Actor())
	return r.PostFormValue("generation") != strconv.Itoa(detail.Generation), err
}

func (c *Console) generatePasscode(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if stale, err := c.stale(r, by); err != nil {
		return err
	} else if stale {
		return c.done(w, r, "/self-service", "passcode_changed")
	}
	passcode, _, err := c.Service.GeneratePasscode(r.Context(), by.Actor())
	if err != nil {
		return err
	}
	return c.showSelfService(w, r, by, passcode)
}

func (c *Console) revealPasscode(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	passcode, err := c.Service.RevealPasscode(r.Context(), by.Actor())
	if err != nil {
		return err
	}
	return c.showSelfService(w, r, by, passcode)
}

func (c *Console) disablePasscode(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if stale, err := c.stale(r, by); err != nil {
		return err
	} else if stale {
		return c.done(w, r, "/self-service", "passcode_changed")
	}
	if _, err := c.Service.DisablePasscode(r.Context(), by.Actor()); err != nil {
		return err
	}
	return c.done(w, r, "/self-service", "passcode_disabled")
}
