package checks_test

import (
	"bytes"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/sqlstore/verify"
)

// one picks an id from a table of the site acme, always the same.
func one(table, where string) string {
	return "(SELECT min(id) FROM @" + table + " WHERE site = 'acme' AND " + where + ")"
}

// plant is one way to break a sound database.
type plant struct {
	rule string
	how  string
	do   func(t *testing.T, d database, o *verify.Options)
}

// sql is a plant by statements; those that begin with DROP change no rows.
func sql(rule, how string, statements ...string) plant {
	return plant{rule, how, func(t *testing.T, d database, _ *verify.Options) {
		for _, s := range statements {
			if n := d.exec(t, s); !strings.HasPrefix(s, "DROP") {
				require.NotZero(t, n, "nothing to break: %s", s)
			}
		}
	}}
}

// with is a plant by one statement with arguments.
func with(rule, how, statement string, args func(d database) []any) plant {
	return plant{rule, how, func(t *testing.T, d database, _ *verify.Options) {
		require.NotZero(t, d.exec(t, statement, args(d)...), "nothing to break")
	}}
}

var (
	sent    = one("invitations", "state = 'sent'")
	created = one("invitations", "state = 'created'")
	opened  = one("invitations", "state = 'opened' AND sent_at <> 0")
	ended   = one("invitations", "state = 'deactivated' AND enrolled = 0 AND name <> ''")
	active  = one("devices", "state = 'active' AND origin = 'invitation'")
	pending = one("devices", "state = 'pending' AND origin = 'invitation'")
	done    = one("messages", "status = 'done' AND kind = 'mail.invitation'")
	spread  = one("messages", "status = 'done' AND admin <> ''")

	plants = []plant{
		sql("one active invitation", "two of one user", "DROP INDEX ~invitations_active",
			"UPDATE @slots SET user_id = (SELECT user_id FROM @invitations WHERE id = "+sent+") WHERE id = "+created,
			"UPDATE @events SET user_id = (SELECT user_id FROM @invitations WHERE id = "+sent+") WHERE subject = "+created,
			"UPDATE @invitations SET user_id = (SELECT user_id FROM @invitations WHERE id = "+sent+") WHERE id = "+created),
		sql("state of an invitation", "ended never", "UPDATE @invitations SET ended_at = 0 WHERE id = "+ended),
		sql("state of an invitation", "ended for no reason", "UPDATE @invitations SET reason = '' WHERE id = "+ended),
		sql("state of an invitation", "sent never", "UPDATE @invitations SET sent_at = 0, delivery = '' WHERE id = "+sent),
		sql("state of an invitation", "mailed, and never sent", "UPDATE @invitations SET delivery = 'queued' WHERE id = "+created),
		sql("state of an invitation", "opened never", "UPDATE @invitations SET opened_at = 0 WHERE id = "+one("invitations", "state = 'opened'")),
		sql("live devices", "one too many", "UPDATE @invitations SET live = live + 1 WHERE id = "+one("invitations", "live = 2")),
		sql("live devices", "more than enrolled", "UPDATE @invitations SET enrolled = 1 WHERE id = "+one("invitations", "live = 2")),
		sql("live devices", "beyond the limit", "UPDATE @invitations SET enrolled = 2 WHERE id = "+one("invitations", "max_devices = 1")),

		sql("one device per hardware", "two with one id", "DROP INDEX ~devices_identity",
			`UPDATE @devices SET identity = 'udid:plant', hardware = replace(hardware, '{', '{"udid":"plant",') WHERE id IN (`+active+", "+pending+")"),
		sql("one device per enrollment", "two with one id",
			"UPDATE @devices SET enrollment_id = 'plant' WHERE invitation = "+one("invitations", "live = 2")),
		sql("state of a device", "active, and never was", "UPDATE @devices SET ever_active = 0 WHERE id = "+active),
		sql("state of a device", "enrolled never", "UPDATE @devices SET enrolled_at = 0 WHERE id = "+pending),
		sql("state of a device", "deleted, and active", "UPDATE @devices SET state = 'active', ever_active = 1 WHERE id = "+one("devices", "deleted_at <> 0"),
			"UPDATE @events SET after = 'active' WHERE type = 'device.deleted' AND subject = "+one("devices", "deleted_at <> 0")),
		sql("tombstones", "with a name", "UPDATE @devices SET name = 'left' WHERE id = "+one("devices", "deleted_at <> 0")),
		sql("tombstones", "with a serial number", `UPDATE @devices SET hardware = '{"serial":"left"}' WHERE id = `+one("devices", "deleted_at <> 0")),
		sql("identity", "of another", "UPDATE @devices SET identity = 'udid:other' WHERE id = "+active),
		sql("contacts", "none", "DELETE FROM @contacts WHERE device = "+active),
		sql("contacts", "of nobody", "INSERT INTO @contacts (site, device, token, seq, at, silent, gone) VALUES ('acme', 'dev_none', NULL, 0, 1, 0, 1)"),
		sql("contacts", "silent, though the device is active", "UPDATE @contacts SET silent = 1 WHERE device = "+active),
		sql("contacts", "not silent, so never restored", "UPDATE @contacts SET silent = 0 WHERE device = "+one("devices", "state = 'unresponsive'")),
		sql("contacts", "not gone", "UPDATE @contacts SET gone = 0 WHERE device = "+one("devices", "deleted_at <> 0")),
		with("device tokens", "another nonce", "UPDATE @devices SET nonce = ? WHERE id = "+active, func(database) []any { return []any{make([]byte, 16)} }),
		sql("device tokens", "none", "UPDATE @contacts SET token = NULL WHERE device = "+active),
		sql("refs", "not found by one", "DELETE FROM @device_refs WHERE device = "+one("devices", "origin = 'adoption'")),
		sql("refs", "found by another", "UPDATE @device_refs SET ref = 'other' WHERE device = "+one("devices", "origin = 'adoption'")),

		sql("slots", "a device is not listed",
			"INSERT INTO @slot_deltas (site, state, n) SELECT site, state, -1 FROM @slots WHERE id = "+active,
			"DELETE FROM @slot_terms WHERE id = "+active, "DELETE FROM @slots WHERE id = "+active),
		sql("slots", "an invitation is not listed",
			"INSERT INTO @slot_deltas (site, state, n) SELECT site, state, -1 FROM @slots WHERE id = "+created,
			"DELETE FROM @slot_terms WHERE id = "+created, "DELETE FROM @slots WHERE id = "+created),
		sql("slots", "in another state",
			"INSERT INTO @slot_deltas (site, state, n) VALUES ('acme', 'active', -1)", "INSERT INTO @slot_deltas (site, state, n) VALUES ('acme', 'impaired', 1)",
			"UPDATE @slots SET state = 'impaired' WHERE id = "+active),
		sql("slots", "nobody is listed",
			"INSERT INTO @slot_deltas (site, state, n) VALUES ('acme', 'pending', 1)",
			`INSERT INTO @slots (site, id, kind, state, invitation, user_id, user_name, email, platform, mode, ownership, name, serial, refs,
				last_connection, last_observation, missing, conflict, created_at, sort_name)
				VALUES ('acme', 'dev_none', 'device', 'pending', '', '', '', '', '', '', '', '', '', '[]', 0, 0, '[]', 0, 0, '')`),
		sql("slots as their rows", "another address", "UPDATE @slots SET email = 'other' WHERE id = "+sent,
			"UPDATE @slot_terms SET term = 'other' WHERE id = "+sent+" AND term LIKE '%.example'"),
		sql("slots as their rows", "another serial number", "UPDATE @slots SET serial = 'other' WHERE id = "+active,
			"UPDATE @slot_terms SET term = 'other' WHERE id = "+active+" AND term LIKE 'sn-%' AND term = (SELECT lower(replace(replace(hardware, '{\"serial\":\"', ''), '\"}', '')) FROM @devices WHERE id = "+active+")"),
		sql("slots as their rows", "sorted elsewhere", "UPDATE @slots SET sort_name = 'other' WHERE id = "+active),
		sql("slots as their rows", "not found by a word", "DELETE FROM @slot_terms WHERE id = "+active+" AND term = 'phone'"),
		sql("slots as their rows", "found by nothing", "INSERT INTO @slot_terms (site, id, term) VALUES ('acme', 'dev_none', 'word')"),
		sql("slots as their rows", "ahead of its contact", "UPDATE @slots SET last_connection = last_connection + 300000000 WHERE id = "+active),
		sql("slots as their rows", "behind its contact", "UPDATE @slots SET last_connection = last_connection - 300000000 WHERE id = "+active),
		sql("counts", "one too many", "INSERT INTO @slot_deltas (site, state, n) VALUES ('acme', 'active', 1)"),
		sql("counts", "one of no state", "INSERT INTO @slot_deltas (site, state, n) VALUES ('acme', 'plant', 1)"),

		sql("journal without gap", "a gap",
			"UPDATE @events SET seq = seq + 100 WHERE subject = "+active+" AND seq = (SELECT events FROM @devices WHERE id = "+active+")"),
		sql("journal without gap", "a gap in the middle",
			"UPDATE @events SET seq = seq + 100 WHERE subject = "+active+" AND seq > 1", "UPDATE @devices SET events = events + 100 WHERE id = "+active),
		sql("journal without gap", "the row counts more", "UPDATE @devices SET events = events + 1 WHERE id = "+active),
		sql("journal without gap", "of no row", `INSERT INTO @events (site, id, subject, seq, site_seq, type, at, actor, before, after, reason,
			ref_source, ref_id, user_id, invitation, device, data) VALUES ('acme', 'log_plant', 'dev_none', 1, 0, 'device.enrolled', 1, '', '', 'pending', '', '', '', '', '', '', 'null')`),
		sql("journal without gap", "none of a row", "UPDATE @events SET subject = 'user/plant' WHERE subject = "+active),
		sql("journal without gap", "no beginning, though nothing was pruned", "UPDATE @events SET seq = seq + 1 + 1000 WHERE subject = "+created,
			"UPDATE @invitations SET events = events + 1001 WHERE id = "+created),
		sql("journal without gap", "of a passcode", `UPDATE @events SET seq = seq + 100 WHERE site = 'acme' AND type = 'passcode.generated' AND seq = (
			SELECT max(seq) FROM @events WHERE site = 'acme' AND type = 'passcode.generated')`),
		sql("journal leads to the state", "from another state", "UPDATE @events SET before = 'impaired' WHERE subject = "+active+" AND type = 'device.activated'"),
		sql("journal leads to the state", "to another state", "UPDATE @events SET after = 'leaving' WHERE subject = "+active+" AND type = 'device.activated'"),
		sql("journal leads to the state", "by no step of an invitation",
			"UPDATE @events SET after = 'opened' WHERE subject = "+opened+" AND type = 'invitation.created'",
			"UPDATE @events SET before = 'opened' WHERE subject = "+opened+" AND type = 'invitation.sent'"),
		sql("journal leads to the state", "by no step of a device",
			"UPDATE @events SET after = 'unenrolled' WHERE subject = "+active+" AND type = 'device.enrolled'",
			"UPDATE @events SET before = 'unenrolled' WHERE subject = "+active+" AND type = 'device.activated'"),
		sql("site order without gap", "a number was taken back", "UPDATE @events SET site_seq = 0 WHERE site = 'acme' AND site_seq = 3"),
		sql("site order without gap", "a number is missing", "UPDATE @events SET site_seq = site_seq + 100000 WHERE site = 'acme' AND site_seq = 3"),
		sql("site order without gap", "the latest is not remembered", "UPDATE @site_sequences SET last = last - 1 WHERE site = 'acme'"),
		sql("alerts once", "two of one PIN", "UPDATE @events SET type = 'invitation.pin_alert' WHERE site = 'acme' AND type = 'invitation.pin_burnt'"),
		sql("logins once", "used twice", "UPDATE @events SET type = 'login.used' WHERE site = 'acme' AND type = 'login.mailed' AND subject = (SELECT min(subject) FROM @events WHERE site = 'acme' AND type = 'login.used')"),

		sql("enrollments answered", "no answer", "DELETE FROM @records WHERE scope LIKE 'enroll/%'"),
		with("enrollments answered", "the answer of another", "UPDATE @records SET result = ? WHERE scope LIKE 'enroll/%' AND site = 'acme' AND key = (SELECT max(enrollment_id) FROM @devices WHERE site = 'acme' AND enrolled_at = (SELECT max(enrolled_at) FROM @devices WHERE site = 'acme'))",
			func(d database) []any { return []any{[]byte(`{"d":"` + deviceID(d) + `","g":9}`)} }),
		with("enrollments kept", "of no device", "INSERT INTO @records (site, scope, key, fingerprint, result, at, expires_at) VALUES ('acme', 'enroll/plant', 'plant', NULL, ?, 1, 0)",
			func(database) []any { return []any{[]byte(`{"d":"dev_none","g":1}`)} }),
		with("enrollments kept", "unreadable", "INSERT INTO @records (site, scope, key, fingerprint, result, at, expires_at) VALUES ('acme', 'enroll/plant', 'plant', NULL, ?, 1, 0)",
			func(d database) []any { return []any{[]byte(`{"d":7}`)} }),
		with("invites kept", "of no invitation", "INSERT INTO @records (site, scope, key, fingerprint, result, at, expires_at) VALUES ('acme', 'invite/plant', 'plant', NULL, ?, 1, 0)",
			func(database) []any { return []any{[]byte(`[{"i":"inv_none"}]`)} }),

		sql("credentials", "none", "DELETE FROM @credentials WHERE kind = 'invitation' AND owner = "+ended),
		sql("credentials", "of another generation", "UPDATE @credentials SET generation = generation + 1 WHERE kind = 'invitation' AND owner = "+ended),
		sql("credentials", "cannot be shown", "UPDATE @credentials SET sealed = NULL WHERE kind = 'invitation' AND owner = "+sent),
		sql("credentials", "of nobody", "INSERT INTO @credentials (site, owner, kind, generation, created_at, created_by) VALUES ('acme', 'inv_none', 'invitation', 1, 1, '')"),
		sql("credentials open", "the PIN of another", "UPDATE @credentials SET check_mac = (SELECT check_mac FROM @credentials WHERE kind = 'invitation' AND owner = "+created+") WHERE kind = 'invitation' AND owner = "+sent),
		sql("credentials open", "the envelope of another", "UPDATE @credentials SET sealed = (SELECT sealed FROM @credentials WHERE kind = 'invitation' AND owner = "+created+") WHERE kind = 'invitation' AND owner = "+sent),
		sql("credentials open", "the token of another", "DROP INDEX ~credentials_index",
			"UPDATE @credentials SET index_mac = (SELECT index_mac FROM @credentials WHERE kind = 'invitation' AND owner = "+created+") WHERE kind = 'invitation' AND owner = "+sent),
		sql("passcodes", "cannot be shown", "UPDATE @credentials SET sealed = NULL WHERE kind = 'passcode' AND site = 'acme'"),
		sql("passcodes", "proved by another", "UPDATE @credentials SET check_mac = (SELECT check_mac FROM @credentials WHERE kind = 'passcode' AND site = 'olden') WHERE kind = 'passcode' AND site = 'acme'"),
		{"passcodes", "one for two sites", samePasscode},
		sql("logins", "the password of another", "UPDATE @credentials SET check_mac = (SELECT check_mac FROM @credentials WHERE kind = 'login' AND site = 'olden' AND owner = (SELECT max(owner) FROM @credentials WHERE kind = 'login' AND site = 'olden')) WHERE kind = 'login' AND site = 'acme'"),
		{"keys", "a key is not in the ring", func(t *testing.T, d database, o *verify.Options) {
			ring, err := o.Keyring.Without(1)
			require.NoError(t, err)
			o.Keyring = ring
		}},
		{"keys", "another ring", func(t *testing.T, d database, o *verify.Options) {
			d.exec(t, "UPDATE @credentials SET check_mac = (SELECT check_mac FROM @credentials WHERE kind = 'invitation' AND owner = "+sent+") WHERE kind = 'canary'")
		}},

		sql("outbox", "a mail is missing", "DELETE FROM @messages WHERE id = "+done),
		sql("outbox", "an alert is missing", "DELETE FROM @messages WHERE kind = 'mail.alert' AND admin = '' AND event = (SELECT min(id) FROM @events WHERE site = 'acme' AND type = 'passcode.locked')"),
		sql("outbox", "a mail was queued twice", `INSERT INTO @messages SELECT site, id || 'x', kind, dedupe || 'x', invitation, device, user_id, admin, event,
			created_at, due_at, attempt, lease_until, fence, status, ended_at, cause FROM @messages WHERE id = `+done),
		sql("outbox", "a mail about nothing", "UPDATE @messages SET event = 'log_none' WHERE id = "+spread),
		sql("message keys", "two with one", "DROP INDEX ~messages_dedupe",
			"UPDATE @messages SET dedupe = (SELECT dedupe FROM @messages WHERE id = "+done+") WHERE id = "+spread),
		sql("message keys", "none", "UPDATE @messages SET dedupe = '' WHERE id = "+spread),
		sql("message ends", "done, not ended", "UPDATE @messages SET ended_at = 0 WHERE id = "+done),
		sql("message ends", "done, still leased", "UPDATE @messages SET lease_until = 1 WHERE id = "+done),
		sql("message ends", "a fence that was not raised", "UPDATE @messages SET fence = fence - 1 WHERE id = "+done),
		with("leases", "for an hour", "UPDATE @messages SET lease_until = ? WHERE id = "+one("messages", "status = 'waiting'"),
			func(d database) []any { return []any{d.town.Now().Add(time.Hour).UnixMicro()} }),

		sql("budgets", "a PIN was guessed at for ever", "UPDATE @counters SET n = 101 WHERE key = (SELECT min(key) FROM @counters WHERE key LIKE 'pin/%')"),
		sql("budgets", "a password was guessed at for ever", "INSERT INTO @counters (key, n, start_at, last_at, expires_at) VALUES ('password/4:acme/1:i/1:1', 10001, 1, 1, 0)"),
		sql("sites", "no such user", "DELETE FROM @users WHERE site = 'acme' AND id = (SELECT user_id FROM @invitations WHERE id = "+ended+")"),
		sql("sites", "an event about another site's device", "UPDATE @events SET device = (SELECT min(id) FROM @devices WHERE site = 'olden') WHERE site = 'acme' AND type = 'device.renewed' AND subject = (SELECT min(subject) FROM @events WHERE site = 'acme' AND type = 'device.renewed')"),
		sql("sites", "a message about another site's device", "UPDATE @messages SET device = (SELECT min(id) FROM @devices WHERE site = 'olden') WHERE id = "+one("messages", "device <> ''")),
		sql("sites", "a mail about no invitation", "UPDATE @messages SET invitation = 'inv_none' WHERE id = "+done),
		sql("sites", "in conflict with a deleted device", "UPDATE @devices SET conflict = "+one("devices", "deleted_at <> 0")+" WHERE id = "+one("devices", "conflict <> ''")),
		sql("sites", "the device of another user's invitation", "UPDATE @invitations SET user_id = 'none' WHERE id = 'none' OR id = "+one("invitations", "max_devices = 1 AND state = 'deactivated'"),
			"UPDATE @events SET user_id = 'none' WHERE invitation = "+one("invitations", "user_id = 'none'"),
			"INSERT INTO @users (site, id, name, email, email_key, language, outside) VALUES ('acme', 'none', '', '', '', '', 0)"),
		sql("erased people", "an address is left", "UPDATE @invitations SET email_key = 'left' WHERE id = "+one("invitations", "reason = 'user_erased'")),
		sql("erased people", "a device is left", "UPDATE @events SET user_id = (SELECT user_id FROM @devices WHERE id = "+pending+") WHERE type = 'user.erased' AND site = 'acme' AND subject = (SELECT max(subject) FROM @events WHERE type = 'user.erased' AND site = 'acme')",
			"UPDATE @devices SET created_at = 1 WHERE id = "+pending, "UPDATE @slots SET created_at = 1 WHERE id = "+pending,
			"UPDATE @invitations SET created_at = (SELECT max(at) FROM @events) WHERE id = (SELECT invitation FROM @devices WHERE id = "+pending+")"),
		sql("erased people", "what was seen is left", "INSERT INTO @sightings (site, invitation, evidence, count, first_at, last_at) VALUES ('acme', "+one("invitations", "reason = 'user_erased'")+", 'fetched', 1, 1, 1)"),
	}
)

