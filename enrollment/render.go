package enrollment

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// render makes a mail from what is true now. Without a mail, the fate says why
// not; with one, a fate says what follows once it is delivered.
func (s *Service) render(ctx context.Context, m Message) (Mail, *fate) {
	site, err := s.site(ctx, m.Site)
	if err != nil {
		return Mail{}, again("site_" + Code(err))
	}
	switch m.Kind {
	case MessageInvitation:
		return s.renderInvitation(ctx, site, m)
	case MessageRenewal:
		return s.renderRenewal(ctx, site, m)
	case MessageAlert:
		return s.renderAlert(ctx, site, m)
	case MessageLogin:
		return s.renderLogin(ctx, site, m)
	}
	return Mail{}, idle("kind_unknown") // of a newer version, which may run beside this one
}

func (s *Service) renderInvitation(ctx context.Context, site Site, m Message) (Mail, *fate) {
	var to recipient
	var cred Credential
	var left int
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		inv, err := u.Invitations().Get(ctx, m.Site, m.Invitation)
		if err != nil {
			return err
		}
		if to.User, err = u.userOf(ctx, m.Site, inv.User); err != nil {
			return err
		}
		to.invitation = inv
		if usable(inv, u) != nil || m.CreatedAt.Before(inv.SentAt) {
			return ErrNotFound // it is over, or was sent again since
		}
		cred, left, err = u.shown(ctx, site, to)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Mail{}, superseded("no_longer_true")
	case err != nil:
		return Mail{}, again("unavailable")
	}
	inv := to.invitation
	if inv.Email == "" {
		return Mail{}, dead("no_address")
	}
	codes, err := s.codesOf(ctx, site, inv, cred, left)
	if err != nil {
		return Mail{}, again("credentials")
	}
	mail := s.mail(site, m, inv.Email, firstOf(inv.Name, to.Name), to.Language)
	mail.Invitation = &InvitationMail{
		ID: inv.ID, Codes: codes, Mode: device.Mode(inv.Mode), Ownership: device.Ownership(inv.Ownership), ExpiresAt: inv.ExpiresAt,
	}
	return mail, nil
}

func (s *Service) renderRenewal(ctx context.Context, site Site, m Message) (Mail, *fate) {
	cause, f := s.eventOf(ctx, m)
	if f != nil {
		return Mail{}, f
	}
	var d device.Device
	var contact Contact
	var to recipient
	var cred Credential
	var left int
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if d, err = u.Devices().Get(ctx, m.Site, m.Device); err != nil {
			return err
		}
		if d.Deleted() || (automatic(cause) && (!stillSilent(d, cause) || site.Policy.RenewEvery <= 0)) {
			return ErrNotFound
		}
		if contact, err = u.contactOf(ctx, m.Site, d.ID); err != nil {
			return err
		}
		d = live(d, contact, site, u.now)
		if to, err = u.recipient(ctx, d); err != nil || to.invitation.ID == "" {
			return err
		}
		cred, left, err = u.shown(ctx, site, to)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Mail{}, superseded("device_over")
	case err != nil:
		return Mail{}, again("unavailable")
	case to.Email == "":
		return Mail{}, dead("no_address")
	}
	mail := s.mail(site, m, to.Email, to.Name, to.Language)
	mail.Renewal = &RenewalMail{
		Device: d.ID, Name: d.Name, Platform: d.Platform, Since: contact.At, State: d.State, Agent: site.Agents[d.Platform],
	}
	if d.Origin == device.BySelfService && to.invitation.ID == "" {
		mail.Renewal.SelfService = site.page("enroll")
	}
	if to.invitation.ID != "" {
		codes, err := s.codesOf(ctx, site, to.invitation, cred, left)
		if err != nil {
			return Mail{}, again("credentials")
		}
		if d.Platform != device.Android { // only its agent scans a code or takes a PIN
			codes.PIN, codes.QR = credentials.Secret{}, credentials.Secret{}
		}
		mail.Renewal.Codes = codes
	}
	if automatic(cause) {
		f = done()
		f.then = func(ctx context.Context, u *unit) error { return u.renewedBySchedule(ctx, site, m, cause) }
	}
	return mail, f
}

