package windows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// conflicts are how many there were, of each of which administrators get a mail.
func (w *world) conflicts() (n int) {
	w.Helper()
	require.NoError(w, w.store.View(w.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		events, err := tx.Journal().List(ctx, enrollment.EventQuery{Site: "acme"})
		n = 0
		for _, e := range events {
			if e.Type == device.EventConflict {
				n++
			}
		}
		return err
	}))
	return n
}

func TestAComputerWithoutAHardwareIDComesBackByItsName(t *testing.T) {
	w := newWorld(t)
	enroll := func(user, id string) *computer {
		c := w.computer(1)
		c.id, c.hardware = id, ""
		username, password := w.login(user)
		c.enroll(username, password).session()
		w.pass(time.Minute)
		return c
	}
	enroll("ann", "ONE")
	first := w.device()
	require.Equal(t, "SN-", first.Hardware.Serial, "known once it has said so")
	enroll("ann", "ONE")
	again := w.device()
	assert.Equal(t, first.ID, again.ID)
	assert.Equal(t, 2, again.Generation)
	assert.Equal(t, device.Active, again.State)

	enroll("bob", "ONE")
	list := w.devices()
	require.Len(t, list, 2, "another's device has nobody's row")
	for _, d := range list {
		assert.Equal(t, d.User == "bob", d.Conflict != "", "whose serial number it is, somebody has to say")
	}
	_, err := w.svc.Sequence(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, w.conflicts())
}

// It may be the same computer after a reset, or one with a board of the same number:
// nobody else's in any case.
func TestHardwareOfOnesOwnOtherDeviceIsNoConflict(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"ONE", "TWO"} {
		c := w.computer(1)
		c.id, c.hardware = id, ""
		username, password := w.login("ann")
		c.enroll(username, password).session()
		w.pass(time.Minute)
	}
	list := w.devices()
	require.Len(t, list, 2)
	serials := 0
	for _, d := range list {
		assert.Empty(t, d.Conflict)
		assert.Equal(t, device.Active, d.State)
		assert.NotEmpty(t, d.Inventory)
		if d.Hardware.Serial != "" {
			serials++
		}
	}
	assert.Equal(t, 1, serials, "it is one device's")
	_, err := w.svc.Sequence(t.Context())
	require.NoError(t, err)
	assert.Zero(t, w.conflicts())
}

func TestADeviceThatWasDeletedLongAgoIsToldToLeaveAllTheSame(t *testing.T) {
	w := newWorld(t)
	w.site.Policy.Retention.Tombstones = 30 * 24 * time.Hour
	c := w.enrolled("ann", 1)
	c.session()
	require.NoError(t, w.svc.Delete(t.Context(), admin, w.device().ID))
	for range 12 {
		w.pass(5 * 24 * time.Hour)
		_, err := w.svc.Sweep(t.Context())
		require.NoError(t, err)
	}
	require.Empty(t, w.devices(), "nothing is left of it")
	assert.Contains(t, c.manage(c.sync(1, begins)), "/Unenroll</LocURI>")
	assert.Equal(t, "s:Authorization NotEligibleToRenew", w.refused(w.soap("/enrollment", c.renewal(signing{}))))
	assert.Equal(t, []string{"windows/renew: device_gone"}, w.reasons())
}
