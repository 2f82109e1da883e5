package applemdm

import (
	"context"
	"errors"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
)

const (
	// maxUnfinished is how many certificates one invitation, or one login, may have
	// that became no device. Every download of a profile may become one, and whoever
	// may download may do so as often as he likes.
	maxUnfinished = 20
	// unfinishedFor is how long such a certificate is kept: longer than its challenge
	// lives, and than the grant behind it may enroll a device after that.
	unfinishedFor = 3 * enrollment.MaxGrantLife
	sweepEvery    = time.Hour
)

// errUnfinished refuses another certificate before one of those becomes a device.
var errUnfinished = errors.New("applemdm: too many certificates that became no device")

// becameNone is the condition for a row c of a certificate that became no device:
// neither is it noted here, nor does a device have it that is not noted yet.
const becameNone = `c.authority = '` + authority.Apple + `'
	AND NOT EXISTS (SELECT 1 FROM ref_apple_enrollments e WHERE e.site = c.site AND e.id = c.enrollment AND e.device <> '')
	AND NOT EXISTS (SELECT 1 FROM enroll_device_refs r WHERE r.site = c.site AND r.source = '` + apple.EnrollmentRef + `' AND r.ref = c.enrollment)`

// room looks whether what gave a grant may have another certificate.
func (s *Server) room(g enrollment.Grant) func(context.Context, database.Conn) error {
	return func(ctx context.Context, c database.Conn) error {
		// One at a time, or all of them would find room.
		if err := c.Hold(ctx, "apple certificates "+g.Site+" "+g.Invitation+" "+g.User); err != nil {
			return err
		}
		var n int
		err := c.Row(ctx, `SELECT count(*) FROM ref_certificates c WHERE `+becameNone+`
			AND c.site = ? AND c.invitation = ? AND c.user_id = ? AND c.issued_at >= ?`,
			[]any{g.Site, g.Invitation, g.User, s.rows.now().Add(-unfinishedFor).UnixMicro()}, &n)
		if err == nil && n >= maxUnfinished {
			err = errUnfinished
		}
		return err
	}
}

// Sweep forgets certificates that became no device in the time that they had for it.
// Those of devices stay, so that a device is told to go long after its end.
func (s *Server) Sweep(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM ref_certificates AS c WHERE c.issued_at < ? AND `+becameNone,
		s.rows.now().Add(-unfinishedFor).UnixMicro())
	return err
}

// Run sweeps until ctx ends. Several nodes may do so at once.
func (s *Server) Run(ctx context.Context) error {
	pace := time.NewTicker(sweepEvery)
	defer pace.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "apple: certificates that became no device are not forgotten", "code", enrollment.Code(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
}
