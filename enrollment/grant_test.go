package enrollment_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

const use = "mdm/certificate"

// grant returns a grant of an invitation.
func (w *world) grant(inv string) credentials.Secret {
	w.Helper()
	g, _, err := w.svc.GrantByToken(w.ctx, w.token(inv).Reveal())
	require.NoError(w, err)
	_, text, err := w.svc.NewGrant(use, g, time.Hour)
	require.NoError(w, err)
	return text
}

// used returns the id of a grant of an invitation that was used.
func (w *world) used(inv string) string {
	w.Helper()
	g, err := w.svc.UseGrant(w.ctx, use, w.grant(inv), invitation.CertificateIssued)
	require.NoError(w, err)
	return g.ID
}

// loginGrant returns a grant of a one-time login, as a platform is offered it.
func (w *world) loginGrant(user string) enrollment.Grant {
	w.Helper()
	_, err := w.svc.AcceptLogin(w.ctx, w.mailed(user), enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	require.NoError(w, err)
	require.NotZero(w, w.offered.Grant)
	g, site, err := w.svc.OpenGrant(w.ctx, enrollment.LoginGrantUse("offering"), w.offered.Grant)
	require.NoError(w, err)
	assert.Equal(w, "acme", site.ID)
	return g
}

// refusals are the refused steps and reasons of a subject.
func (w *world) refusals(subject string) (list []string) {
	for _, e := range w.events(subject) {
		if e.Type == enrollment.EventRefused {
			list = append(list, e.Data["step"]+" "+e.Reason)
		}
	}
	return list
}

func TestAGrantCarriesItsInvitation(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	text := w.grant(inv)
	g, site, err := w.svc.OpenGrant(w.ctx, use, text)
	require.NoError(t, err)
	assert.Equal(t, "Acme", site.Name)
	assert.Equal(t, inv, g.Invitation)
	assert.Equal(t, w.clock.Now().Add(time.Hour), g.ExpiresAt)
	assert.Len(t, g.ID, 26)
	assert.NotContains(t, text.Reveal(), inv)
	other, _, err := w.svc.OpenGrant(w.ctx, use, w.grant(inv))
	require.NoError(t, err)
	assert.NotEqual(t, g.ID, other.ID, "each is one of its own")
	before := w.types(inv)
	_, _, err = w.svc.OpenGrant(w.ctx, use, text)
	require.NoError(t, err)
	assert.Equal(t, before, w.types(inv), "looking leaves nothing")
}

func TestAGrantIsRefusedForEverythingThatItIsNot(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	text := w.grant(inv).Reveal()
	for name, c := range map[string]struct{ use, text string }{
		"another use":  {"mdm/page", text},
		"no text":      {use, ""},
		"cut":          {use, text[:len(text)-1]},
		"longer":       {use, text + "A"},
		"changed":      {use, "B" + text[1:]},
		"another MAC":  {use, text[:len(text)-4] + "AAAA"},
		"no base64":    {use, strings.Repeat("!", len(text))},
		"far too long": {use, strings.Repeat("A", 1<<20)},
		"a token":      {use, w.token(inv).Reveal()},
	} {
		t.Run(name, func(t *testing.T) {
			g, _, err := w.svc.OpenGrant(w.ctx, c.use, credentials.SecretString(c.text))
			assert.ErrorIs(t, err, enrollment.ErrGrantRefused)
			assert.Zero(t, g)
			_, err = w.svc.UseGrant(w.ctx, c.use, credentials.SecretString(c.text), invitation.CertificateIssued)
			assert.ErrorIs(t, err, enrollment.ErrGrantRefused)
		})
	}
	assert.Empty(t, w.refusals(inv), "what is not ours fills no journal")
}

func TestAGrantIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	text := w.grant(inv)
	var group sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for range 8 {
		group.Go(func() {
			_, err := w.svc.UseGrant(w.ctx, use, text, invitation.CertificateIssued)
			mu.Lock()
			defer mu.Unlock()
			codes[enrollment.Code(err)]++
		})
	}
	group.Wait()
	assert.Equal(t, map[string]int{"": 1, "grant_used": 7}, codes)
	assert.Equal(t, []string{use + " grant_used"}, w.refusals(inv), "noted once")
}

