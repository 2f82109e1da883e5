package pgxq_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// between is a store on which something else is done once, right after a unit
// has read something, and before it goes on.
type between struct {
	enrollment.Storage
	after string
	once  sync.Once
	then  func()
}

// whileIt lets other go ahead until it has ended or waits for a lock, and
// returns what waits for its end.
func whileIt(t *testing.T, pool *pgxpool.Pool, store enrollment.Storage, after string, other func() error) (s *between, wait func()) {
	t.Helper()
	done := make(chan struct{})
	var failed error
	then := func() {
		go func() {
			defer close(done)
			failed = other()
		}()
		require.Eventually(t, func() bool {
			select {
			case <-done:
				return true
			default:
			}
			var waiting int
			err := pool.QueryRow(context.Background(),
				"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").Scan(&waiting)
			return err == nil && waiting == 1
		}, time.Minute, 5*time.Millisecond, "it ends or waits")
	}
	return &between{Storage: store, after: after, then: then}, func() {
		t.Helper()
		<-done
		require.NoError(t, failed)
	}
}

func (b *between) Update(ctx context.Context, fn func(context.Context, enrollment.Tx) error) error {
	return b.Storage.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error { return fn(ctx, betweenTx{tx, b}) })
}

func (b *between) read(what string) {
	if what == b.after {
		b.once.Do(b.then)
	}
}

type betweenTx struct {
	enrollment.Tx
	b *between
}

func (t betweenTx) Users() enrollment.Users     { return betweenUsers{t.Tx.Users(), t.b} }
func (t betweenTx) Devices() enrollment.Devices { return betweenDevices{t.Tx.Devices(), t.b} }
func (t betweenTx) Slots() enrollment.Slots     { return betweenSlots{t.Tx.Slots(), t.b} }
func (t betweenTx) Credentials() enrollment.Credentials {
	return betweenCredentials{t.Tx.Credentials(), t.b}
}

type betweenUsers struct {
	enrollment.Users
	b *between
}

func (u betweenUsers) Get(ctx context.Context, site, id string) (enrollment.User, error) {
	defer u.b.read("Users.Get")
	return u.Users.Get(ctx, site, id)
}

func (u betweenUsers) Outside(ctx context.Context, user enrollment.User) (enrollment.User, error) {
	defer u.b.read("Users.Outside")
	return u.Users.Outside(ctx, user)
}

type betweenDevices struct {
	enrollment.Devices
	b *between
}

func (d betweenDevices) List(ctx context.Context, q enrollment.DeviceQuery) ([]device.Device, error) {
	defer d.b.read("Devices.List")
	return d.Devices.List(ctx, q)
}

type betweenSlots struct {
	enrollment.Slots
	b *between
}

func (s betweenSlots) Get(ctx context.Context, site, id string) (enrollment.Slot, error) {
	defer s.b.read("Slots.Get")
	return s.Slots.Get(ctx, site, id)
}

type betweenCredentials struct {
	enrollment.Credentials
	b *between
}

func (c betweenCredentials) List(ctx context.Context, kind enrollment.CredentialKind, after enrollment.Credential, limit int) ([]enrollment.Credential, error) {
	defer c.b.read("Credentials.List")
	return c.Credentials.List(ctx, kind, after, limit)
}
