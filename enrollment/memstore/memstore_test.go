package memstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) enrollment.Storage { return memstore.New() })
}

func TestFlows(t *testing.T) {
	storetest.RunFlows(t, func(*testing.T) enrollment.Storage { return memstore.New() })
}

// Where the contract leaves something open, a mistake of the caller is an error.
func TestMistakesAreErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(ctx context.Context, tx enrollment.Tx) error
	}{
		{"a list of invitations without a site", func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Invitations().List(ctx, enrollment.InvitationQuery{Active: true})
			return err
		}},
		{"a list of devices without a site", func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Devices().List(ctx, enrollment.DeviceQuery{User: "user"})
			return err
		}},
		{"a device found by two things", func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Devices().Find(ctx, enrollment.DeviceKey{Site: "site", Ref: device.Ref{Source: "mdm", ID: "1"}, Identity: "udid:1"})
			return err
		}},
		{"a device found by nothing", func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Devices().Find(ctx, enrollment.DeviceKey{Site: "site"})
			return err
		}},
		{"a user of the directory given to Outside", func(ctx context.Context, tx enrollment.Tx) error {
			_, err := tx.Users().Outside(ctx, enrollment.User{Site: "site", ID: "one", EmailKey: "a@example.com"})
			return err
		}},
		{"a message whose id is taken", func(ctx context.Context, tx enrollment.Tx) error {
			return tx.Outbox().Put(ctx, enrollment.Message{Site: "site", ID: "evt_1"}, enrollment.Message{Site: "site", ID: "evt_1"})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := memstore.New().Update(t.Context(), c.call)
			require.Error(t, err)
			require.NotErrorIs(t, err, enrollment.ErrNotFound)
		})
	}
}

func TestATxIsOverWithItsUnit(t *testing.T) {
	var kept enrollment.Tx
	s := memstore.New()
	require.NoError(t, s.Update(t.Context(), func(_ context.Context, tx enrollment.Tx) error { kept = tx; return nil }))

	require.Error(t, kept.Users().Put(t.Context(), enrollment.User{Site: "site", ID: "one"}))
	_, err := kept.Users().Get(t.Context(), "site", "one")
	require.Error(t, err)
	require.NotErrorIs(t, err, enrollment.ErrNotFound)
}

func TestUnitsOfTwoStoresMayBeInsideEachOther(t *testing.T) {
	a, b := memstore.New(), memstore.New()
	require.NoError(t, a.Update(t.Context(), func(ctx context.Context, _ enrollment.Tx) error {
		return b.Update(ctx, func(context.Context, enrollment.Tx) error { return nil })
	}))
}

func TestAWaitingUnitGivesUpWithItsContext(t *testing.T) {
	s := memstore.New()
	require.NoError(t, s.Update(t.Context(), func(context.Context, enrollment.Tx) error {
		ctx, cancel := context.WithCancel(t.Context()) // a caller of its own, which meets a store that is taken
		done := make(chan error)
		go func() { done <- s.Update(ctx, func(context.Context, enrollment.Tx) error { return nil }) }()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		return nil
	}))
}