func TestAGrantEndsWithItsTimeAndWithWhatGaveIt(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, inv string)
		want error
	}{
		"its time":         {func(w *world, _ string) { w.clock.Advance(time.Hour) }, enrollment.ErrGrantExpired},
		"a deactivation":   {func(w *world, inv string) { _, err := w.svc.Deactivate(w.ctx, w.by, inv); require.NoError(w, err) }, invitation.ErrDeactivated},
		"a new invitation": {func(w *world, _ string) { w.invite("ann") }, invitation.ErrDeactivated},
		"a new PIN":        {func(w *world, inv string) { _, err := w.svc.NewPIN(w.ctx, w.by, inv); require.NoError(w, err) }, enrollment.ErrGrantRefused},
		"its last place":   {func(w *world, inv string) { w.enroll(inv); w.enroll(inv) }, invitation.ErrExhausted},
		"its own end":      {func(w *world, _ string) { w.clock.Advance(31 * time.Minute) }, invitation.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			inv := w.invite("ann", func(r *enrollment.InviteRequest) {
				r.MaxDevices = 2
				if name == "its own end" {
					r.ExpiresAt = w.clock.Now().Add(30 * time.Minute)
				}
			})
			text := w.grant(inv)
			c.end(w, inv)
			g, _, err := w.svc.OpenGrant(w.ctx, use, text)
			assert.ErrorIs(t, err, c.want)
			assert.Equal(t, inv, g.Invitation, "whose it was is known")
			for range 2 {
				_, err = w.svc.UseGrant(w.ctx, use, text, invitation.CertificateIssued)
				assert.ErrorIs(t, err, c.want)
			}
			assert.Equal(t, []string{use + " " + enrollment.Code(c.want)}, w.refusals(inv))
		})
	}
}

func TestAGrantOfALoginEndsWithTheLogin(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"another login": func(w *world) { w.mailed("u1") },
		"the door shut": func(w *world) { _, err := w.svc.DisablePasscode(w.ctx, w.by); require.NoError(w, err) },
		"its time":      func(w *world) { w.clock.Advance(48 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newOffering(t)
			g := w.loginGrant("u1")
			_, text, err := w.svc.NewGrant(use, g, enrollment.MaxGrantLife)
			require.NoError(t, err)
			end(w)
			_, err = w.svc.UseGrant(w.ctx, use, text, "")
			assert.True(t, errors.Is(err, enrollment.ErrCredentialRefused) || errors.Is(err, enrollment.ErrGrantExpired), err)
			assert.Len(t, w.refusals(enrollment.LoginSubject("u1")), 1)
		})
	}
}

func TestNoGrantIsMadeOfNothing(t *testing.T) {
	w := newWorld(t)
	g := enrollment.Grant{Site: "acme", Invitation: "inv_1"}
	for name, call := range map[string]func() error{
		"no use":     func() error { _, _, err := w.svc.NewGrant("", g, time.Hour); return err },
		"no life":    func() error { _, _, err := w.svc.NewGrant(use, g, 0); return err },
		"a long one": func() error { _, _, err := w.svc.NewGrant(use, g, enrollment.MaxGrantLife+1); return err },
		"no site": func() error {
			_, _, err := w.svc.NewGrant(use, enrollment.Grant{Invitation: "inv_1"}, time.Hour)
			return err
		},
		"no owner": func() error { _, _, err := w.svc.NewGrant(use, enrollment.Grant{Site: "acme"}, time.Hour); return err },
		"a long id": func() error {
			_, _, err := w.svc.NewGrant(use, enrollment.Grant{Site: "acme", User: strings.Repeat("u", 129)}, time.Hour)
			return err
		},
	} {
		assert.Error(t, call(), name)
	}
}

func FuzzOpenGrant(f *testing.F) {
	w := newWorld(&testing.T{})
	w.ctx = f.Context()
	g, text, err := w.svc.NewGrant(use, enrollment.Grant{Site: "acme", Invitation: "inv_1"}, time.Hour)
	require.NoError(f, err)
	f.Add(text.Reveal())
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		got, _, err := w.svc.OpenGrant(t.Context(), use, credentials.SecretString(s))
		if s == text.Reveal() {
			assert.Equal(t, g.ID, got.ID)
			assert.ErrorIs(t, err, enrollment.ErrInvitationUnknown)
			return
		}
		assert.ErrorIs(t, err, enrollment.ErrGrantRefused, "nothing else is ours")
	})
}
