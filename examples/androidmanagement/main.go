// Android Management API: another system manages the devices, and its tokens carry
// our invitations. A person accepts, goes on to that system's link, and its
// notifications make the device ours. The API is played by api.go, so that this
// runs anywhere; with the real one, CreateToken is one call of
// enterprises.enrollmentTokens.create and remove one of enterprises.devices.delete.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/android"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/memstore"
)

const site = "acme"

func main() {
	ctx, by := context.Background(), enrollment.Actor{Site: site, ID: "admin"}
	google := &api{}
	platform := must(android.NewManaged(android.ManagedConfig{Tokens: google}))
	platforms := []enrollment.Platform{platform}
	svc := must(enrollment.New(memstore.New(), enrollment.Config{
		Keyring:   must(credentials.NewKeyring(must(credentials.NewKey(1, rand.Reader)))),
		Sites:     enrollment.OneSite{ID: site, PublicURL: must(url.Parse("https://mdm.example.com"))},
		Platforms: platforms,
	}))
	pages := must(enrollhttp.New(svc, enrollhttp.Options{Platforms: platforms}))
	google.push = receive(platform, google)

	invited := must(svc.Invite(ctx, by, enrollment.InviteRequest{Email: "anna@example.com", Name: "Anna"}))
	link := must(url.Parse(must(svc.Reveal(ctx, by, invited.Invitation)).URL.Reveal()))

	// Anna accepts on her phone, and follows the button.
	onward := accept(pages, link.Path)
	fmt.Println("on to:", onward.Host)

	// The phone enrolls with the API, which tells us, twice and out of order.
	phone := google.enroll(onward.Query().Get("et"))
	google.notify("STATUS_REPORT", phone, "ACTIVE")
	google.notify("ENROLLMENT", phone, "PROVISIONING")
	google.notify("ENROLLMENT", phone, "PROVISIONING")
	show(ctx, svc, by)

	// Another phone comes by a token whose invitation has ended since.
	onward = accept(pages, link.Path)
	must(svc.Deactivate(ctx, by, invited.Invitation))
	second := google.enroll(onward.Query().Get("et"))
	google.notify("ENROLLMENT", second, "PROVISIONING")
	fmt.Println("deleted there:", google.removed)

	// Anna deletes her work profile. The API says so once.
	google.notify("STATUS_REPORT", phone, "DELETED")
	show(ctx, svc, by)
}

// receive is what a push subscription calls. Before it, a real one checks the
// bearer token that Pub/Sub sends. An error is answered with 500: it is sent again.
func receive(platform *android.Managed, google *api) func(body []byte) int {
	return func(body []byte) int {
		n, err := android.ParsePush(body)
		if err != nil {
			return http.StatusBadRequest
		}
		switch _, err = platform.Notify(context.Background(), site, n); {
		case err == nil, errors.Is(err, enrollment.ErrNotFound): // or of a device that is not ours
			return http.StatusNoContent
		case android.Refused(err):
			google.remove(n.Data) // it is in the other system, and not wanted
			return http.StatusNoContent
		case errors.Is(err, enrollment.ErrGrantExpired):
			// Heard of days late, and no fault of the device's: somebody has to look.
			log.Print("a device enrolled too long ago to be admitted")
			return http.StatusNoContent
		case errors.Is(err, enrollment.ErrSiteFull):
			// Its next report brings it in if there is room by then, for a day or two.
			log.Print("a device enrolled there for which there is no room here")
			return http.StatusNoContent
		}
		return http.StatusInternalServerError
	}
}

// button is the link to go on with, in the page after an accept.
var button = regexp.MustCompile(`href="([^"]+/android/enroll[^"]+)"`)

// accept accepts an invitation on a phone and follows the button, to where the
// other system goes on.
func accept(pages http.Handler, path string) *url.URL {
	page := ask(pages, http.MethodPost, path+"/accept", "ownership=personal&platform=android")
	fmt.Println("accept:", page.Code)
	next := must(url.Parse(html.UnescapeString(button.FindStringSubmatch(page.Body.String())[1])))
	return must(url.Parse(ask(pages, http.MethodGet, next.RequestURI(), "").Header().Get("Location")))
}

func ask(pages http.Handler, method, path, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://mdm.example.com"+path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	return w
}

func show(ctx context.Context, svc *enrollment.Service, by enrollment.Actor) {
	for _, row := range must(svc.Overview(ctx, by, enrollment.OverviewQuery{})).Slots {
		fmt.Println(row.Kind, row.Name, row.State, row.Missing)
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}
