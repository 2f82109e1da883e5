package applemdm

import (
	"context"
	"errors"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/storage"

	"example.com/enrollkit/refserver/internal/database"
)

// rows is NanoMDM's storage over the server's own tables. What NanoMDM keys by a
// device's name is keyed here by the enrollment of its certificate. Messages are
// not kept as they are: they hold serial numbers and more.
//
// Of the users' channels of a computer nothing is kept: the server gives them no
// commands.
type rows struct{ enrollments }

var _ storage.ServiceStore = rows{}

var errNoEnrollment = errors.New("applemdm: a message without an enrollment")

// change is enrollments.change for the request's device, and nothing for one of
// its users.
func (s rows) changed(r *mdm.Request, change func(*enrolled), more func(context.Context, database.Conn) error) error {
	from, ok := senderOf(r.Context())
	if !ok {
		return errNoEnrollment
	}
	if r.ParentID != "" {
		return nil
	}
	return s.change(r.Context(), from.Site, from.Enrollment, change, more)
}

// StoreAuthenticate forgets what the device had before.
func (s rows) StoreAuthenticate(r *mdm.Request, _ *mdm.Authenticate) error {
	return s.changed(r, func(e *enrolled) { e.secrets, e.tokens, e.enabled = secrets{}, 0, false }, nil)
}

// StoreTokenUpdate keeps how the device is reached, and asks what it is after the
// first one.
func (s rows) StoreTokenUpdate(r *mdm.Request, m *mdm.TokenUpdate) error {
	from, _ := senderOf(r.Context())
	first := false
	return s.changed(r, func(e *enrolled) {
		e.tokens++
		e.enabled, first = true, e.tokens == 1
		e.secrets.Topic, e.secrets.Token, e.secrets.Magic = m.Topic, m.Token, m.PushMagic
		if len(m.UnlockToken) > 0 { // later ones may leave it out
			e.secrets.Unlock = m.UnlockToken
		}
	}, func(ctx context.Context, c database.Conn) error {
		if !first {
			return nil
		}
		list, err := questions(from.Enrollment, platformIn(ctx), s.now())
		if err != nil {
			return err
		}
		return queue(ctx, c, from.Site, from.Enrollment, s.now(), list...)
	})
}

// Disable notes that the device is not to be reached.
func (s rows) Disable(r *mdm.Request) error {
	return s.changed(r, func(e *enrolled) { e.enabled = false }, nil)
}

// StoreUserAuthenticate keeps nothing: users of computers do not sign in here.
func (s rows) StoreUserAuthenticate(*mdm.Request, *mdm.UserAuthenticate) error { return nil }

// StoreBootstrapToken keeps it; an empty one takes it away.
func (s rows) StoreBootstrapToken(r *mdm.Request, m *mdm.SetBootstrapToken) error {
	return s.changed(r, func(e *enrolled) { e.secrets.Bootstrap = m.BootstrapToken.BootstrapToken }, nil)
}

// RetrieveBootstrapToken returns nil where there is none.
func (s rows) RetrieveBootstrapToken(r *mdm.Request, _ *mdm.GetBootstrapToken) (*mdm.BootstrapToken, error) {
	from, ok := senderOf(r.Context())
	if !ok {
		return nil, errNoEnrollment
	}
	row, err := s.get(r.Context(), from.Site, from.Enrollment)
	if err != nil || len(row.secrets.Bootstrap) == 0 {
		return nil, err
	}
	return &mdm.BootstrapToken{BootstrapToken: row.secrets.Bootstrap}, nil
}

// StoreCommandReport takes an answered command out of the queue. What it says goes
// to the Service before.
func (s rows) StoreCommandReport(r *mdm.Request, m *mdm.CommandResults) error {
	from, ok := senderOf(r.Context())
	if !ok || r.ParentID != "" || m.CommandUUID == "" || m.Status == "Idle" {
		return nil
	}
	return answeredCommand(r.Context(), s.db, from.Site, from.Enrollment, m.CommandUUID, m.Status == "NotNow")
}

// RetrieveNextCommand returns nil where nothing waits.
func (s rows) RetrieveNextCommand(r *mdm.Request, skipNotNow bool) (*mdm.Command, error) {
	from, ok := senderOf(r.Context())
	if !ok || r.ParentID != "" {
		return nil, nil
	}
	return nextCommand(r.Context(), s.db, from.Site, from.Enrollment, skipNotNow)
}

// ClearQueue forgets what waits.
func (s rows) ClearQueue(r *mdm.Request) error {
	from, ok := senderOf(r.Context())
	if !ok || r.ParentID != "" {
		return nil
	}
	_, err := s.db.Exec(r.Context(), `DELETE FROM ref_apple_commands WHERE site = ? AND enrollment = ?`, from.Site, from.Enrollment)
	return err
}
