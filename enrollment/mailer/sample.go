package mailer

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// sampleQR is the QR code that sample mails refer to.
const sampleQR template.URL = "cid:qr@sample"

// try runs the set against samples, so that a template that cannot be used is
// found when the program starts, or when it is saved, and not when a mail is due.
// The error is a fault.
func (s *set) try() error {
	for _, sample := range samples(s.kind, s.language) {
		r, err := s.render(sample)
		if err != nil {
			return err
		}
		if f := s.flaw(r, sample); f != nil {
			return f
		}
		// What html/template writes in place of a value that it does not trust
		// where the template has it.
		if strings.Contains(r.html, "ZgotmplZ") {
			return s.bad(htmlPart, CodeNotAllowed, "", "a field stands where its value is not safe")
		}
		if strings.Count(r.html, "cid:") != strings.Count(r.html, string(sampleQR)) {
			return s.bad(htmlPart, CodeRemoteContent, "img", "refers to an image other than {{.QR}}")
		}
	}
	return nil
}

// flaw returns what makes a rendered mail one that must not be sent.
func (s *set) flaw(r rendered, d Data) error {
	switch {
	case r.subject == "":
		return s.bad(subjectPart, CodeEmpty, "", "renders to nothing")
	case r.text == "\n":
		return s.bad(textPart, CodeEmpty, "", "renders to nothing")
	}
	// A login is of no use in parts, and people read either the text or the HTML.
	for _, v := range []struct{ name, value string }{{"Username", d.Username}, {"Password", d.Password}} {
		if !strings.Contains(r.text, v.value) {
			return s.bad(textPart, CodeMissingVariable, v.name, "does not show {{."+v.name+"}}")
		}
		if !strings.Contains(r.html, v.value) {
			return s.bad(htmlPart, CodeMissingVariable, v.name, "does not show {{."+v.name+"}}")
		}
	}
	return nil
}

func (s *set) bad(part, code, name, text string) *fault {
	return &fault{part: part, code: code, name: name, text: fmt.Sprintf("mailer: template: %s: %s", s.file(part), text)}
}

// The login of samples. It has the shape of a real one and is none.
const (
	sampleUsername = "user-4821"
	samplePassword = "ABCDEFGHJKMNPQRS"
)

// sampleTime is when samples are written.
var sampleTime = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// samples returns mails of every shape: each field set, each empty, each code.
func samples(kind Kind, language string) []Data {
	full := Data{
		Language: language, Site: "Acme", Support: "help@example.com", Name: "Jan Novák",
		Email: "jan@example.com", URL: "https://enroll.example.com/i/sample", PIN: "1234 5678",
		QR: sampleQR, QRSize: 246, Expires: "2026-12-24 18:00 UTC",
		Agent: "Acme Mobile", Store: "https://store.example.com/acme", Open: "acme://open",
	}
	bare := Data{Language: language}
	all := []Data{full, bare}
	switch kind {
	case KindInvitation:
		for _, m := range device.Modes("") {
			for _, o := range []device.Ownership{"", device.Company, device.Personal} {
				d := full
				d.Mode, d.Ownership = string(m), string(o)
				all = append(all, d)
			}
		}
	case KindRenewal:
		for _, p := range device.Platforms() {
			for _, state := range device.States() {
				d := full
				d.Platform, d.State = string(p), string(state)
				d.Device, d.Since = "Jan's phone", stamp(sampleTime)
				withoutCodes := d
				withoutCodes.URL, withoutCodes.PIN, withoutCodes.QR, withoutCodes.Open = "", "", "", ""
				all = append(all, d, withoutCodes)
			}
			selfService := all[len(all)-1]
			selfService.SelfService = "https://enroll.example.com/enroll"
			all = append(all, selfService)
		}
	case KindAlert:
		bare.Code, bare.Event = "other", "other"
		all = []Data{bare}
		for _, code := range []string{
			invitation.EventPINAlert, invitation.EventPINBurnt, invitation.EventPasswordBurnt, device.EventConflict,
			enrollment.EventPasscodeAlert, enrollment.EventPasscodeLocked, enrollment.EventPINSiteSpent, "other",
		} {
			all = append(all, Data{
				Language: language, Site: "Acme", Support: full.Support, Name: full.Name,
				Code: code, Event: "other", When: stamp(sampleTime), Tries: 5,
				UserName: "Eva", UserEmail: "eva@example.com", UserID: "u1", Invitation: "inv_1", DeviceID: "dev_1",
			})
		}
	case KindSelfService:
		// There is no mail without a login.
		full.PIN, full.QR, full.QRSize, full.Agent, full.Store, full.Open = "", "", 0, "", "", ""
		full.Username, full.Password = sampleUsername, credentials.GroupOneTimePassword(samplePassword)
		full.URL = "https://enroll.example.com/enroll/login"
		bare.Username, bare.Password = full.Username, full.Password
		all = []Data{full, bare}
	}
	return all
}

// sampleMail is a mail of a site to somebody who does not exist, to show what a
// template makes of it. Nothing in it opens anything.
func sampleMail(site enrollment.Site, kind Kind, language string) enrollment.Mail {
	if site.PublicURL == nil {
		site.PublicURL = &url.URL{Scheme: "https", Host: "enroll.example.com"}
	}
	m := enrollment.Mail{
		ID: "preview", Site: site, Language: language, At: sampleTime,
		To: "jan.novak@example.com", ToName: "Jan Novák",
	}
	link := credentials.SecretString(site.PublicURL.JoinPath("i", "sample").String())
	codes := enrollment.Codes{URL: link, PIN: credentials.SecretString("12345678"), QR: link}
	switch kind {
	case KindInvitation:
		m.Kind = enrollment.MessageInvitation
		m.Invitation = &enrollment.InvitationMail{
			ID: "inv_sample", Codes: codes, Mode: device.AndroidWorkProfile, ExpiresAt: sampleTime.AddDate(0, 1, 0),
		}
	case KindRenewal:
		m.Kind = enrollment.MessageRenewal
		m.Renewal = &enrollment.RenewalMail{
			Device: "dev_sample", Name: "Jan's phone", Platform: device.Android, Since: sampleTime.AddDate(0, 0, -2),
			State: device.Unresponsive, Agent: site.Agents[device.Android], Codes: codes,
		}
	case KindAlert:
		m.Kind = enrollment.MessageAlert
		m.Alert = &enrollment.AlertMail{
			Code:  invitation.EventPINAlert,
			Event: enrollment.Event{Invitation: "inv_sample", At: sampleTime},
			User:  enrollment.User{ID: "sample", Name: "Eva Malá", Email: "eva.mala@example.com"},
			Tries: 5,
		}
	case KindSelfService:
		m.Kind = enrollment.MessageLogin
		m.Login = &enrollment.LoginMail{
			Username: sampleUsername, Password: credentials.SecretString(samplePassword),
			URL: site.PublicURL.JoinPath("enroll", "login").String(), ExpiresAt: sampleTime.AddDate(0, 0, 1),
		}
	}
	return m
}
