// Package session finds out who sent a request: the bearer of an administrator's
// token, or a browser that signed in. Changes by a browser are taken from the
// server's own pages alone.
package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/refserver/internal/accounts"
)

// Guard looks at requests. Make one with [New].
type Guard struct {
	accounts *accounts.Accounts
	origin   *http.CrossOriginProtection
	cookie   string
	secure   bool
}

// New returns a guard for pages at public.
func New(a *accounts.Accounts, public *url.URL) (*Guard, error) {
	g := &Guard{accounts: a, origin: http.NewCrossOriginProtection(), cookie: "enrollkit"}
	if public.Scheme == "https" {
		g.cookie, g.secure = "__Host-enrollkit", true
	}
	// A proxy may change Host; the browser's Origin is the public one.
	if err := g.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, err
	}
	return g, nil
}

// ErrNobody says that a request comes from nobody who is signed in.
var ErrNobody = errors.New("session: nobody is signed in")

// Principal returns who sent r, by token if there is one and else by session.
// It answers [ErrNobody], an error wrapping [enrollment.ErrForbidden] for a
// change that another site's page may have sent, or the store's error.
func (g *Guard) Principal(r *http.Request) (accounts.Principal, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return accounts.Principal{}, ErrNobody
		}
		p, err := g.accounts.ByToken(r.Context(), strings.TrimSpace(token))
		return p, nobody(err)
	}
	p, err := g.Browser(r)
	if err != nil {
		return accounts.Principal{}, err
	}
	if err := g.checkAPI(r); err != nil {
		return accounts.Principal{}, err
	}
	return p, nil
}

// Actor is [Guard.Principal] for the admin API, to which nobody is
// [adminhttp.ErrUnauthenticated].
func (g *Guard) Actor(r *http.Request) (enrollment.Actor, error) {
	p, err := g.Principal(r)
	if errors.Is(err, ErrNobody) {
		err = fmt.Errorf("%w: %w", adminhttp.ErrUnauthenticated, err)
	}
	return p.Actor(), err
}

// Browser returns whose session r belongs to, or [ErrNobody].
func (g *Guard) Browser(r *http.Request) (accounts.Principal, error) {
	c, err := r.Cookie(g.cookie)
	if err != nil || c.Value == "" {
		return accounts.Principal{}, ErrNobody
	}
	p, err := g.accounts.BySession(r.Context(), c.Value)
	return p, nobody(err)
}

func nobody(err error) error {
	if errors.Is(err, accounts.ErrUnknown) {
		return ErrNobody
	}
	return err
}

// SameOrigin refuses a change that a page of another origin sent.
func (g *Guard) SameOrigin(r *http.Request) error {
	if err := g.origin.Check(r); err != nil {
		return fmt.Errorf("session: %w", enrollment.ErrForbidden)
	}
	return nil
}

// checkAPI guards the cookie on the API. What says nothing of its origin has to
// be JSON, which no form of another site can send.
func (g *Guard) checkAPI(r *http.Request) error {
	if err := g.SameOrigin(r); err != nil || isSafe(r.Method) || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return err
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return fmt.Errorf("session: %w", enrollment.ErrForbidden)
	}
	return nil
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// FormToken is what every form of a session carries, beside what the browser
// says of the origin.
func (g *Guard) FormToken(r *http.Request) string {
	c, err := r.Cookie(g.cookie)
	if err != nil {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(c.Value))
	mac.Write([]byte("form"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckForm refuses a form that is not one of this session's own pages.
func (g *Guard) CheckForm(r *http.Request) error {
	if err := g.SameOrigin(r); err != nil {
		return err
	}
	if want := g.FormToken(r); want == "" || !hmac.Equal([]byte(want), []byte(r.PostFormValue("form_token"))) {
		return fmt.Errorf("session: %w", enrollment.ErrForbidden)
	}
	return nil
}

// SignIn gives the browser its session.
func (g *Guard) SignIn(w http.ResponseWriter, session credentials.Secret) {
	g.set(w, g.cookie, session.Reveal(), int(accounts.SessionKept.Seconds()))
}

// SignOut ends the browser's session.
func (g *Guard) SignOut(w http.ResponseWriter, r *http.Request) error {
	g.set(w, g.cookie, "", -1)
	c, err := r.Cookie(g.cookie)
	if err != nil {
		return nil
	}
	return g.accounts.SignOut(r.Context(), c.Value)
}

// flashCookie carries one word of what was just done to the next page.
const flashCookie = "enrollkit_done"

// Flash notes what was done.
func (g *Guard) Flash(w http.ResponseWriter, done string) { g.set(w, flashCookie, done, 60) }

// Flashed returns what was noted, once.
func (g *Guard) Flashed(w http.ResponseWriter, r *http.Request) string {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	g.set(w, flashCookie, "", -1)
	return c.Value
}

func (g *Guard) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode,
	})
}
