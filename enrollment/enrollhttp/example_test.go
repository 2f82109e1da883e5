package enrollhttp_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing/fstest"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
	"example.com/enrollkit/enrollment/memstore"
)

// An embedder mounts the handler beside its own pages: without StripPrefix, and
// with the path where it stands.
func ExampleNew() {
	svc, link := invited()
	h, err := enrollhttp.New(svc, enrollhttp.Options{BasePath: "/join"})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/join/", h)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "our own pages") })
	server := httptest.NewServer(mux)
	defer server.Close()

	// A person opens the link of the mail ...
	page, err := http.Get(server.URL + link.Path)
	if err != nil {
		log.Fatal(err)
	}
	defer page.Body.Close()
	fmt.Println("page:", page.StatusCode)

	// ... and an agent enrolls with the token in it.
	_, token, _ := strings.Cut(link.Path, "/i/")
	body := fmt.Sprintf(`{"enrollment_id":"5f0c6d1e","credential":{"type":"token","token":%q},"device":{"platform":"android"}}`, token)
	answer, err := http.Post(server.URL+"/join/device/v1/enroll", "application/json", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	var enrolled struct{ State, Next string }
	if err := json.NewDecoder(answer.Body).Decode(&enrolled); err != nil {
		log.Fatal(err)
	}
	fmt.Println("enrolled:", answer.StatusCode, enrolled.State, enrolled.Next)
	// Output:
	// page: 200
	// enrolled: 201 pending install_agent
}

// The contract can be served, or given to a generator of clients.
func ExampleOpenAPI() {
	first, _, _ := strings.Cut(string(enrollhttp.OpenAPI()), "\n")
	fmt.Println(first)
	// Output: openapi: 3.1.0
}

// Options.Pages replaces file by file; a catalogue of texts even text by text.
func ExampleTemplates() {
	names, err := fs.Glob(enrollhttp.Templates(), "*.html")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(names)

	svc, link := invited()
	h, err := enrollhttp.New(svc, enrollhttp.Options{BasePath: "/join", Pages: fstest.MapFS{
		"texts/en.json": {Data: []byte(`{"texts": {"invitation.accept": "Join {site}"}}`)},
	}})
	if err != nil {
		log.Fatal(err)
	}
	page := httptest.NewRecorder()
	h.ServeHTTP(page, httptest.NewRequest(http.MethodGet, link.Path, nil))
	fmt.Println(strings.Contains(page.Body.String(), "Join Acme"))
	// Output:
	// [choices.html enroll.html invitation.html layout.html login.html next.html problem.html sent.html]
	// true
}

// invited is a service that has invited one person, and that person's link.
func invited() (*enrollment.Service, *url.URL) {
	key, err := credentials.NewKey(1, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := credentials.NewKeyring(key)
	if err != nil {
		log.Fatal(err)
	}
	public := &url.URL{Scheme: "https", Host: "example.com", Path: "/join"}
	svc, err := enrollment.New(memstore.New(), enrollment.Config{
		Keyring: ring,
		Sites:   enrollment.OneSite{ID: "acme", Name: "Acme", PublicURL: public},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, by := context.Background(), enrollment.Actor{Site: "acme", ID: "root"}
	result, err := svc.Invite(ctx, by, enrollment.InviteRequest{Email: "jana@example.com", Name: "Jana"})
	if err != nil {
		log.Fatal(err)
	}
	revealed, err := svc.Reveal(ctx, by, result.Invitation)
	if err != nil {
		log.Fatal(err)
	}
	link, err := url.Parse(revealed.URL.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	return svc, link
}
