package android_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/invitation"
)

// Mail scanners follow every link, and whoever is curious loads a page again.
func TestLookingMakesNoToken(t *testing.T) {
	for _, mode := range []device.Mode{"", device.AndroidFullyManaged, device.AndroidDedicated} {
		w, _, other := managed(t)
		_, tok := w.invite("ann", mode)
		look := func(addresses ...string) {
			for range 5 {
				code, err := w.svc.QR(t.Context(), tok, device.Android)
				require.NoError(t, err)
				assert.Equal(t, "https://mdm.example.com/join/i/"+tok, code.Reveal(), "it leads to where one accepts")
				for _, address := range append(addresses, "https://mdm.example.com/join/i/"+tok+"/android/enroll") {
					w.follow(http.MethodGet, address)
					w.follow(http.MethodHead, address)
				}
			}
		}
		look()
		require.Empty(t, other.made, "nobody has accepted")
		next := w.accept(tok, device.Company).Next
		require.Len(t, other.made, 1)
		if next.URL != "" {
			look(next.URL, next.URL+"x")
		}
		look()
		assert.Len(t, other.made, 1)
	}
	w, _, other := managed(t)
	next, _ := w.login("ann")
	require.Len(t, other.made, 1)
	for range 5 {
		require.Equal(t, http.StatusFound, w.follow(http.MethodGet, next.URL).Code)
	}
	assert.Len(t, other.made, 1)
}

func TestWhoeverAcceptsManyTimesAtOnceGetsOneToken(t *testing.T) {
	w, _, other := managed(t)
	_, tok := w.invite("ann", "")
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			_, err := w.svc.Accept(t.Context(), tok, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
			assert.NoError(t, err)
		})
	}
	group.Wait()
	assert.Len(t, other.made, 1)
}

// A device came by the token, and another process heard of it, or none yet.
func TestAUsedTokenIsNotShownForTheNextDevice(t *testing.T) {
	for _, heard := range []bool{false, true} {
		w, _, other := managed(t)
		_, tok := w.invite("ann", device.AndroidFullyManaged)
		w.accept(tok, device.Company)
		if heard {
			elsewhere, err := android.NewManaged(android.ManagedConfig{Tokens: other})
			require.NoError(t, err)
			elsewhere.Use(w.svc)
			_, err = elsewhere.Notify(t.Context(), "acme", phone(other.last()))
			require.NoError(t, err)
		} else {
			w.now = w.now.Add(time.Minute)
		}
		w.accept(tok, device.Company)
		require.Len(t, other.made, 2, "heard of it: %v", heard)
		assert.NotEqual(t, other.made[0].AdditionalData.Reveal(), other.made[1].AdditionalData.Reveal())
	}
}

func TestAnotherSystemThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, other := managed(t)
		_, tok := w.invite("ann", "")
		other.hangs.Store(true)
		accept := func(ctx context.Context) (ended *atomic.Bool) {
			ended = new(atomic.Bool)
			go func() {
				_, err := w.svc.Accept(ctx, tok, enrollment.AcceptRequest{Ownership: device.Personal, Platform: device.Android})
				assert.Equal(t, "unavailable", enrollment.Code(err))
				ended.Store(true)
			}()
			synctest.Wait()
			return ended
		}
		first := accept(t.Context())
		ctx, leave := context.WithCancel(t.Context())
		second := accept(ctx)
		leave()
		synctest.Wait()
		assert.True(t, second.Load(), "who waits behind it goes when he likes")
		assert.False(t, first.Load())
		for range 3600 { // seconds of the bubble, in which the other system never answers
			time.Sleep(time.Second)
			synctest.Wait()
		}
		assert.True(t, first.Load(), "nor is it waited for without end")
		other.hangs.Store(false)
		assert.NotEmpty(t, w.accept(tok, device.Personal).Next.URL)
	})
}

func TestTheTokensOfManyInvitationsAreTheirOwn(t *testing.T) {
	w, _, other := managed(t)
	const many = 1200 // more than are remembered
	tokens := make([]string, many)
	for i := range tokens {
		_, tokens[i] = w.invite(fmt.Sprint("u", i), "")
		w.accept(tokens[i], device.Personal)
	}
	require.Len(t, other.made, many)
	carried := map[string]bool{}
	for _, made := range other.made {
		carried[made.AdditionalData.Reveal()] = true
	}
	assert.Len(t, carried, many)
	w.accept(tokens[many-1], device.Personal)
	assert.Len(t, other.made, many, "the latest is remembered")
}

