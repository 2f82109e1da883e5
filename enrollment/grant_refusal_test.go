package enrollment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestManyGrantsOfOneHolderDoNotFillTheJournal(t *testing.T) {
	w := newOffering(t)
	login := w.loginGrant("u1")
	inv, other := w.invite("ann"), w.invite("carl")
	refuse := func(g enrollment.Grant, times int, reason string) {
		for range times {
			fresh, _, err := w.svc.NewGrant(use, g, time.Hour)
			require.NoError(t, err)
			require.NoError(t, w.svc.RefuseGrant(w.ctx, fresh, use, reason))
		}
	}
	ann := enrollment.Grant{Site: "acme", Invitation: inv, Generation: 1}
	refuse(ann, enrollment.MaxRefusals+5, "request_malformed")
	assert.Len(t, w.refusals(inv), enrollment.MaxRefusals)
	refuse(ann, 1, "authority_expired")
	assert.Len(t, w.refusals(inv), enrollment.MaxRefusals+1, "another reason is news")
	refuse(enrollment.Grant{Site: "acme", Invitation: other, Generation: 1}, 1, "request_malformed")
	assert.Len(t, w.refusals(other), 1, "and so is another holder")
	refuse(login, enrollment.MaxRefusals+5, "request_malformed")
	assert.Len(t, w.refusals(enrollment.LoginSubject("u1")), enrollment.MaxRefusals)

	w.clock.Advance(2 * enrollment.MaxGrantLife)
	refuse(ann, 1, "request_malformed")
	assert.Len(t, w.refusals(inv), enrollment.MaxRefusals+2)
	_, err := w.svc.EnrollManaged(w.ctx, enrollment.ManagedRequest{
		Site: "acme", Source: device.SourceMDM, Grant: login.ID, Ref: device.Ref{Source: "channel", ID: "x"}, Platform: device.IOS,
	})
	require.ErrorIs(t, err, enrollment.ErrGrantRefused, "what was refused was not used")
}
