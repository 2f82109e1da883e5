package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/internal/databasetest"
	"example.com/enrollkit/refserver/internal/keyfile"
	"example.com/enrollkit/refserver/internal/nodes"
)

// Three rotations while people enroll by link and PIN and devices report: nobody
// is refused, no try is spent, and in the end one key is left and everything
// still opens.
func TestKeysRotateWhileServersWork(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		base, stop := serveAt(t, p)
		nodes := []string{base}
		if strings.HasPrefix(p.database, "postgres") {
			other, _ := serveAt(t, p)
			nodes = append(nodes, other)
		}
		call(t, token, "PUT", base+"/api/v1/site", `{"policy":{"pin_pace":0,"source_pace":0}}`, 200, nil)
		early := invite(t, base, "early@example.com")
		phone := enroll(t, base, `{"type":"token","token":"`+early.Token+`"}`, "early")

		ctx, cancel := context.WithCancel(t.Context())
		var people sync.WaitGroup
		var enrolled, reported atomic.Int64
		for c := range 2 {
			people.Go(func() {
				for n := 0; ctx.Err() == nil && n < 1000; n++ {
					at := nodes[n%len(nodes)]
					id := fmt.Sprintf("c%d-%d", c, n)
					somebody := invite(t, at, id+"@example.com")
					credential := `{"type":"token","token":"` + somebody.Token + `"}`
					if n%2 == 1 {
						credential = `{"type":"pin","email":"` + somebody.Email + `","pin":"` + somebody.PIN + `"}`
					}
					enroll(t, nodes[(n+1)%len(nodes)], credential, id)
					enrolled.Add(1)
				}
			})
			people.Go(func() {
				for n := 1; ctx.Err() == nil; n++ {
					call(t, phone, "POST", nodes[n%len(nodes)]+"/device/v1/checkin", fmt.Sprintf(`{"seq":%d}`, n), 204, nil)
					reported.Add(1)
				}
			})
		}
		for range 3 {
			said, err := runCommand(t, p.flags("keys", "rotate")...)
			require.NoError(t, err, said)
		}
		cancel()
		people.Wait()
		require.False(t, t.Failed())
		// What the clients wrote while the last key came to them is moved, too.
		said, err := runCommand(t, p.flags("keys", "list")...)
		require.NoError(t, err)
		t.Logf("%d enrolled, %d check-ins during 3 rotations\n%s", enrolled.Load(), reported.Load(), said)
		for key := 1; key <= 3; key++ {
			said, err := runCommand(t, p.flags("keys", "retire", fmt.Sprint(key))...)
			require.NoError(t, err, said)
		}
		ring, err := keyfile.Read(p.keyring)
		require.NoError(t, err)
		assert.Equal(t, []uint32{4}, ring.IDs())

		// A server that starts with the one key that is left finds everything.
		stop()
		base, _ = serveAt(t, p)
		var shown struct{ URL, PIN string }
		call(t, token, "POST", base+"/api/v1/invitations/"+early.ID+"/credentials", ``, 200, &shown)
		assert.Equal(t, early.PIN, shown.PIN)
		assert.True(t, strings.HasSuffix(shown.URL, early.Token))
		enroll(t, base, `{"type":"pin","email":"early@example.com","pin":"`+early.PIN+`"}`, "late")
		call(t, phone, "POST", base+"/device/v1/checkin", `{"seq":1000000}`, 204, nil)
		var list struct {
			Invitations []struct {
				Left int `json:"pin_tries_left"`
			}
		}
		call(t, token, "GET", base+"/api/v1/invitations?page_size=500", "", 200, &list)
		for _, i := range list.Invitations {
			assert.Equal(t, 20, i.Left)
		}
		var mails struct{ Mails []struct{ ID string } }
		call(t, token, "GET", base+"/mailbox", "", 200, &mails)
		require.NotEmpty(t, mails.Mails)
		call(t, token, "GET", base+"/mailbox/"+mails.Mails[len(mails.Mails)-1].ID, "", 200, nil)
		said, err = runCommand(t, p.flags("verify")...)
		require.NoError(t, err, said)
	})
}

