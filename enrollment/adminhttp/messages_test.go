package adminhttp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/enrollment"
)

// fakeMessages has two kinds in two languages, and one variable.
type fakeMessages struct {
	world  *world
	edited map[string]MessageText // by "acme/invitation/en"
	actors []enrollment.Actor     // of every change
}

var (
	fakeKinds     = []string{"invitation", "alert"}
	fakeLanguages = []string{"en", "cs"}
)

func (f *fakeMessages) name(site, kind, language string) (string, error) {
	if f.world.store.err != nil {
		return "", f.world.store.err
	}
	if !slices.Contains(fakeKinds, kind) || !slices.Contains(fakeLanguages, language) {
		return "", enrollment.ErrNotFound
	}
	return site + "/" + kind + "/" + language, nil
}

func (f *fakeMessages) ListMessages(_ context.Context, site string) ([]Message, error) {
	var list []Message
	for _, kind := range fakeKinds {
		for _, language := range fakeLanguages {
			name, err := f.name(site, kind, language)
			if err != nil {
				return nil, err
			}
			_, edited := f.edited[name]
			list = append(list, Message{Kind: kind, Language: language, Edited: edited})
		}
	}
	return list, nil
}

func (f *fakeMessages) Message(_ context.Context, site, kind, language string) (Message, error) {
	name, err := f.name(site, kind, language)
	if err != nil {
		return Message{}, err
	}
	m := Message{Kind: kind, Language: language, Variables: []MessageVariable{{Name: "Site", Says: "The company."}}}
	if m.MessageText, m.Edited = f.edited[name]; !m.Edited {
		m.MessageText = MessageText{Subject: "Default " + kind, Text: "Text of {{.Site}}", HTML: "<p>{{.Site}}</p>"}
	}
	return m, nil
}

// allowed also takes templates apart, as far as a fake does.
func (f *fakeMessages) allowed(by enrollment.Actor, kind, language string, texts ...string) (string, error) {
	name, err := f.name(by.Site, kind, language)
	if err != nil {
		return "", err
	}
	f.actors = append(f.actors, by)
	var wrong wrong
	for i, text := range texts {
		if strings.Contains(strings.ReplaceAll(text, "{{.Site}}", ""), "{{") {
			wrong.add([]string{"subject", "text", "html"}[i], "unknown")
		}
	}
	if err := f.world.refusal(); err != nil {
		return "", err
	}
	return name, wrong.err()
}

func (f *fakeMessages) PutMessage(ctx context.Context, by enrollment.Actor, kind, language string, m MessageText) (Message, error) {
	name, err := f.allowed(by, kind, language, m.Subject, m.Text, m.HTML)
	if err != nil {
		return Message{}, err
	}
	f.edited[name] = m
	return f.Message(ctx, by.Site, kind, language)
}

func (f *fakeMessages) ResetMessage(_ context.Context, by enrollment.Actor, kind, language string) error {
	name, err := f.allowed(by, kind, language)
	if err == nil {
		delete(f.edited, name)
	}
	return err
}

func (f *fakeMessages) PreviewMessage(_ context.Context, by enrollment.Actor, kind, language string, m MessageText) (MessageText, error) {
	_, err := f.allowed(by, kind, language, m.Subject, m.Text, m.HTML)
	fill := func(s string) string { return strings.ReplaceAll(s, "{{.Site}}", "Example") }
	return MessageText{Subject: fill(m.Subject), Text: fill(m.Text), HTML: fill(m.HTML)}, err
}

