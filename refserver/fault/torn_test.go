//go:build fault

package fault

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
	"example.com/enrollkit/enrollment/sqlstore/verify"
)

// torn is one row with a bit that is not as it was written, and what has to come
// of it.
type torn struct {
	name          string
	table, column string
	where         string // of the row; $ is the invitation, # the device
	at            int    // byte whose lowest bit is flipped; negative: from the end
	ask           string // pin, token, reveal, report, replay
	want          int    // status
	tries         int    // what asking costs of the PIN
	rule          string // of the checker, that speaks
}

// A bit in a MAC cannot be told from a wrong secret, so it is refused as one. A
// bit in the key's id can: then nothing is compared and nothing is counted.
var tornRows = []torn{
	{"sealed credentials", "@credentials", "sealed", "kind = 'invitation' AND owner = '$'", -1, "reveal", 503, 0, "credentials open"},
	{"key of sealed credentials", "@credentials", "sealed", "kind = 'invitation' AND owner = '$'", 4, "reveal", 503, 0, "keys"},
	{"PIN's MAC", "@credentials", "check_mac", "kind = 'invitation' AND owner = '$'", -1, "pin", 401, 1, "credentials open"},
	{"key of the PIN's MAC", "@credentials", "check_mac", "kind = 'invitation' AND owner = '$'", 0, "pin", 503, 0, "keys"},
	{"token's MAC", "@credentials", "index_mac", "kind = 'invitation' AND owner = '$'", -1, "token", 404, 0, "credentials open"},
	{"device token's MAC", "@contacts", "token", "device = '#'", -1, "report", 401, 0, "device tokens"},
	{"what a device token is made of", "@devices", "nonce", "id = '#'", -1, "report", 200, 0, "device tokens"},
}

// F17: a bit that flips in a row is found by the checker, and answered without a
// panic, as what it is, and with no more tries than a wrong secret costs.
func TestAFlippedBitIsFoundAndCostsNothing(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, options{fault: "F17 flipped bits, " + kind, kind: kind, noMail: true})
			n := w.nodes[0]
			victims := make([]victim, len(tornRows))
			for i := range tornRows {
				victims[i] = w.victim(fmt.Sprintf("victim%d.office-0", i))
			}
			healthy := w.victim("healthy.office-0")
			n.kill()
			w.place.settled(t, 0)

			store, done := w.place.openToWrite(t)
			require.Empty(t, w.verify(store), "before")
			var found []verify.Violation
			for i, row := range tornRows {
				w.flip(store, row, victims[i])
			}
			found = w.verify(store)
			done()
			for i, row := range tornRows {
				about := func(v verify.Violation) bool {
					return v.Rule == row.rule && (strings.Contains(v.Detail, victims[i].invitation) || strings.Contains(v.Detail, victims[i].device))
				}
				spoke := false
				for _, v := range found {
					spoke = spoke || about(v)
				}
				require.True(t, spoke, "%s: nothing said by rule %q in %v", row.name, row.rule, found)
			}

			w.start(n)
			for i, row := range tornRows {
				require.Equal(t, row.want, w.ask(row.ask, victims[i]), row.name)
			}
			for _, what := range []string{"reveal", "pin", "token", "report"} {
				require.Less(t, w.ask(what, healthy), 300, "%s of a row beside them", what)
			}
			require.True(t, n.alive())
			log, err := os.ReadFile(w.dir + "/node-0.log")
			require.NoError(t, err)
			require.NotContains(t, string(log), "panic")
			n.kill()
			w.place.settled(t, 0)

			store, done = w.place.openToWrite(t)
			s, err := readSnapshot(t.Context(), store, false)
			require.NoError(t, err)
			for i, row := range tornRows {
				require.Equal(t, row.tries, s.triesOf("office-0", victims[i].invitation, 1), row.name)
			}
			w.flip(store, torn{table: "@credentials", column: "check_mac", where: "kind = 'canary'", at: -1}, victim{})
			done()
			w.launch(n)
			require.False(t, w.readyOrDead(n), "a node whose canary does not sing does not start")
			log, err = os.ReadFile(w.dir + "/node-0.log")
			require.NoError(t, err)
			require.Contains(t, string(log), "key ring")
			w.row.cycles += len(tornRows) + 1
		})
	}
}

