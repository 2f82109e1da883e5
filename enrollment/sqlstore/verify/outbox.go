package verify

import (
	"context"
	"time"

	"example.com/enrollkit/enrollment"
)

// longestLease bounds how long a message is leased: twice what servers ask for.
const longestLease = 4 * time.Minute

// outbox compares what was to be told with what is queued.
func outbox(ctx context.Context, c *checker) error {
	for _, r := range []struct{ rule, query string }{
		{toldOnce, `SELECT 'queued twice: ' || min(id) FROM @messages WHERE event <> '' AND kind <> 'mail.renewal'
			GROUP BY site, kind, event, admin HAVING count(*) > 1`},
		// What a message is about may be past its site's retention by now, and a
		// renewal by schedule is about a silence that may be older still.
		{toldOnce, `SELECT 'about nothing: ' || m.id FROM @messages m
			JOIN (SELECT o.site, o.at FROM @events o JOIN (SELECT site, min(site_seq) low FROM @events WHERE site_seq <> 0 GROUP BY site) AS l
				ON l.site = o.site AND l.low = o.site_seq WHERE o.site_seq <> 0) AS oldest ON oldest.site = m.site
			LEFT JOIN @events e ON e.site = m.site AND e.id = m.event
			WHERE m.event <> '' AND m.kind <> 'mail.renewal' AND e.id IS NULL AND m.created_at >= oldest.at`},
		{messageKeys, `SELECT min(id) || ' and ' || max(id) FROM @messages WHERE dedupe <> '' GROUP BY site, dedupe HAVING count(*) > 1`},
		{messageKeys, `SELECT id || ' has none' FROM @messages WHERE dedupe = ''`},
		{messageEnds, `SELECT id || ' is ' || status || ', attempt ' || attempt || ', fence ' || fence FROM @messages
			WHERE (status = 'waiting') <> (ended_at = 0) OR (status <> 'waiting' AND lease_until <> 0)
			   OR (status = 'done' AND attempt = 0) OR attempt < 0 OR attempt <> fence`},
	} {
		if err := c.each(ctx, r.rule, r.query); err != nil {
			return err
		}
	}
	if c.byTime(toldOnce) {
		// Ended messages are forgotten in time. Whoever inherits a conflict, or is
		// adopted with one, is so by an administrator's hand, who needs no alert.
		err := c.each(ctx, toldOnce, `SELECT 'not queued: ' || e.type || ' ' || e.id FROM @events e
			JOIN (SELECT 'invitation.sent' type, 'mail.invitation' kind
				UNION ALL SELECT 'invitation.pin_alert', 'mail.alert' UNION ALL SELECT 'invitation.pin_burnt', 'mail.alert'
				UNION ALL SELECT 'site.pins_slowed', 'mail.alert' UNION ALL SELECT 'passcode.alert', 'mail.alert' UNION ALL SELECT 'passcode.locked', 'mail.alert'
				UNION ALL SELECT 'device.conflict', 'mail.alert' UNION ALL SELECT 'login.mailed', 'mail.self_service'
				UNION ALL SELECT 'device.renewed', 'mail.renewal') AS w ON w.type = e.type
			LEFT JOIN @messages m ON m.site = e.site AND m.dedupe = w.kind || '/' || e.id AND m.dedupe <> '' AND m.event = e.id AND m.kind = w.kind
			WHERE e.at >= ? AND m.id IS NULL AND (e.type <> 'device.renewed' OR e.actor <> 'system')
			  AND (e.type <> 'device.conflict' OR (e.actor = 'system' AND NOT EXISTS (SELECT 1 FROM @events a
				WHERE a.site = e.site AND a.subject = e.subject AND a.seq = e.seq - 1 AND a.type = 'device.adopted')))`, c.ago(enrollment.OutboxKept))
		if err != nil {
			return err
		}
	}
	if c.byTime(leases) {
		return c.each(ctx, leases, `SELECT id FROM @messages WHERE lease_until > ?`, c.o.Now.Add(longestLease+c.o.Skew).UnixMicro())
	}
	return nil
}