// deviceID is the device that enrolled last.
func deviceID(d database) (id string) {
	rows, err := d.db.Query(d.town.Context(), d.Render("SELECT id FROM @devices WHERE site = 'acme' ORDER BY enrolled_at DESC LIMIT 1"))
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return err.Error()
		}
	}
	return id
}

// samePasscode gives one site the passcode of the other.
func samePasscode(t *testing.T, d database, o *verify.Options) {
	d.exec(t, "DROP INDEX ~credentials_index")
	passcode, err := credentials.NewPasscode(rand.Reader)
	require.NoError(t, err)
	for _, site := range []string{acme, olden} {
		sealed, err := o.Keyring.Seal(rand.Reader, credentials.AAD{Site: site, Owner: "passcode", Kind: "passcode", Generation: 7}, passcode)
		require.NoError(t, err)
		d.exec(t, "UPDATE @credentials SET generation = 7, sealed = ?, index_mac = ?, check_mac = ? WHERE kind = 'passcode' AND site = ?", sealed,
			o.Keyring.MACSecret(credentials.PurposePasscode, passcode).Bytes(),
			o.Keyring.MACSecret(credentials.PurposePasscode, passcode, site, "7").Bytes(), site)
	}
}

func TestASoundDatabaseIsFoundSoundAndEachRuleBites(t *testing.T) {
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			options := verify.Options{Keyring: d.town.ring, Now: d.town.Now()}
			report, err := verify.Check(t.Context(), d.Store, options)
			require.NoError(t, err)
			require.Empty(t, report.Violations)
			require.True(t, report.OK())

			broken := map[string]bool{"integrity": true} // has a test of its own
			for _, p := range plants {
				broken[p.rule] = true
				t.Run(p.rule+": "+p.how, func(t *testing.T) {
					d, options := d.spoiled(t), options
					p.do(t, d, &options)
					report, err := verify.Check(t.Context(), d.Store, options)
					require.NoError(t, err)
					spoke := map[string]bool{}
					for _, v := range report.Violations {
						spoke[v.Rule] = true
					}
					require.Equal(t, []string{p.rule}, slices.Sorted(maps.Keys(spoke)), "%v", report.Violations)
					require.False(t, report.OK())
					var text bytes.Buffer
					require.NoError(t, report.Print(&text))
					for _, secret := range d.town.secrets() {
						require.NotContains(t, text.String(), secret)
					}
				})
			}
			for _, r := range verify.Rules() {
				require.True(t, broken[r.Name], "nothing breaks the rule %q", r.Name)
			}
		})
	}
}

// secrets are texts that no report may hold: names, addresses, serial numbers,
// and what was mailed.
func (w *town) secrets() []string {
	list := []string{"Name of", "@acme.example", "@olden.example", "SN-", "sn-"}
	for _, m := range w.mails {
		if m.Invitation != nil {
			list = append(list, m.Invitation.Codes.URL.Reveal(), m.Invitation.Codes.PIN.Reveal())
		}
		if m.Login != nil {
			list = append(list, m.Login.Username, m.Login.Password.Reveal())
		}
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