// victim is one invited person with a phone.
type victim struct{ email, invitation, token, pin, device, deviceToken string }

func (w *world) victim(user string) (v victim) {
	w.t.Helper()
	boss := &hand{base: w.nodes[0].base(), http: client(), office: w.crew.offices[0]}
	defer boss.http.CloseIdleConnections()
	ask := func(status int, c call, into any) {
		a, err := boss.send(c)
		require.NoError(w.t, err)
		require.Equal(w.t, status, a.status, "%s", a.body)
		require.NoError(w.t, a.decode(into))
	}
	var invited struct{ Results []result }
	ask(201, boss.admin("POST", "/invitations", object{"users": []object{{"user_id": user}}, "deliver": "none"}), &invited)
	var shown struct{ URL, PIN string }
	ask(200, boss.admin("POST", "/invitations/"+invited.Results[0].Invitation+"/credentials", nil), &shown)
	v = victim{email: user + "@fault.example", invitation: invited.Results[0].Invitation, pin: shown.PIN, token: shown.URL[strings.LastIndexByte(shown.URL, '/')+1:]}
	var in struct {
		ID    string `json:"device_id"`
		Token string `json:"device_token"`
	}
	ask(201, boss.enrollment(object{"type": "token", "token": v.token}, "enroll-"+user, "SN-"+user), &in)
	v.device, v.deviceToken = in.ID, in.Token
	return v
}

// ask uses one of a victim's secrets and returns the status.
func (w *world) ask(what string, v victim) int {
	w.t.Helper()
	h := &hand{base: w.nodes[0].base(), http: client(), office: w.crew.offices[0]}
	defer h.http.CloseIdleConnections()
	var c call
	switch what {
	case "reveal":
		c = h.admin("POST", "/invitations/"+v.invitation+"/credentials", nil)
	case "pin":
		c = h.enrollment(object{"type": "pin", "email": v.email, "pin": v.pin}, "by-pin-"+v.email, "SN2-"+v.email)
	case "token":
		c = h.enrollment(object{"type": "token", "token": v.token}, "by-token-"+v.email, "SN3-"+v.email)
	case "report":
		c = call{method: "POST", path: "/device/v1/report", token: v.deviceToken, body: object{"seq": 1, "facts": object{"agent_installed": true}}}
	}
	a, err := h.send(c)
	require.NoError(w.t, err)
	return a.status
}

func (w *world) verify(store *sqlstore.Store) []verify.Violation {
	w.t.Helper()
	report, err := verify.Check(w.t.Context(), store, verify.Options{Keyring: w.ring, Now: time.Now()})
	require.NoError(w.t, err)
	return report.Violations
}

// flip turns one bit of a row.
func (w *world) flip(store *sqlstore.Store, row torn, v victim) {
	w.t.Helper()
	where := strings.NewReplacer("$", v.invitation, "#", v.device).Replace(row.where)
	err := store.Update(w.t.Context(), func(ctx context.Context, tx enrollment.Tx) error {
		q, _ := sqlstore.Conn(tx)
		rows, err := q.Query(ctx, store.Render("SELECT "+row.column+" FROM "+row.table+" WHERE "+where))
		if err != nil {
			return err
		}
		var value []byte
		n := 0
		for rows.Next() {
			n++
			if err := rows.Scan(&value); err != nil {
				return err
			}
		}
		rows.Close()
		require.Equal(w.t, 1, n, row.name)
		value = append([]byte{}, value...)
		at := row.at
		if at < 0 {
			at += len(value)
		}
		value[at] ^= 1
		changed, err := q.Exec(ctx, store.Render("UPDATE "+row.table+" SET "+row.column+" = ? WHERE "+where), value)
		require.EqualValues(w.t, 1, changed, row.name)
		return err
	})
	require.NoError(w.t, err)
}