func TestMessages(t *testing.T) {
	w := newWorld(t)
	const path, edit = "/messages/invitation/cs", `{"subject":"Ahoj z {{.Site}}","text":"Řádek\r\n\tdva","html":"<p>{{.Site}}</p>"}`
	t.Run("every kind in every language", func(t *testing.T) {
		got := w.get(acme, "/messages")
		assert.Len(t, got.at("messages"), 4)
		assert.Equal(t, map[string]any{"kind": "invitation", "language": "en", "edited": false}, got.at("messages.0"))
	})
	t.Run("the default, with its variables", func(t *testing.T) {
		got := w.get(acme, path)
		assert.Equal(t, "invitation", got.at("kind"))
		assert.Equal(t, "cs", got.at("language"))
		assert.Equal(t, false, got.at("edited"))
		assert.Equal(t, "Default invitation", got.at("subject"))
		assert.Equal(t, "<p>{{.Site}}</p>", got.at("html"))
		assert.Equal(t, []any{map[string]any{"name": "Site", "says": "The company."}}, got.at("variables"))
	})
	t.Run("a preview keeps nothing", func(t *testing.T) {
		before := w.snapshot()
		got := w.do(acme, "POST", path+"/preview", edit)
		require.Equal(t, 200, got.Status, got.Body)
		assert.Equal(t, "Ahoj z Example", got.at("subject"))
		assert.Equal(t, "Řádek\r\n\tdva", got.at("text"))
		assert.Equal(t, "<p>Example</p>", got.at("html"))
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"), "no browser shows it as a page")
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("edited by the actor, once and again", func(t *testing.T) {
		for range 2 {
			got := w.do(acme, "PUT", path, edit)
			require.Equal(t, 200, got.Status, got.Body)
			assert.Equal(t, true, got.at("edited"))
			assert.Equal(t, w.get(acme, path).Body, got.Body)
		}
		assert.Equal(t, "Ahoj z {{.Site}}", w.get(acme, path).at("subject"))
		assert.Equal(t, true, w.get(acme, "/messages").at("messages.1.edited"))
		assert.Equal(t, false, w.get(acme, "/messages/invitation/en").at("edited"))
		for _, by := range w.messages.actors {
			assert.Equal(t, enrollment.Actor{Site: "acme", ID: "ann"}, by)
		}
	})
	t.Run("empty texts are up to the embedder", func(t *testing.T) {
		assert.Equal(t, 200, w.do(acme, "PUT", "/messages/alert/en", `{"subject":"","text":"","html":""}`).Status)
	})
	t.Run("as long as a mail may be", func(t *testing.T) {
		long := strings.Repeat("x", messageBody-len(`{"subject":"","text":"","html":""}`))
		assert.Equal(t, 200, w.do(acme, "PUT", "/messages/alert/en", `{"subject":"","text":"","html":"`+long+`"}`).Status)
		w.do(acme, "PUT", "/messages/alert/en", `{"subject":"","text":"","html":"`+long+`x"}`).problem(413, "body_too_large")
	})
	t.Run("reset, once and again", func(t *testing.T) {
		for range 2 {
			got := w.do(acme, "DELETE", path, "")
			assert.Equal(t, 204, got.Status, got.Body)
			assert.Empty(t, got.Body)
		}
		assert.Equal(t, "Default invitation", w.get(acme, path).at("subject"))
	})
	t.Run("unknown kinds and languages are 404", func(t *testing.T) {
		before := w.snapshot()
		for _, unknown := range []string{"/messages/handler/en", "/messages/invitation/de", "/messages/Invitation/en", "/messages/a..b/en", "/messages/invitation.en/en"} {
			w.do(acme, "GET", unknown, "").problem(404, "not_found")
			w.do(acme, "PUT", unknown, edit).problem(404, "not_found")
			w.do(acme, "DELETE", unknown, "").problem(404, "not_found")
			w.do(acme, "POST", unknown+"/preview", edit).problem(404, "not_found")
		}
		assert.Equal(t, before, w.snapshot())
	})
	t.Run("without variables the list is empty, not null", func(t *testing.T) {
		text, err := json.Marshal(showMessage(Message{}))
		require.NoError(t, err)
		assert.Contains(t, string(text), `"variables":[]`)
	})
}

func TestWithoutMessagesTheirPathsAreNotThere(t *testing.T) {
	w := newWorld(t)
	for name, handler := range map[string]http.Handler{
		"no option": New(w.svc, actorOf), "nil": New(w.svc, actorOf, WithMessages(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/messages", "/messages/invitation/en", "/messages/invitation/en/preview"} {
				for _, method := range []string{"GET", "PUT", "DELETE", "POST"} {
					r := httptest.NewRequest(method, path, strings.NewReader("{}"))
					r.Header.Set("Authorization", "Bearer "+acme)
					got := httptest.NewRecorder()
					handler.ServeHTTP(got, r)
					assert.Equal(t, 404, got.Code)
				}
			}
			r := httptest.NewRequest("GET", "/passcode", nil)
			r.Header.Set("Authorization", "Bearer "+acme)
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, r)
			assert.Equal(t, 200, got.Code)
		})
	}
}
