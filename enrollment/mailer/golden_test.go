package mailer_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each line is one mail as people get it. The HTML refers to the QR code by its
// cid, so that the image itself is not in the files.
func TestMailsReadAsInTheGoldenFiles(t *testing.T) {
	for name, mail := range map[string]func() enrollment.Mail{
		"invitation":         invitationMail,
		"invitation_cs":      in("cs", invitationMail),
		"invitation_company": companyInvitation,
		"invitation_bare":    bareInvitation,
		"renewal":            renewalMail,
		"renewal_cs":         in("cs", renewalMail),
		"renewal_burnt_pin":  burntRenewal,
		"renewal_no_codes":   renewalWithoutInvitation,
		"renewal_pending":    pendingRenewal,
		"renewal_self":       selfServiceRenewal,
		"renewal_self_cs":    in("cs", selfServiceRenewal),
		"alert_pin":          alertMail,
		"alert_pin_cs":       in("cs", alertMail),
		"alert_burnt":        alertOf(invitation.EventPINBurnt),
		"alert_password":     alertOf(invitation.EventPasswordBurnt),
		"alert_conflict":     conflictAlert,
		"alert_unknown":      alertOf("other.thing"),
		"alert_passcode":     passcodeAlert(enrollment.EventPasscodeAlert, 10),
		"alert_passcode_cs":  in("cs", passcodeAlert(enrollment.EventPasscodeAlert, 10)),
		"alert_locked":       passcodeAlert(enrollment.EventPasscodeLocked, 100),
		"alert_locked_cs":    in("cs", passcodeAlert(enrollment.EventPasscodeLocked, 100)),
		"self_service":       loginMail,
		"self_service_cs":    in("cs", loginMail),
		"self_service_bare":  bareLogin,
	} {
		t.Run(name, func(t *testing.T) {
			msg := render(t, mail())
			for part, text := range map[string]string{
				".txt":  "Subject: " + msg.Subject + "\n\n" + msg.Text,
				".html": msg.HTML,
			} {
				file := filepath.Join("testdata", "golden", name+part)
				if *update {
					require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
					require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err, "run: go test -update")
				require.Equal(t, string(want), text, "%s differs; if that is meant, run: go test -update", file)
			}
		})
	}
}

func in(language string, mail func() enrollment.Mail) func() enrollment.Mail {
	return func() enrollment.Mail {
		m := mail()
		m.Language = language
		return m
	}
}

func companyInvitation() enrollment.Mail {
	m := invitationMail()
	m.Invitation.Mode, m.Invitation.Ownership = device.AndroidFullyManaged, device.Company
	return m
}

// bareInvitation is all that a site that sets nothing can send.
func bareInvitation() enrollment.Mail {
	m := invitationMail()
	m.ToName, m.Site = "", enrollment.Site{ID: "acme", PublicURL: m.Site.PublicURL}
	m.Invitation = &enrollment.InvitationMail{Codes: enrollment.Codes{URL: codes().URL}}
	return m
}

func burntRenewal() enrollment.Mail {
	m := renewalMail()
	m.Renewal.Codes.PIN = enrollment.Codes{}.PIN
	return m
}

func renewalWithoutInvitation() enrollment.Mail {
	m := renewalMail()
	m.Renewal.Codes = enrollment.Codes{}
	m.Renewal.Platform, m.Renewal.Agent = device.IOS, m.Site.Agents[device.IOS]
	return m
}

func pendingRenewal() enrollment.Mail {
	m := renewalMail()
	m.Renewal.State, m.Renewal.Name, m.Renewal.Since = device.Pending, "", time.Time{}
	return m
}

func alertOf(code string) func() enrollment.Mail {
	return func() enrollment.Mail {
		m := alertMail()
		m.Alert.Code, m.Alert.Tries = code, 20
		return m
	}
}

func conflictAlert() enrollment.Mail {
	m := alertOf(device.EventConflict)()
	m.Alert.Tries, m.Alert.Event.Invitation, m.Alert.Event.Device = 0, "", "dev_02"
	return m
}

// passcodeAlert is about a site's passcode and nobody in particular.
func passcodeAlert(code string, tries int) func() enrollment.Mail {
	return func() enrollment.Mail {
		m := alertOf(code)()
		m.Alert.User, m.Alert.Event.Invitation, m.Alert.Tries = enrollment.User{}, "", tries
		return m
	}
}

// selfServiceRenewal is about a device that came in without an invitation. Codes
// that come all the same are left out.
func selfServiceRenewal() enrollment.Mail {
	m := renewalMail()
	m.Renewal.SelfService = enrollLink
	return m
}

// bareLogin is all that a site that sets nothing can send.
func bareLogin() enrollment.Mail {
	m := loginMail()
	m.ToName, m.Site = "", enrollment.Site{ID: "acme", PublicURL: m.Site.PublicURL}
	m.Login.ExpiresAt = time.Time{}
	return m
}
