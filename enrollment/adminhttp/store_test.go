package adminhttp

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

// snapshot is everything both sites have, as text.
func (w *world) snapshot() string {
	w.t.Helper()
	var all []any
	err := w.store.View(w.t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		for _, site := range []string{"acme", "globex"} {
			invitations, err := tx.Invitations().List(ctx, enrollment.InvitationQuery{Site: site})
			if err != nil {
				return err
			}
			devices, err := tx.Devices().List(ctx, enrollment.DeviceQuery{Site: site})
			if err != nil {
				return err
			}
			slots, err := tx.Slots().Page(ctx, enrollment.SlotQuery{Site: site, Limit: 1000})
			if err != nil {
				return err
			}
			messages, err := tx.Outbox().List(ctx, site, "", 1000)
			if err != nil {
				return err
			}
			counts, err := tx.Slots().Counts(ctx, site)
			if err != nil {
				return err
			}
			passcode, err := tx.Credentials().Get(ctx, site, enrollment.PasscodeSubject, enrollment.KindPasscode)
			if err != nil && !errors.Is(err, enrollment.ErrNotFound) {
				return err
			}
			all = append(all, invitations, devices, slots, messages, counts, passcode)
			for _, inv := range invitations {
				sightings, err := tx.Sightings().List(ctx, site, inv.ID)
				if err != nil {
					return err
				}
				credential, err := tx.Credentials().Get(ctx, site, inv.ID, enrollment.KindInvitation)
				if err != nil && !errors.Is(err, enrollment.ErrNotFound) { // of whom was erased
					return err
				}
				all = append(all, sightings, credential)
			}
			for _, d := range devices {
				contact, err := tx.Contacts().Get(ctx, site, d.ID)
				if err != nil {
					return err
				}
				all = append(all, contact)
			}
		}
		return nil
	})
	require.NoError(w.t, err)
	all = append(all, w.messages.edited)
	text, err := json.Marshal(all)
	require.NoError(w.t, err)
	return string(text)
}
