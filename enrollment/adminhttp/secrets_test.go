package adminhttp

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

// reveals are the routes that answer with a secret, and nothing else does.
var reveals = []string{"POST /invitations/{id}/credentials", "POST /passcode/generate", "POST /passcode/reveal"}

// Canaries are the real secrets of an invitation, a device and a site. No answer
// but those of reveals has one, and no line of the log, and none of the journal.
func TestNoAnswerButThoseThatRevealHasASecret(t *testing.T) {
	w := newWorld(t)
	active := w.invite(acme, "u-2")
	canaries := map[string]string{}
	learn := func(got answer) {
		canaries["link"] = got.text("url")
		canaries["token"] = got.text("url")[strings.LastIndex(got.text("url"), "/")+1:]
		canaries["PIN"] = got.text("pin")
		canaries["picture"] = got.text("qr_png")
	}
	learn(w.do(acme, "POST", "/invitations/"+active+"/credentials", ""))
	_, enrolled := w.enroll(acme, "u-4", "SN-CANARY")
	canaries["device token"] = enrolled.Token.Reveal()
	generated := w.do(acme, "POST", "/passcode/generate", "")
	canaries["passcode"] = generated.text("passcode")
	canaries["globex's passcode"] = w.do(globex, "POST", "/passcode/generate", "").text("passcode")

	var answers []string
	look := func(op string, got answer) {
		if slices.Contains(reveals, op) {
			return
		}
		for header, values := range got.Header {
			answers = append(answers, op+" "+header+": "+strings.Join(values, ", "))
		}
		answers = append(answers, op+" "+got.Body)
	}
	w.drive(acme, func(op string, _ int, got answer) {
		look(op, got)
		if op == "POST /invitations/{id}/credentials" { // those of the tour's own invitation too
			for name, value := range map[string]string{"link": got.text("url"), "PIN": got.text("pin")} {
				canaries["tour's "+name] = value
			}
		}
		if op == "POST /passcode/generate" {
			assert.NotEqual(t, canaries["passcode"], got.text("passcode"))
			canaries["tour's passcode"] = got.text("passcode")
		}
		if op == "POST /passcode/reveal" {
			assert.Equal(t, canaries["tour's passcode"], got.text("passcode"), "not the one before, and nobody else's")
		}
	})
	// All that can be read of the first invitation, and what changes it.
	for _, path := range []string{"/invitations", "/invitations/" + active, "/slots", "/devices/" + enrolled.Device.ID, "/events?page_size=500"} {
		look("GET "+path, w.get(acme, path))
	}
	look("send", w.do(acme, "POST", "/invitations/"+active+"/send", ""))
	look("edit", w.do(acme, "PATCH", "/invitations/"+active, `{"email":"x@example.com"}`))
	look("new-pin", w.do(acme, "POST", "/invitations/"+active+"/new-pin", ""))
	learn2 := w.do(acme, "POST", "/invitations/"+active+"/credentials", "")
	canaries["new PIN"] = learn2.text("pin")
	look("after", w.get(acme, "/invitations/"+active))
	look("invite", w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-2"}],"if_active":"keep"}`, "Idempotency-Key: k"))
	look("replay", w.do(acme, "POST", "/invitations", `{"users":[{"user_id":"u-2"}],"if_active":"keep"}`, "Idempotency-Key: k"))
	look("deactivate", w.do(acme, "POST", "/invitations/"+active+"/deactivate", ""))
	look("refused", w.do(acme, "POST", "/invitations/"+active+"/credentials", ""))

	look("passcode", w.get(acme, "/passcode"))
	look("refused passcode", w.do(acme, "POST", "/passcode/reveal", ""))
	w.do(acme, "POST", "/passcode/generate", "")
	look("passcode in a body", w.do(acme, "POST", "/passcode/reveal", `{"passcode":"`+canaries["passcode"]+`"}`))
	look("passcode in a query", w.do(acme, "GET", "/slots?sort="+canaries["passcode"], ""))
	look("passcode in a path", w.do(acme, "GET", "/messages/"+canaries["passcode"]+"/en", ""))
	w.store.err = errors.New("the store is away")
	look("passcode without a store", w.do(acme, "POST", "/passcode/generate", ""))
	look("reveal without a store", w.do(acme, "POST", "/passcode/reveal", ""))
	w.store.err = nil
	_, err := w.svc.Sequence(t.Context())
	require.NoError(t, err)
	look("journal", w.get(acme, "/events?page_size=500"))

	require.Greater(t, len(answers), 100)
	for name, canary := range canaries {
		require.NotEmpty(t, canary, name)
		for _, text := range answers {
			assert.NotContains(t, text, canary, name)
		}
		assert.NotContains(t, w.log.String(), canary, name)
		if name != "picture" { // the digits of a PIN alone are no evidence in one
			assert.NotContains(t, w.snapshot(), canary, name)
		}
	}
	assert.NotEmpty(t, w.log.String())
}

// The log names routes, not what was asked for.
func TestTheLogHasNoPathsAndNoPeople(t *testing.T) {
	w := newWorld(t)
	id := w.invite(acme, "u-1")
	w.do(acme, "GET", "/slots?q=novak", "")
	w.do(acme, "PATCH", "/invitations/"+id, `{"email":"jan@example.com"}`)
	w.store.err = enrollment.ErrOwnTransaction
	w.do(acme, "POST", "/invitations/"+id+"/credentials", "")
	log := w.log.String()
	assert.Contains(t, log, "route=/invitations/{id}/credentials")
	for _, private := range []string{id, "novak", "jan@", "user1@", "Bearer"} {
		assert.NotContains(t, log, private)
	}
}
