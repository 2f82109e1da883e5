package mailer

import (
	"fmt"
	"html/template"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// sampleQR is the QR code that sample mails refer to.
const sampleQR template.URL = "cid:qr@sample"

// try runs the set against samples, so that a template that cannot be used is
// found when the program starts and not when a mail is due.
func (s *set) try() error {
	for _, sample := range samples(s.name) {
		r, err := s.render(sample)
		if err != nil {
			return fmt.Errorf("mailer: %w", err)
		}
		file := ""
		switch {
		case r.subject == "":
			file = subjectPart
		case r.text == "\n":
			file = textPart
		}
		if file != "" {
			return fmt.Errorf("mailer: template: %s.%s: renders to nothing", s.name, file)
		}
		// What html/template writes in place of a value that it does not trust
		// where the template has it.
		if strings.Contains(r.html, "ZgotmplZ") {
			return fmt.Errorf("mailer: template: %s.%s: a field stands where its value is not safe", s.name, htmlPart)
		}
		if strings.Count(r.html, "cid:") != strings.Count(r.html, string(sampleQR)) {
			return fmt.Errorf("mailer: template: %s.%s: refers to an image other than {{.QR}}", s.name, htmlPart)
		}
	}
	return nil
}

// samples returns mails of every shape: each field set, each empty, each code.
func samples(name string) []Data {
	language, kind, _ := strings.Cut(name, "/")
	full := Data{
		Language: language, Site: "Acme", Support: "help@example.com", Name: "Jan Novák",
		Email: "jan@example.com", URL: "https://enroll.example.com/i/sample", PIN: "1234 5678",
		QR: sampleQR, QRSize: 246, Expires: "2026-12-24 18:00 UTC",
		Agent: "Acme Mobile", Store: "https://store.example.com/acme", Open: "acme://open",
	}
	bare := Data{Language: language}
	all := []Data{full, bare}
	switch kind {
	case "invitation":
		for _, m := range device.Modes("") {
			for _, o := range []device.Ownership{"", device.Company, device.Personal} {
				d := full
				d.Mode, d.Ownership = string(m), string(o)
				all = append(all, d)
			}
		}
	case "renewal":
		for _, p := range device.Platforms() {
			for _, state := range device.States() {
				d := full
				d.Platform, d.State = string(p), string(state)
				d.Device, d.Since = "Jan's phone", "2026-11-20 09:00 UTC"
				withoutCodes := d
				withoutCodes.URL, withoutCodes.PIN, withoutCodes.QR, withoutCodes.Open = "", "", "", ""
				all = append(all, d, withoutCodes)
			}
		}
	case "alert":
		bare.Code, bare.Event = "other", "other"
		all = []Data{bare}
		for _, code := range []string{invitation.EventPINAlert, invitation.EventPINBurnt, device.EventConflict, "other"} {
			all = append(all, Data{
				Language: language, Site: "Acme", Support: full.Support, Name: full.Name,
				Code: code, Event: "other", When: "2026-11-20 09:00 UTC", Tries: 5,
				UserName: "Eva", UserEmail: "eva@example.com", UserID: "u1", Invitation: "inv_1", DeviceID: "dev_1",
			})
		}
	}
	return all
}
