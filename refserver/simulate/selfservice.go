package simulate

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"example.com/enrollkit/refserver/internal/windowsclient"
)

// mailedLogin is a one-time login in the text of its mail.
var mailedLogin = regexp.MustCompile(`User name: *(\S+)\s+Password: *(\S+)`)

// askForLogin has the person ask for a one-time login on the enrollment page, and
// follow the mail to the next step. Where there is no passcode to be had, or nobody
// can read the mail, it answers false and nothing has happened.
func (p *player) askForLogin(ctx context.Context, who string, a *agent) (bool, error) {
	var shown struct {
		Passcode string `json:"passcode"`
	}
	got, err := p.admin.ask(ctx, who, http.MethodPost, "/passcode/reveal", "/passcode/reveal", nil, &shown, "200", "404")
	if err != nil || !got.is(http.StatusOK) {
		return false, err
	}
	before, ok, err := p.mails(ctx, who)
	if err != nil || !ok {
		return false, err
	}
	header := p.browse(a.device.UserAgent)
	header.Set("Origin", originOf(p.root))
	form := url.Values{"email": {p.person.Email}, "passcode": {shown.Passcode}}
	_, err = p.do(ctx, call{method: http.MethodPost, url: p.root + "/enroll", route: "/enroll", header: header, body: form, want: []string{"200"}, who: who})
	if err != nil {
		return false, err
	}
	p.tally.count("logins asked for")
	known := map[string]bool{}
	for _, m := range before {
		known[m.ID] = true
	}
	for deadline := time.Now().Add(mailWithin); time.Now().Before(deadline); {
		list, _, err := p.mails(ctx, who)
		if err != nil {
			return false, err
		}
		for _, m := range list {
			if m.To == p.person.Email && m.Kind == "mail.self_service" && !known[m.ID] {
				return true, p.useLogin(ctx, who, a, m.ID)
			}
		}
		if err := sleep(ctx, betweenMail); err != nil {
			return false, err
		}
	}
	p.tally.unexpected(who, "the login in GET /mailbox", "one", "none")
	return false, errStopped
}

// useLogin reads a login in its mail, and says on the page for what it is.
func (p *player) useLogin(ctx context.Context, who string, a *agent, id string) error {
	var m mail
	if _, err := p.mailbox(ctx, who, "/mailbox/{id}", "/mailbox/"+url.PathEscape(id), &m); err != nil {
		return err
	}
	found := mailedLogin.FindStringSubmatch(m.Text)
	if found == nil {
		p.tally.unexpected(who, "the mail with a login", "a user name and a password", "none")
		return errStopped
	}
	a.login = windowsclient.Credential{Username: found[1], Password: found[2]}
	form := url.Values{"username": {found[1]}, "password": {found[2]}}
	_, err := p.next(ctx, who, a, "/enroll/login/accept", p.root+"/enroll/login/accept", form)
	return err
}
