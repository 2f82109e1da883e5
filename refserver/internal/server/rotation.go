package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/keyfile"
	"example.com/enrollkit/refserver/internal/mailbox"
	"example.com/enrollkit/refserver/internal/nodes"
)

// Rotation changes the key ring of servers that run, from beside them. Make one
// with [NewRotation].
type Rotation struct {
	// Wait is how long to wait for the nodes at each step. Out is told of it.
	Wait time.Duration
	Out  io.Writer

	db   *database.DB
	path string
	ring *credentials.Keyring
	svc  *enrollment.Service
	box  *mailbox.Mailbox
}

// NewRotation returns a rotation of the ring in the file at path, after checking
// it against the database. It writes nothing.
func NewRotation(ctx context.Context, db *database.DB, path string, ring *credentials.Keyring) (*Rotation, error) {
	r := &Rotation{db: db, path: path, ring: ring, Out: io.Discard, Wait: time.Minute}
	r.box = mailbox.New(db, func() *credentials.Keyring { return r.ring })
	var err error
	if r.svc, err = enrollment.New(db.Store, enrollment.Config{Keyring: ring}); err != nil {
		return nil, err
	}
	return r, r.check(ctx)
}

// maxCanaries is more than any database has.
const maxCanaries = 1000

// check is [enrollment.Service.Check] for looking alone: it leaves no canary.
func (r *Rotation) check(ctx context.Context) error {
	return r.db.Store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		known, err := tx.Credentials().List(ctx, enrollment.KindCanary, enrollment.Credential{}, maxCanaries)
		for _, c := range known {
			retired := len(c.Data) > 0 // its only mark
			if wrong := r.ring.CheckCanary(c.Check); wrong != nil && !(retired && errors.Is(wrong, credentials.ErrUnknownKey)) {
				return fmt.Errorf("key ring %s does not belong to this database, by key %s: %w", r.path, c.Owner, wrong)
			}
		}
		return err
	})
}

// Ring returns the ring as it is by now.
func (r *Rotation) Ring() *credentials.Keyring { return r.ring }

func (r *Rotation) say(format string, args ...any) { _, _ = fmt.Fprintf(r.Out, format+"\n", args...) }

// use checks a ring against the database and writes the file.
func (r *Rotation) use(ctx context.Context, ring *credentials.Keyring) error {
	if err := r.svc.UseKeyring(ctx, ring); err != nil {
		return err
	}
	r.ring = ring
	return keyfile.Replace(r.path, ring)
}

