package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// T2: one PIN sprayed over many people burns nobody's, and the administrators
// hear of it all the same: once, until the site's window ends.
func TestAdministratorsHearThatTheSitesBudgetOfWrongPINsIsSpent(t *testing.T) {
	w := newWorld(t)
	w.sites.change("acme", func(s *enrollment.Site) {
		s.Policy.Credentials = credentials.Policy{
			PINSiteBudget: 6, PINAlert: credentials.Off, PINPace: credentials.Off, SourcePace: credentials.Off,
		}
	})
	ids := []string{w.invite("ann"), w.invite("bob"), w.invite("cyd")}
	spray := func() {
		for _, user := range []string{"ann", "bob", "cyd"} {
			require.ErrorIs(t, w.tryPIN(user+"@example.com", wrongPINOf(w, user)), enrollment.ErrCredentialRefused)
		}
	}
	alerts := func() (list []enrollment.Mail) {
		w.deliver()
		for _, m := range w.mail.all() {
			if m.Alert != nil {
				list = append(list, m)
			}
		}
		return list
	}
	spray()
	require.Empty(t, alerts(), "half of it")
	spray()
	require.Len(t, alerts(), 2, "one for each administrator")
	require.Equal(t, enrollment.EventPINSiteSpent, alerts()[0].Alert.Code)
	require.Equal(t, 6, alerts()[0].Alert.Tries)
	spray()
	w.clock.Advance(time.Hour)
	spray()
	require.Len(t, alerts(), 2)
	require.Equal(t, []string{enrollment.EventPINSiteSpent}, w.types(enrollment.PINSiteSubject))
	for _, id := range ids {
		detail, err := w.svc.Invitation(w.ctx, w.by, id)
		require.NoError(t, err)
		require.Positive(t, detail.PINTriesLeft)
	}

	w.clock.Advance(31 * 24 * time.Hour)
	spray()
	require.Len(t, alerts(), 2)
	spray()
	require.Len(t, alerts(), 4, "the next window")
	require.Len(t, w.types(enrollment.PINSiteSubject), 2)
}

func wrongPINOf(w *world, user string) credentials.Secret {
	return credentials.SecretString(wrongPIN(w.pinOf(user).Reveal()))
}
