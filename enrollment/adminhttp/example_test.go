package adminhttp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/enrollment/memstore"
)

// Mounting it in a router that leaves the prefix in the path, beside the
// product's own routes.
func ExampleNew() {
	svc := newService()
	router := http.NewServeMux()
	router.Handle("/admin/enroll/", adminhttp.New(svc, actorFromSession, adminhttp.BasePath("/admin/enroll")))

	server := httptest.NewServer(router)
	defer server.Close()
	get(server.URL+"/admin/enroll/invitations", "")
	get(server.URL+"/admin/enroll/invitations", "ann's session")
	// Output:
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthenticated","detail":"No administrator is signed in."}
	// 200 {"invitations":[],"next_page_token":""}
}

// Inviting a user of the directory and a person outside it. Each has a result,
// and a request that is sent again with its key does nothing again.
func ExampleNew_inviting() {
	server := httptest.NewServer(adminhttp.New(newService(), actorFromSession))
	defer server.Close()

	const body = `{"users":[{"user_id":"u-1001"},{"email":"guest@example.com","name":"Guest"},{"user_id":"u-9999"}]}`
	for range 2 {
		r, _ := http.NewRequest("POST", server.URL+"/invitations", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "first-day")
		r.AddCookie(&http.Cookie{Name: "session", Value: "ann's session"})
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		_, counts, _ := strings.Cut(string(text), `"counts":`)
		fmt.Println(answer.StatusCode, strings.TrimRight(counts, "}\n")+"}")
	}
	get(server.URL+"/slots?q=guest&page_size=0", "ann's session")
	// Output:
	// 201 {"created":2,"replaced":0,"kept":0,"refused":1}
	// 201 {"created":2,"replaced":0,"kept":0,"refused":1}
	// 422 {"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"invalid","detail":"A field is not acceptable.","errors":[{"field":"page_size","code":"out_of_range"}]}
}

func ExampleOpenAPI() {
	fmt.Println(string(bytes.SplitN(adminhttp.OpenAPI(), []byte("\n"), 2)[0]))
	// Output: openapi: 3.1.0
}

// actorFromSession is what the embedder's sign-in knows.
func actorFromSession(r *http.Request) (enrollment.Actor, error) {
	cookie, err := r.Cookie("session")
	if err != nil || cookie.Value != "ann's session" {
		return enrollment.Actor{}, errors.New("not signed in")
	}
	return enrollment.Actor{Site: "acme", ID: "ann", Name: "Ann"}, nil
}

func get(url, session string) {
	r, _ := http.NewRequest("GET", url, nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: session})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, strings.TrimSpace(string(body)))
}

func newService() *enrollment.Service {
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		panic(err)
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		panic(err)
	}
	svc, err := enrollment.New(memstore.New(), enrollment.Config{Keyring: ring, Sites: tenants{}, Directory: users{}})
	if err != nil {
		panic(err)
	}
	return svc
}

type tenants struct{}

func (tenants) Site(_ context.Context, id string) (enrollment.Site, error) {
	if id != "acme" {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return enrollment.Site{Name: "Acme", PublicURL: &url.URL{Scheme: "https", Host: "mdm.example.com", Path: "/join"}}, nil
}

func (t tenants) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	return t.Site(ctx, "acme")
}

func (tenants) All(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("acme", nil) }
}

type users struct{}

func (users) Lookup(_ context.Context, _, id string) (enrollment.User, error) {
	if id != "u-1001" {
		return enrollment.User{}, enrollment.ErrNotFound
	}
	return enrollment.User{ID: id, Name: "Jan Novák", Email: "jan@example.com"}, nil
}

func (users) ByEmail(context.Context, string) ([]enrollment.User, error) { return nil, nil }