// The node that answers need not be the one that made the token, and nobody is led
// to a token that is not ours.
func TestTheLinkVouchesForItsToken(t *testing.T) {
	w, _, _ := managed(t)
	inv, tok := w.invite("ann", "")
	next := w.accept(tok, device.Personal).Next
	elsewhere, err := android.NewManaged(android.ManagedConfig{Tokens: &system{down: true}})
	require.NoError(t, err)
	w.handler = elsewhere.Handler(w.svc)
	rec := w.follow(http.MethodGet, next.URL)
	require.Equal(t, http.StatusFound, rec.Code)
	assert.Equal(t, "https://enterprise.google.com/android/enroll?et=TOKEN%261", rec.Header().Get("Location"))
	assert.Equal(t, int64(1), w.seen(inv)[invitation.StoreRedirected])

	good, err := url.Parse(next.URL)
	require.NoError(t, err)
	_, other := w.invite("bob", "")
	bobs, err := url.Parse(w.accept(other, device.Personal).Next.URL)
	require.NoError(t, err)
	for name, change := range map[string]func(q url.Values){
		"no token":          func(q url.Values) { q.Del("t") },
		"another token":     func(q url.Values) { q.Set("t", "ATTACKERS") },
		"a token too long":  func(q url.Values) { q.Set("t", strings.Repeat("x", 2000)) },
		"no grant":          func(q url.Values) { q.Del("g") },
		"another's grant":   func(q url.Values) { q.Set("g", bobs.Query().Get("g")) },
		"a changed grant":   func(q url.Values) { q.Set("g", q.Get("g")[1:]+"A") },
		"nothing":           func(q url.Values) { clear(q) },
		"a token's own use": func(q url.Values) { q.Set("g", w.tokenGrant(tok)) },
	} {
		to := *good
		q := to.Query()
		change(q)
		to.RawQuery = q.Encode()
		rec := w.follow(http.MethodGet, to.String())
		assert.Equal(t, http.StatusSeeOther, rec.Code, name)
		assert.Equal(t, "../../"+tok, rec.Header().Get("Location"), "%s: back to where one accepts", name)
	}
	assert.Equal(t, int64(1), w.seen(inv)[invitation.StoreRedirected])

	w.now = w.now.Add(android.DefaultTokenLife)
	assert.Equal(t, http.StatusSeeOther, w.follow(http.MethodGet, next.URL).Code, "the token is over")
	w.now = w.now.Add(-android.DefaultTokenLife)
	_, err = w.svc.Deactivate(t.Context(), admin, inv)
	require.NoError(t, err)
	assert.Equal(t, http.StatusGone, w.follow(http.MethodGet, next.URL).Code)
}

func TestTheLinkOfALoginVouchesForItsToken(t *testing.T) {
	w, _, _ := managed(t)
	next, _ := w.login("ann")
	bare, _, _ := strings.Cut(next.URL, "?")
	rec := w.follow(http.MethodGet, bare+"?t=ATTACKERS")
	assert.Equal(t, http.StatusNotFound, rec.Code)
	assert.Empty(t, rec.Header().Get("Location"))
}

func TestATokenWithoutACodeIsNoWayIntoANewDevice(t *testing.T) {
	w, _, other := managed(t)
	_, tok := w.invite("ann", device.AndroidFullyManaged)
	other.codeless = true
	_, err := w.svc.Accept(t.Context(), tok, enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Android})
	assert.Equal(t, "unavailable", enrollment.Code(err))
	other.codeless = false
	assert.False(t, w.accept(tok, device.Company).Next.Scan.IsZero(), "nor is it remembered")
}

// tokenGrant is a grant of an invitation as a token of the other system carries it.
func (w *world) tokenGrant(tok string) string {
	w.Helper()
	g, _, err := w.svc.GrantByToken(w.Context(), tok)
	require.NoError(w, err)
	_, text, err := w.svc.NewGrant(android.TokenUse, g, android.DefaultTokenLife)
	require.NoError(w, err)
	return text.Reveal()
}
