package accounts

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

func TestEveryRetentionThatIsTakenIsTakenByTheSDK(t *testing.T) {
	n := func(v int) *int { return &v }
	for _, days := range []*int{nil, n(0), n(1), n(29), n(30), n(31), n(3653), n(3654), n(-1)} {
		for name, p := range map[string]Policy{
			"journal": {JournalDays: days}, "observations": {ObservationsDays: days},
			"tombstones": {TombstonesDays: days}, "requests": {RequestsDays: days},
		} {
			s := Settings{Name: "x", Policy: p}
			if s.Validate() == nil {
				assert.NoError(t, s.site("s", nil).Policy.Validate(), "%s %v", name, days)
			} else if days != nil && *days != 0 {
				assert.Error(t, s.site("s", nil).Policy.Validate(), "%s %d is refused here alone", name, *days)
			}
		}
	}
	require.Error(t, Settings{Name: "x", Policy: Policy{RequestsDays: n(0)}}.Validate(), "not for ever")
	r := Policy{JournalDays: n(0), TombstonesDays: n(60)}.retention()
	assert.Equal(t, enrollment.Retention{Journal: enrollment.Forever, Tombstones: 60 * 24 * time.Hour}, r)
	effective := Settings{}.Effective().Policy
	assert.Equal(t, 400, *effective.JournalDays)
	assert.Equal(t, 1, *effective.RequestsDays)
}
