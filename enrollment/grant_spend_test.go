package enrollment_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

func TestAGrantThatIsSpentAgainIsNoRefusal(t *testing.T) {
	w := newWorld(t)
	inv := w.invite("ann")
	text := w.grant(inv)
	g, _, err := w.svc.OpenGrant(w.ctx, use, text)
	require.NoError(t, err)
	var firsts atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			spent, before, err := w.svc.SpendGrant(w.ctx, use, text, invitation.CertificateIssued)
			assert.NoError(t, err)
			assert.Equal(t, g.ID, spent.ID)
			if !before {
				firsts.Add(1)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, firsts.Load())
	assert.Empty(t, w.refusals(inv))

	_, err = w.svc.UseGrant(w.ctx, use, text, invitation.CertificateIssued)
	require.ErrorIs(t, err, enrollment.ErrGrantUsed, "it is used, for everybody else")
	_, err = w.svc.Deactivate(w.ctx, w.by, inv)
	require.NoError(t, err)
	_, _, err = w.svc.SpendGrant(w.ctx, use, text, invitation.CertificateIssued)
	require.ErrorIs(t, err, invitation.ErrDeactivated, "what gave it has to stand")
	_, _, err = w.svc.SpendGrant(w.ctx, "other/use", text, invitation.CertificateIssued)
	require.ErrorIs(t, err, enrollment.ErrGrantRefused)
	assert.Equal(t, []string{use + " grant_used", use + " invitation_deactivated"}, w.refusals(inv))
}
