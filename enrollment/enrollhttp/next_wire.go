package enrollhttp

import (
	"net/http"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// nextBody is the page after an accept or a login for a program that shows it in
// its own words: the schema NextStep of openapi.yaml.
type nextBody struct {
	Platform  device.Platform  `json:"platform"`
	Mode      device.Mode      `json:"mode"`
	Ownership device.Ownership `json:"ownership"`
	Action    device.Action    `json:"action"`
	URL       string           `json:"url"`
	OpenURL   string           `json:"open_url"`
	Typed     string           `json:"typed"`
	Scan      string           `json:"scan"`
	Server    string           `json:"server"`
	Username  string           `json:"username"`
	Password  string           `json:"password"`
	Agent     string           `json:"agent"`
}

// writeNext answers a program with the next step.
func writeNext(w http.ResponseWriter, o device.Ownership, step enrollment.NextStep) {
	w.Header().Set("Vary", "Accept")
	httpkit.WriteJSON(w, http.StatusOK, nextBody{
		Platform: step.Platform, Mode: step.Mode, Ownership: o, Action: step.Action,
		URL: step.URL, OpenURL: step.OpenURL.Reveal(), Typed: step.Typed, Scan: step.Scan.Reveal(),
		Server: step.Server, Username: step.Username, Password: credentials.GroupOneTimePassword(step.Password.Reveal()),
		Agent: step.Agent.Name,
	})
}

// typedView is what a page says that is typed into the system's settings. What a
// person does not see cannot be typed: missing says why.
func (v *nextView) typedView(step enrollment.NextStep) {
	v.Login = &loginCodes{
		Server: step.Server, Username: step.Username,
		Password: credentials.GroupOneTimePassword(step.Password.Reveal()),
	}
	switch {
	case step.Username == "":
		v.Login.Missing = v.T("sign_in.no_address")
	case step.Password.IsZero():
		v.Login.Missing = v.T("sign_in.locked")
	}
}
