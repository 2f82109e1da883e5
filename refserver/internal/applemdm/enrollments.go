package applemdm

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/sealed"
)

// purpose separates what is sealed here from every other use of the ring.
const purpose = credentials.Purpose("refserver-apple")

// enrolled is one enrollment that has a certificate: what NanoMDM keeps of a
// device, and the device that it became.
type enrolled struct {
	site, id string
	name     string // UDID or EnrollmentID, from the first message on; "" once forgotten
	device   string // the device's id; "" until it is enrolled
	enabled  bool   // it sent a TokenUpdate, and no goodbye since
	tokens   int    // how many TokenUpdates
	secrets  secrets
}

// forgotten says that its device was deleted, see forget.
func (e enrolled) forgotten() bool { return e.name == "" && e.device != "" }

// secrets are what opens something on a device. They are sealed in the row.
type secrets struct {
	Topic     string `json:"topic,omitempty"`
	Token     []byte `json:"token,omitempty"`
	Magic     string `json:"magic,omitempty"`
	Unlock    []byte `json:"unlock,omitempty"`
	Bootstrap []byte `json:"bootstrap,omitempty"`
}

// enrollments are the rows of enrolled. It is safe for concurrent use.
type enrollments struct {
	db   *database.DB
	ring func() *credentials.Keyring
	now  func() time.Time
}

// get returns one row; one that was never written is empty.
func (e enrollments) get(ctx context.Context, site, id string) (row enrolled, err error) {
	err = e.db.View(ctx, func(ctx context.Context, c database.Conn) error {
		row, err = e.in(ctx, c, site, id)
		return err
	})
	return row, err
}

func (e enrollments) in(ctx context.Context, c database.Conn, site, id string) (enrolled, error) {
	row := enrolled{site: site, id: id}
	var enabled, key int64
	var text []byte
	err := c.Row(ctx, `SELECT name, device, enabled, tokens, key_id, sealed FROM ref_apple_enrollments WHERE site = ? AND id = ?`,
		[]any{site, id}, &row.name, &row.device, &enabled, &row.tokens, &key, &text)
	if errors.Is(err, enrollment.ErrNotFound) {
		return row, nil
	}
	if row.enabled = enabled != 0; err != nil || len(text) == 0 {
		return row, err
	}
	plain, err := sealed.Open(e.ring(), purpose, key, text, "enrollment", site, id)
	if err != nil {
		return row, err
	}
	return row, json.Unmarshal(plain, &row.secrets)
}

// change reads a row, changes it and writes it, in one unit. more is done in the
// same unit; nil: nothing. What was forgotten stays so: of a device that was deleted
// meanwhile nothing is written.
func (e enrollments) change(ctx context.Context, site, id string, change func(*enrolled), more func(context.Context, database.Conn) error) error {
	return e.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "apple "+site+" "+id); err != nil {
			return err
		}
		row, err := e.in(ctx, c, site, id)
		if err != nil || row.forgotten() {
			return err
		}
		change(&row)
		plain, err := json.Marshal(row.secrets)
		if err != nil {
			return err
		}
		key, text, err := sealed.Seal(e.ring(), purpose, plain, "enrollment", site, id)
		if err != nil {
			return err
		}
		enabled := 0
		if row.enabled {
			enabled = 1
		}
		_, err = c.Exec(ctx, `INSERT INTO ref_apple_enrollments (site, id, name, device, enabled, tokens, key_id, sealed, changed_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, id) DO UPDATE SET name = excluded.name, device = excluded.device,
			enabled = excluded.enabled, tokens = excluded.tokens, key_id = excluded.key_id, sealed = excluded.sealed, changed_at = excluded.changed_at`,
			site, id, row.name, row.device, enabled, row.tokens, key, text, e.now().UnixMicro())
		if err != nil || more == nil {
			return err
		}
		return more(ctx, c)
	})
}

// forget takes away all that is personal or secret of a device that was deleted.
// That the enrollment was its stays, so that it can be told to go.
func (e enrollments) forget(ctx context.Context, site, device string) error {
	return e.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		_, err := c.Exec(ctx, `DELETE FROM ref_apple_commands WHERE site = ? AND enrollment IN (
			SELECT id FROM ref_apple_enrollments WHERE site = ? AND device = ?)`, site, site, device)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `UPDATE ref_apple_enrollments SET name = '', enabled = 0, sealed = NULL WHERE site = ? AND device = ?`, site, device)
		return err
	})
}
