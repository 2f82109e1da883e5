package simulate

import (
	"context"
	"net/http"
	"strings"

	"example.com/enrollkit/device"
)

// enrollBody is what POST /device/v1/enroll takes.
type enrollBody struct {
	EnrollmentID string           `json:"enrollment_id"`
	Credential   credential       `json:"credential"`
	Ownership    device.Ownership `json:"ownership,omitempty"`
	Mode         device.Mode      `json:"mode,omitempty"`
	Device       claim            `json:"device"`
}

type credential struct {
	Type  string `json:"type"`
	Token string `json:"token,omitempty"`
	Email string `json:"email,omitempty"`
	PIN   string `json:"pin,omitempty"`
}

type claim struct {
	Platform device.Platform `json:"platform"`
	device.Hardware
	Name         string `json:"name"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	OSVersion    string `json:"os_version"`
}

// enrolled is the answer.
type enrolled struct {
	ID    string `json:"device_id"`
	Token string `json:"device_token"`
	status
}

// byToken is the credential of a link.
func (p *player) byToken() credential { return credential{Type: "token", Token: p.token} }

// byPIN is address and PIN, typed in one of the ways in which people do.
func (p *player) byPIN(pin string) credential {
	pin = strings.ReplaceAll(pin, " ", "")
	half := (len(pin) + 1) / 2
	switch p.rng.IntN(4) {
	case 0:
		pin = pin[:half] + " " + pin[half:]
	case 1:
		pin = pin[:half] + "-" + pin[half:]
	case 2:
		pin = " " + pin + " "
	}
	email := p.person.Email
	if p.rng.IntN(3) == 0 { // phones begin fields with a capital
		email = strings.ToUpper(email[:1]) + email[1:]
	}
	return credential{Type: "pin", Email: email, PIN: pin}
}

// enroll brings a device in by link, QR code, or address and PIN. Whoever is
// paced with a PIN goes on by the link.
func (p *player) enroll(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device]
	body := agent.body(p.byToken())
	how := a.With
	switch how {
	case "qr":
		token, err := p.scan(ctx, who, agent)
		if err != nil {
			return err
		}
		body.Credential.Token = token
	case "pin":
		body.Credential = p.byPIN(p.codes.PIN)
	}
	if how != "link" { // nobody has accepted, so the agent asks whose device it is
		body.Ownership = agent.device.Ownership
	}
	want := []string{"201"}
	if how == "pin" {
		want = append(want, "429 paced")
	}
	got, err := agent.enroll(ctx, who, body, want...)
	if err != nil {
		return err
	}
	if got.is(http.StatusTooManyRequests) {
		p.tally.count("paced with a PIN, went on by link")
		how, body.Credential = "link", p.byToken()
		if _, err := agent.enroll(ctx, who, body, "201"); err != nil {
			return err
		}
	}
	p.tally.count("enrolled by " + how)
	p.state = opened
	if p.person.Invite.MaxDevices == 1 {
		p.state = deactivated // exhausted
	}
	return p.compareInvitation(ctx, who, false)
}

// mistypePIN gets the PIN wrong. A PIN that is too short costs no try.
func (p *player) mistypePIN(ctx context.Context, who string, a Act) error {
	pin := strings.ReplaceAll(p.codes.PIN, " ", "")
	want := []string{"401 credential_refused", "429 paced"}
	if a.With == "short" {
		pin, want = pin[:len(pin)-1], []string{"422 invalid"}
	} else {
		at := p.rng.IntN(len(pin))
		pin = pin[:at] + string('0'+(pin[at]-'0'+1)%10) + pin[at+1:]
	}
	agent := p.agents[a.Device]
	body := agent.body(credential{Type: "pin", Email: p.person.Email, PIN: pin})
	p.tally.count("PINs mistyped (" + a.With + ")")
	_, err := p.do(ctx, agent.call("/device/v1/enroll", who, "", body, want...))
	return err
}

// refused tries to enroll where there is no place left.
func (p *player) refused(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device]
	p.tally.count("refused, no place left")
	_, err := p.do(ctx, agent.call("/device/v1/enroll", who, "", agent.body(p.byToken()), "410 invitation_exhausted"))
	return err
}

// enrollAgain enrolls the same hardware anew. It is the same device again, or a
// new one if the old was deleted.
func (p *player) enrollAgain(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device]
	before := *agent
	if a.With != "" {
		agent.device.Mode = device.Mode(a.With)
	}
	if _, err := agent.enroll(ctx, who, agent.body(p.byToken()), "201"); err != nil {
		return err
	}
	p.tally.count("enrolled again")
	switch same := agent.id == before.id; {
	case before.state == gone && same:
		p.tally.unexpected(who, "device_id after a delete", "a new one", "the old one")
	case before.state != gone && !same:
		p.tally.unexpected(who, "device_id of the same hardware", "the old one", "a new one")
	}
	if agent.token == before.token {
		p.tally.unexpected(who, "device_token of a new generation", "a new one", "the old one")
	}
	agent.old, agent.oldToken = before.request, before.token
	return nil
}