func TestAKeyThatIsNeededIsNotRetired(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		base, _ := serveAt(t, p)
		invite(t, base, "ann@example.com")
		_, err := runCommand(t, p.flags("keys", "retire", "1")...)
		require.Error(t, err, "the only key")
		_, err = runCommand(t, p.flags("keys", "add")...)
		require.NoError(t, err)
		_, err = runCommand(t, p.flags("keys", "promote", "2")...)
		require.NoError(t, err)
		for key, want := range map[string]string{"1": "still needed", "2": "current", "7": "unknown"} {
			_, err = runCommand(t, p.flags("keys", "retire", key)...)
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "\n")
		}
	})
}

func TestAKeyIsNotPromotedBeforeEveryNodeHasIt(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		serveAt(t, p)
		// The node reads another file than the operator changes.
		text, err := os.ReadFile(p.keyring)
		require.NoError(t, err)
		copied := place{p.database, p.keyring + ".copy"}
		require.NoError(t, os.WriteFile(copied.keyring, text, 0o600))
		_, err = runCommand(t, copied.flags("keys", "add")...)
		require.NoError(t, err)
		db := databasetest.Beside(t, p.database)
		require.Eventually(t, func() bool { // a busy machine is late to say that it is there
			alive, err := nodes.Alive(t.Context(), db)
			return err == nil && len(alive) == 1
		}, time.Minute, 20*time.Millisecond)
		_, err = runCommand(t, append([]string{"keys", "-wait", "500ms"}, copied.flags("", "promote", "2")[1:]...)...)
		require.ErrorContains(t, err, "gave up waiting")
		ring, err := keyfile.Read(copied.keyring)
		require.NoError(t, err)
		assert.Equal(t, uint32(1), ring.Current())
	})
}

func TestKeysWithoutAVerbSaysHowItIsUsed(t *testing.T) {
	p := place{"sqlite:none.db", "none.keyring"}
	for _, more := range [][]string{nil, {"frobnicate"}, {"promote"}, {"list", "x"}} {
		said, err := runCommand(t, p.flags("keys", more...)...)
		assert.Equal(t, exitCode(2), err)
		assert.Contains(t, said, "usage: refserver keys")
	}
}

func TestListingKeysChangesNothingAndRefusesAWrongRing(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		_, stop := serveAt(t, p)
		stop()
		db := databasetest.Beside(t, p.database)
		said, err := runCommand(t, p.flags("keys", "list")...)
		require.NoError(t, err, said)
		assert.Contains(t, said, "key 1, current")

		right, err := os.ReadFile(p.keyring)
		require.NoError(t, err)
		require.NoError(t, os.Remove(p.keyring))
		_, err = keyfile.Make(p.keyring)
		require.NoError(t, err)
		_, err = runCommand(t, p.flags("keys", "list")...)
		require.ErrorContains(t, err, "does not belong to this database")
		require.NoError(t, os.WriteFile(p.keyring, right, 0o600))

		_, err = db.Exec(t.Context(), `DELETE FROM enroll_credentials WHERE kind = 'canary'`)
		require.NoError(t, err)
		_, err = runCommand(t, p.flags("keys", "list")...)
		require.NoError(t, err)
		var canaries int
		require.NoError(t, db.Row(t.Context(), `SELECT count(*) FROM enroll_credentials WHERE kind = 'canary'`, nil, &canaries))
		assert.Zero(t, canaries)
	})
}

func TestAKeyHasAnIDThatNoneHadBefore(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		_, stop := serveAt(t, p)
		stop()
		for _, more := range [][]string{{"add"}, {"promote", "2"}, {"promote", "1"}, {"retire", "2"}, {"add"}} {
			said, err := runCommand(t, p.flags("keys", more...)...)
			require.NoError(t, err, "%s: %s", more, said)
		}
		ring, err := keyfile.Read(p.keyring)
		require.NoError(t, err)
		assert.Equal(t, []uint32{1, 3}, ring.IDs())
	})
}
