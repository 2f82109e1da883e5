package verify

import "context"

// invitations looks at the rows of invitations by themselves and at their
// devices.
func invitations(ctx context.Context, c *checker) error {
	err := c.each(ctx, oneActive, `SELECT site || '/' || user_id || ' has ' || count(*) FROM @invitations
		WHERE state <> 'deactivated' GROUP BY site, user_id HAVING count(*) > 1`)
	if err != nil {
		return err
	}
	err = c.each(ctx, invitationState, `SELECT id || ' is ' || state FROM @invitations
		WHERE (state = 'deactivated') <> (reason <> '') OR (state = 'deactivated') <> (ended_at <> 0)
		   OR (state = 'sent' AND sent_at = 0) OR (state = 'opened' AND opened_at = 0)
		   OR (delivery <> '') <> (sent_at <> 0) OR pin_generation < 1 OR version < 1 OR events < 1`)
	if err != nil {
		return err
	}
	return c.each(ctx, liveDevices, `SELECT i.id || ' counts ' || i.live || ' live of ' || i.enrolled || ' enrolled, limit ' || i.max_devices
			|| '; there are ' || coalesce(d.n, 0)
		FROM @invitations i LEFT JOIN (SELECT site, invitation, count(*) n FROM @devices
			WHERE invitation <> '' AND deleted_at = 0 AND state <> 'unenrolled' GROUP BY site, invitation) d
		  ON d.site = i.site AND d.invitation = i.id
		WHERE i.live <> coalesce(d.n, 0) OR i.enrolled < i.live OR (i.max_devices > 0 AND i.enrolled > i.max_devices)`)
}
