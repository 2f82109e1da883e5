package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"example.com/enrollkit/enrollment"
)

// The first of a site wait for a row that is not there yet, those after them for
// one that is.
func flowSiteLimit(t *testing.T, w *world) {
	const limit = 5
	w.limit(limit)
	tries := w.newcomers(t)
	want(t, "who got in", w.getIn(t, tries), limit)
	want(t, "devices", len(w.devices(t)), limit)
	want(t, "who got in later", w.getIn(t, tries), limit) // they ask again
	want(t, "devices then", len(w.devices(t)), limit)

	// There is room for one when one has left.
	must(t, w.svc.Delete(t.Context(), alpha, w.devices(t)[0]))
	w.getIn(t, tries)
	want(t, "devices after one left", len(w.devices(t)), limit)
	w.limit(0)
	w.getIn(t, tries)
	want(t, "devices without a limit", len(w.devices(t)), len(tries)-1)
}

// newcomers are 40 devices with credentials of every kind, at two nodes. Each
// presents the same each time.
func (w *world) newcomers(t *testing.T) (tries []func(context.Context) error) {
	t.Helper()
	nodes := []*enrollment.Service{w.svc, w.node(t)}
	_, shared := w.invite(t, enrollment.InviteRequest{User: "shared"})
	for n := range 40 {
		var (
			user = fmt.Sprint("newcomer", n)
			id   = fmt.Sprint("e-", n)
			node = nodes[n/2%2]
			r    enrollment.EnrollRequest
		)
		switch n % 4 {
		case 0: // ten devices of one invitation
			r = byLink(t, shared.URL, id, fmt.Sprint("S", n))
		case 1:
			_, shown := w.invite(t, enrollment.InviteRequest{User: user})
			r = byPIN(user+"@example.com", shown.PIN, id)
		case 2:
			w.forgetMail()
			r = byLogin(w.login(t, user), id, fmt.Sprint("S", n))
		case 3:
			_, shown := w.invite(t, enrollment.InviteRequest{User: user})
			l := w.typed(t, shown)
			tries = append(tries, func(ctx context.Context) error { _, err := w.signIn(ctx, l, n); return err })
			continue
		}
		tries = append(tries, func(ctx context.Context) error { _, err := node.Enroll(ctx, r); return err })
	}
	return tries
}

// forgetMail leaves the next mail as the only one.
func (w *world) forgetMail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail = nil
}

// getIn has everybody try at once and returns how many were answered a device. The
// others were told that the site is full, or that theirs was deleted.
func (w *world) getIn(t *testing.T, tries []func(context.Context) error) (n int) {
	t.Helper()
	for _, err := range together(len(tries), func(i int) error { return tries[i](t.Context()) }) {
		switch {
		case err == nil:
			n++
		case errors.Is(err, enrollment.ErrSiteFull), errors.Is(err, enrollment.ErrDeviceGone):
		default:
			t.Fatal(err)
		}
	}
	return n
}