// Add adds a key that is not used for anything new yet, and returns its id, which
// none had before.
func (r *Rotation) Add(ctx context.Context) (uint32, error) {
	id := slices.Max(r.ring.IDs())
	err := r.db.Store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		known, err := tx.Credentials().List(ctx, enrollment.KindCanary, enrollment.Credential{}, maxCanaries)
		for _, c := range known { // those of keys that are gone, too
			id = max(id, c.Check.KeyID)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	key, err := credentials.NewKey(id+1, rand.Reader)
	if err != nil {
		return 0, err
	}
	ring, err := r.ring.Add(key)
	if err != nil {
		return 0, err
	}
	if err := r.use(ctx, ring); err != nil {
		return 0, err
	}
	r.say("key %d added", key.ID)
	return key.ID, nil
}

// Promote makes a key the current one, after waiting until every node has it:
// one that has not could not read what the others write.
func (r *Rotation) Promote(ctx context.Context, key uint32) error {
	ring, err := r.ring.Promote(key)
	if err != nil {
		return err
	}
	err = r.await(ctx, fmt.Sprintf("to have key %d", key), func(n nodes.Node) bool { has, _ := n.Has(key); return has })
	if err != nil {
		return err
	}
	if err := r.use(ctx, ring); err != nil {
		return err
	}
	r.say("key %d is the current one", key)
	return nil
}

// Move moves everything that is stored to the current key, after waiting until
// every node makes what is new with it.
func (r *Rotation) Move(ctx context.Context) error {
	current := r.ring.Current()
	err := r.await(ctx, fmt.Sprintf("to use key %d", current), func(n nodes.Node) bool { _, is := n.Has(current); return is })
	if err != nil {
		return err
	}
	for {
		p, err := r.pass(ctx)
		if err != nil {
			return err
		}
		r.say("%d rows looked at, %d moved to key %d", p.Looked, p.Changed, current)
		if p.Changed == 0 {
			break
		}
	}
	for {
		n, err := r.box.Rekey(ctx, 100)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		r.say("%d mails moved to key %d", n, current)
	}
	n, err := authority.Rekey(ctx, r.db, r.ring)
	if err != nil {
		return err
	}
	if n > 0 {
		r.say("%d keys of certificate authorities moved to key %d", n, current)
	}
	for {
		n, err := applemdm.Rekey(ctx, r.db, r.ring, 100)
		if err != nil || n == 0 {
			return err
		}
		r.say("%d secrets of Apple devices moved to key %d", n, current)
	}
}

// pass goes once through everything.
func (r *Rotation) pass(ctx context.Context) (p enrollment.RekeyProgress, err error) {
	for !p.Done {
		if p, err = r.svc.Rekey(ctx, p, 0); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Retire takes a key out of the ring, if nothing needs it.
func (r *Rotation) Retire(ctx context.Context, key uint32) error {
	ring, err := r.ring.Without(key)
	if err != nil {
		return err
	}
	if key == r.ring.Current() {
		return fmt.Errorf("key %d is the current one: promote another first", key)
	}
	err = r.await(ctx, fmt.Sprintf("to use another than key %d", key), func(n nodes.Node) bool { _, is := n.Has(key); return !is })
	if err != nil {
		return err
	}
	if mails, err := r.mails(ctx); err != nil || mails[key] > 0 {
		if err == nil {
			err = fmt.Errorf("key %d is still needed by %d mails in the built-in mailbox: run refserver keys rotate", key, mails[key])
		}
		return err
	}
	if used, err := authority.KeyUses(ctx, r.db); err != nil || used[key] > 0 {
		if err == nil {
			err = fmt.Errorf("key %d is still needed by %d keys of certificate authorities: run refserver keys rotate", key, used[key])
		}
		return err
	}
	if apple, err := applemdm.KeyUses(ctx, r.db); err != nil || apple[key] > 0 {
		if err == nil {
			err = fmt.Errorf("key %d is still needed by %d secrets of Apple devices: run refserver keys rotate", key, apple[key])
		}
		return err
	}
	err = r.svc.RetireKey(ctx, key)
	if used, ok := errors.AsType[*enrollment.KeyInUseError](err); ok {
		return fmt.Errorf("key %d is still needed: %s: rotate moves all but logins and what ended in the last two days, which time sees to", key, useText(used.Use))
	}
	if err != nil {
		return err
	}
	if err := r.use(ctx, ring); err != nil {
		return err
	}
	r.say("key %d is gone", key)
	return nil
}

// await waits until every node that is alive is as it should be.
func (r *Rotation) await(ctx context.Context, what string, is func(nodes.Node) bool) error {
	until, said := time.Now().Add(r.Wait), false
	for {
		alive, err := nodes.Alive(ctx, r.db)
		if err != nil {
			return err
		}
		late := slices.DeleteFunc(alive, is)
		if len(late) == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("gave up waiting for %s %s: does it read the same file %s?", late[0].ID, what, r.path)
		}
		if !said {
			r.say("waiting for %d nodes %s", len(late), what)
			said = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// mails counts those of the built-in mailbox by key.
func (r *Rotation) mails(ctx context.Context) (map[uint32]int64, error) {
	found := map[uint32]int64{}
	err := r.db.Rows(ctx, `SELECT key_id, count(*) FROM ref_mails GROUP BY key_id`, nil, func(row database.Scanner) error {
		var key, n int64
		err := row.Scan(&key, &n)
		found[uint32(key)] = n
		return err
	})
	return found, err
}

// List tells of every key who has it and what is stored under it.
func (r *Rotation) List(ctx context.Context) error {
	alive, err := nodes.Alive(ctx, r.db)
	if err != nil {
		return err
	}
	mails, err := r.mails(ctx)
	if err != nil {
		return err
	}
	use, err := r.svc.KeyUses(ctx)
	if err != nil {
		return err
	}
	for _, key := range r.ring.IDs() {
		has, current := 0, 0
		for _, n := range alive {
			h, c := n.Has(key)
			if h {
				has++
			}
			if c {
				current++
			}
		}
		mark := ""
		if key == r.ring.Current() {
			mark = ", current"
		}
		r.say("key %d%s: %d of %d nodes have it, %d use it; %s, %d mails", key, mark, has, len(alive), current, useText(use[key]), mails[key])
	}
	return nil
}

func useText(u enrollment.KeyUse) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		name string
	}{
		{u.Invitations, "invitations"}, {u.Passcodes, "passcodes"}, {u.Devices, "devices"}, {u.Logins, "logins"},
		{u.Recent, "recently ended"}, {u.Unreadable, "unreadable"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.name))
		}
	}
	if len(parts) == 0 {
		return "nothing needs it"
	}
	return strings.Join(parts, ", ")
}
