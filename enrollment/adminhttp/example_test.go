package adminhttp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
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

// Opening the self-service door: the passcode is in two answers, and in no other.
func ExampleNew_passcode() {
	server := httptest.NewServer(adminhttp.New(newService(), actorFromSession))
	defer server.Close()
	for _, do := range []string{"GET /passcode", "POST /passcode/generate", "POST /passcode/reveal", "GET /passcode", "POST /passcode/disable"} {
		method, path, _ := strings.Cut(do, " ")
		status, text := send(method, server.URL+path, "ann's session", "")
		var said struct {
			Status   string
			Passcode string
			By       string `json:"generated_by"`
		}
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %-22s status %q by %q, passcode of %d characters\n", status, do, said.Status, said.By, len(said.Passcode))
	}
	// Output:
	// 200 GET /passcode          status "none" by "", passcode of 0 characters
	// 200 POST /passcode/generate status "active" by "ann", passcode of 12 characters
	// 200 POST /passcode/reveal  status "" by "", passcode of 12 characters
	// 200 GET /passcode          status "active" by "ann", passcode of 0 characters
	// 200 POST /passcode/disable status "disabled" by "ann", passcode of 0 characters
}

// Letting administrators edit the texts of mail, which are kept by the embedder.
func ExampleWithMessages() {
	server := httptest.NewServer(adminhttp.New(newService(), actorFromSession, adminhttp.WithMessages(texts{})))
	defer server.Close()
	const path = "/messages/invitation/en"
	for _, do := range []struct{ method, path, body string }{
		{"POST", path + "/preview", `{"subject":"Welcome to {{.Site}}","text":"Follow the link.","html":""}`},
		{"PUT", path, `{"subject":"Your {{.PIN}}","text":"","html":""}`},
		{"PUT", path, `{"subject":"Welcome to {{.Site}}","text":"Follow the link.","html":""}`},
		{"GET", "/messages", ""},
		{"DELETE", path, ""},
		{"GET", "/messages", ""},
		{"GET", "/messages/invitation/tlh", ""},
	} {
		status, text := send(do.method, server.URL+do.path, "ann's session", do.body)
		fmt.Println(strings.TrimSpace(fmt.Sprint(status, " ", text)))
	}
	// Output:
	// 200 {"subject":"Welcome to Example","text":"Follow the link.","html":""}
	// 422 {"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"invalid","detail":"A field is not acceptable.","errors":[{"field":"subject","code":"unknown"}]}
	// 200 {"kind":"invitation","language":"en","edited":true,"subject":"Welcome to {{.Site}}","text":"Follow the link.","html":"","variables":[{"name":"Site","says":"The name of the site."}]}
	// 200 {"messages":[{"kind":"invitation","language":"en","edited":true}]}
	// 204
	// 200 {"messages":[{"kind":"invitation","language":"en","edited":false}]}
	// 404 {"type":"about:blank","title":"Not Found","status":404,"code":"not_found","detail":"There is no such thing."}
}

func ExampleOpenAPI() {
	fmt.Println(string(bytes.SplitN(adminhttp.OpenAPI(), []byte("\n"), 2)[0]))
	// Output: openapi: 3.1.0
}

// actorFromSession is what the embedder's sign-in knows.
func actorFromSession(r *http.Request) (enrollment.Actor, error) {
	cookie, err := r.Cookie("session")
	if err != nil || cookie.Value != "ann's session" {
		return enrollment.Actor{}, adminhttp.ErrUnauthenticated
	}
	return enrollment.Actor{Site: "acme", ID: "ann", Name: "Ann"}, nil
}

func get(url, session string) { fmt.Println(send("GET", url, session, "")) }

// send returns the status of an answer, and its body.
func send(method, url, session, body string) (int, string) {
	r, _ := http.NewRequest(method, url, strings.NewReader(body))
	r.AddCookie(&http.Cookie{Name: "session", Value: session})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(text))
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

// texts keeps one message of each site, with one variable, by the site's id. A
// real one is in the database, and safe for concurrent use.
type texts map[string]adminhttp.MessageText

func (t texts) ListMessages(ctx context.Context, site string) ([]adminhttp.Message, error) {
	m, err := t.Message(ctx, site, "invitation", "en")
	return []adminhttp.Message{m}, err
}

func (t texts) Message(_ context.Context, site, kind, language string) (adminhttp.Message, error) {
	if kind != "invitation" || language != "en" {
		return adminhttp.Message{}, enrollment.ErrNotFound
	}
	m := adminhttp.Message{
		Kind: kind, Language: language,
		Variables: []adminhttp.MessageVariable{{Name: "Site", Says: "The name of the site."}},
	}
	if m.MessageText, m.Edited = t[site]; !m.Edited {
		m.MessageText = adminhttp.MessageText{Subject: "{{.Site}} invites you", Text: "Follow the link."}
	}
	return m, nil
}

func (t texts) PutMessage(ctx context.Context, by enrollment.Actor, kind, language string, m adminhttp.MessageText) (adminhttp.Message, error) {
	if _, err := t.PreviewMessage(ctx, by, kind, language, m); err != nil {
		return adminhttp.Message{}, err
	}
	t[by.Site] = m
	return t.Message(ctx, by.Site, kind, language)
}

func (t texts) ResetMessage(ctx context.Context, by enrollment.Actor, kind, language string) error {
	_, err := t.Message(ctx, by.Site, kind, language)
	if err == nil && by.ID != "ann" { // who may do it is decided here
		err = enrollment.ErrForbidden
	}
	if err == nil {
		delete(t, by.Site)
	}
	return err
}

func (t texts) PreviewMessage(ctx context.Context, by enrollment.Actor, kind, language string, m adminhttp.MessageText) (adminhttp.MessageText, error) {
	if _, err := t.Message(ctx, by.Site, kind, language); err != nil {
		return m, err
	}
	if by.ID != "ann" {
		return m, enrollment.ErrForbidden
	}
	var wrong enrollment.ValidationError
	for field, text := range map[string]*string{"subject": &m.Subject, "text": &m.Text, "html": &m.HTML} {
		*text = strings.ReplaceAll(*text, "{{.Site}}", "Example")
		if strings.Contains(*text, "{{") {
			wrong.Fields = append(wrong.Fields, enrollment.FieldError{Field: field, Code: "unknown"})
		}
	}
	if len(wrong.Fields) > 0 {
		return m, &wrong
	}
	return m, nil
}
