package applemdm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/plist"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/refserver/internal/database"
)

// The commands that the server gives of its own accord.
const (
	kindInformation = "DeviceInformation"
	kindSecurity    = "SecurityInfo"
	kindRemove      = "RemoveProfile"
)

// command is one that waits for a device. Its id is made of what it is for, so
// that it is never in the queue twice.
type command struct {
	id, kind string
	text     []byte
}

// newCommand writes a command for an enrollment. The time makes the id another one
// the next time.
func newCommand(enrollmentID, kind string, now time.Time, fields map[string]any) (command, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", enrollmentID, kind, now.UnixMicro()))
	id := strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]))
	inner := map[string]any{"RequestType": kind}
	for k, v := range fields {
		inner[k] = v
	}
	text, err := plist.Marshal(map[string]any{"CommandUUID": id, "Command": inner})
	return command{id: id, kind: kind, text: text}, err
}

// questions are the commands that tell what a device is.
func questions(enrollmentID string, p device.Platform, now time.Time) ([]command, error) {
	information, err := newCommand(enrollmentID, kindInformation, now, map[string]any{"Queries": apple.QueriesOf(p)})
	if err != nil {
		return nil, err
	}
	security, err := newCommand(enrollmentID, kindSecurity, now, nil)
	return []command{information, security}, err
}

// queue adds commands, but none of a kind that waits already.
func queue(ctx context.Context, c database.Conn, site, enrollmentID string, now time.Time, list ...command) error {
	for i, cmd := range list {
		_, err := c.Exec(ctx, `INSERT INTO ref_apple_commands (site, enrollment, id, kind, text, deferred, queued_at)
			SELECT ?, ?, ?, ?, ?, 0, CAST(? AS BIGINT) WHERE NOT EXISTS (
				SELECT 1 FROM ref_apple_commands WHERE site = ? AND enrollment = ? AND kind = ?)`,
			site, enrollmentID, cmd.id, cmd.kind, cmd.text, now.UnixMicro()+int64(i), site, enrollmentID, cmd.kind)
		if err != nil {
			return err
		}
	}
	return nil
}

// next is the oldest command, nil without any.
func nextCommand(ctx context.Context, db *database.DB, site, enrollmentID string, skipDeferred bool) (*mdm.Command, error) {
	cmd := new(mdm.Command)
	where := ""
	if skipDeferred {
		where = " AND deferred = 0"
	}
	err := db.Row(ctx, `SELECT id, kind, text FROM ref_apple_commands WHERE site = ? AND enrollment = ?`+where+` ORDER BY queued_at, id LIMIT 1`,
		[]any{site, enrollmentID}, &cmd.CommandUUID, &cmd.Command.RequestType, &cmd.Raw)
	if errors.Is(err, enrollment.ErrNotFound) {
		return nil, nil
	}
	return cmd, err
}

// kindOf is what was asked by a command, "" for one that nobody gave.
func kindOf(ctx context.Context, db *database.DB, site, enrollmentID, id string) (kind string, err error) {
	err = db.Row(ctx, `SELECT kind FROM ref_apple_commands WHERE site = ? AND enrollment = ? AND id = ?`, []any{site, enrollmentID, id}, &kind)
	if errors.Is(err, enrollment.ErrNotFound) {
		return "", nil
	}
	return kind, err
}

// answered takes an answered command out of the queue, or notes that it was
// deferred ("NotNow").
func answeredCommand(ctx context.Context, db *database.DB, site, enrollmentID, id string, deferred bool) error {
	text := `DELETE FROM ref_apple_commands WHERE site = ? AND enrollment = ? AND id = ?`
	if deferred {
		text = `UPDATE ref_apple_commands SET deferred = 1 WHERE site = ? AND enrollment = ? AND id = ?`
	}
	_, err := db.Exec(ctx, text, site, enrollmentID, id)
	return err
}