// renderLogin makes the mail with a one-time login. One that was replaced or used
// meanwhile is not worth a mail.
func (s *Service) renderLogin(ctx context.Context, site Site, m Message) (Mail, *fate) {
	var user User
	var cred Credential
	var data loginData
	err := s.view(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if user, err = u.Users().Get(ctx, m.Site, m.User); err != nil {
			return err
		}
		_, door, err := u.passcode(ctx, m.Site)
		if err != nil {
			return err
		}
		cred, data, err = u.login(ctx, m.Site, m.User)
		if err == nil && (!door.admits(cred) || m.CreatedAt.Before(cred.CreatedAt) || !data.UsedAt.IsZero() || !u.now.Before(data.ExpiresAt)) {
			return ErrNotFound
		}
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Mail{}, superseded("no_longer_true")
	case err != nil:
		return Mail{}, again("unavailable")
	case user.Email == "":
		return Mail{}, dead("no_address")
	}
	username, password, err := s.reproduce(cred, data)
	if err != nil {
		return Mail{}, again("credentials")
	}
	mail := s.mail(site, m, user.Email, user.Name, user.Language)
	mail.Login = &LoginMail{Username: username, Password: password, URL: site.page("enroll", "login"), ExpiresAt: data.ExpiresAt}
	return mail, nil
}

// renderAlert makes one administrator's alert, or spreads the one for all.
func (s *Service) renderAlert(ctx context.Context, site Site, m Message) (Mail, *fate) {
	var admins []Administrator
	if s.cfg.Administrators != nil {
		var err error
		if admins, err = s.cfg.Administrators.Administrators(ctx, m.Site); err != nil {
			return Mail{}, again("administrators")
		}
	}
	if m.Admin == "" {
		return Mail{}, spread(m, admins)
	}
	i := slices.IndexFunc(admins, func(a Administrator) bool { return a.ID == m.Admin })
	if i < 0 {
		return Mail{}, superseded("administrator_over")
	}
	if admins[i].Email == "" {
		return Mail{}, dead("no_address")
	}
	e, f := s.eventOf(ctx, m)
	if f != nil {
		return Mail{}, f
	}
	alert := AlertMail{Code: string(e.Type), Event: e}
	alert.Tries, _ = strconv.Atoi(e.Data["tries"]) // 0 where it is not about tries
	if e.User != "" {
		err := s.view(ctx, func(ctx context.Context, u *unit) error {
			var err error
			alert.User, err = u.userOf(ctx, m.Site, e.User)
			return err
		})
		if err != nil {
			return Mail{}, again("unavailable")
		}
	}
	mail := s.mail(site, m, admins[i].Email, admins[i].Name, admins[i].Language)
	mail.Alert = &alert
	return mail, nil
}

// spread queues one message for each administrator, in the unit that ends the
// one for all, so that a mail that fails is repeated for its recipient alone.
func spread(m Message, admins []Administrator) *fate {
	f := done()
	if len(admins) == 0 {
		f.cause = "nobody"
	}
	f.then = func(ctx context.Context, u *unit) error {
		for _, a := range admins {
			one := Message{
				Site: m.Site, Kind: MessageAlert, Invitation: m.Invitation, Device: m.Device, User: m.User, Event: m.Event,
				Admin: a.ID, Dedupe: string(MessageAlert) + "/" + m.Event + "/" + a.ID,
			}
			if err := u.enqueue(ctx, one); err != nil {
				return err
			}
		}
		return nil
	}
	return f
}

// shown returns the credential of the recipient's invitation, and how many
// tries its PIN has left.
func (u *unit) shown(ctx context.Context, site Site, to recipient) (cred Credential, left int, err error) {
	cred, err = u.Credentials().Get(ctx, to.invitation.Site, to.invitation.ID, KindInvitation)
	if err != nil {
		return cred, 0, err
	}
	left, err = u.pinTriesLeft(ctx, site, to.invitation)
	return cred, left, err
}

// mail is the envelope of every mail.
func (s *Service) mail(site Site, m Message, to, name, language string) Mail {
	if language == "" && len(site.Languages) > 0 {
		language = site.Languages[0]
	}
	return Mail{
		ID: m.ID, Kind: m.Kind, Site: site, To: to, ToName: name,
		Language: firstOf(language, "en"), At: s.now(),
	}
}
