package android

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// redirects answers the addresses that lead a person on, by an invitation or by a
// one-time login.
type redirects struct {
	log  *slog.Logger
	svc  *enrollment.Service
	file string // the last segment
	// lead returns where to go. It changes nothing. A refused or expired grant says
	// that the address is over, not what gave it.
	lead func(ctx context.Context, o enrollment.Offer, g enrollment.Grant, q url.Values) (string, error)
}

func (d redirects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	token := r.PathValue("token")
	login, isLogin := strings.CutPrefix(r.URL.Path, "/login/")
	login, isFile := strings.CutSuffix(login, "/"+d.file)
	byToken := token != "" && r.URL.Path == "/"+d.file
	byLogin := token == "" && isLogin && isFile && !strings.Contains(login, "/")
	switch {
	case !byToken && !byLogin:
		d.refuse(w, r, http.StatusNotFound, "not_found")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		d.refuse(w, r, http.StatusMethodNotAllowed, "method_not_allowed")
	case byToken:
		d.byToken(w, r, token)
	default:
		d.byLogin(w, r, login)
	}
}

// byToken leads on whoever holds an invitation.
func (d redirects) byToken(w http.ResponseWriter, r *http.Request, token string) {
	g, o, err := d.svc.GrantByToken(r.Context(), token)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	if o.Invitation.AcceptedAt.IsZero() {
		back(w, token) // nobody chose yet whose device it is
		return
	}
	o.Platform = device.Android
	d.on(w, r, o, g)
}

// back sends to the page of an invitation, which asks. Not http.Redirect, which
// would make it absolute from a path whose beginning was taken away.
func back(w http.ResponseWriter, token string) {
	w.Header().Set("Location", "../../"+token)
	w.WriteHeader(http.StatusSeeOther)
}

// byLogin leads on whoever comes from the page after a one-time login.
func (d redirects) byLogin(w http.ResponseWriter, r *http.Request, text string) {
	g, site, err := d.svc.OpenGrant(r.Context(), enrollment.LoginGrantUse(Name), credentials.SecretString(text))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	d.on(w, r, enrollment.Offer{Site: site, Platform: device.Android, Mode: device.DefaultMode(device.Android)}, g)
}

// on sends the person on, and notes it where there is an invitation.
func (d redirects) on(w http.ResponseWriter, r *http.Request, o enrollment.Offer, g enrollment.Grant) {
	to, err := "", error(nil)
	if r.Method == http.MethodGet {
		to, err = d.lead(r.Context(), o, g, r.URL.Query())
		if token := r.PathValue("token"); token != "" && (errors.Is(err, enrollment.ErrGrantRefused) || errors.Is(err, enrollment.ErrGrantExpired)) {
			back(w, token)
			return
		}
		if err == nil && g.Invitation != "" {
			err = d.svc.See(r.Context(), g.Site, g.Invitation, invitation.StoreRedirected)
		}
	}
	if err != nil {
		d.failed(w, r, err)
		return
	}
	if to != "" {
		w.Header().Set("Location", to)
	}
	w.WriteHeader(http.StatusFound)
}

// failed answers an error of the Service, or of the way on.
func (d redirects) failed(w http.ResponseWriter, r *http.Request, err error) {
	code := enrollment.Code(err)
	switch {
	case errors.Is(err, enrollment.ErrInvitationUnknown), errors.Is(err, enrollment.ErrGrantRefused):
		d.refuse(w, r, http.StatusNotFound, code)
	case errors.Is(err, enrollment.ErrNotFound):
		d.refuse(w, r, http.StatusNotFound, "not_found")
	case code == "unavailable" || code == "conflict":
		// The text of the error may quote what it is about.
		d.log.ErrorContext(r.Context(), "android: nowhere to go", "code", code)
		d.refuse(w, r, http.StatusServiceUnavailable, "unavailable")
	default:
		d.refuse(w, r, http.StatusGone, code)
	}
}

// said is what a refusal says to a person.
var said = map[string]string{
	"not_found":          "There is nothing here.",
	"method_not_allowed": "This address can only be read.",
	"unavailable":        "This does not work right now. Try again in a moment.",
}

// refuse says no, to a program as a problem and to a person as a line of text.
func (d redirects) refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	text, ok := said[code]
	if !ok {
		text = "This address is over. Go back to the page that you came from, or ask for a new invitation."
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if strings.Contains(r.Header.Get("Accept"), "json") {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code, "detail": text,
		})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!doctype html><html lang=\"en\"><meta name=\"viewport\" content=\"width=device-width\"><title>" +
		html.EscapeString(http.StatusText(status)) + "</title><p>" + html.EscapeString(text) + "</p></html>\n"))
}
