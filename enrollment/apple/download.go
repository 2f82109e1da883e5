package apple

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"strconv"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

const (
	// profileFile is the last segment of a profile's address; Safari looks at the
	// media type, and people at the name.
	profileFile = "enroll.mobileconfig"

	// ProfileType is the media type of a profile.
	ProfileType = "application/x-apple-aspen-config"
)

// Handler answers with profiles, and hands the rest to Config.MDM. It is what
// makes the Platform an enrollhttp.Mounter:
//
//   - /i/{token}/apple/enroll.mobileconfig, once the invitation is accepted;
//   - /platform/apple/login/{grant}/enroll.mobileconfig, where the page after a
//     one-time login leads.
//
// Each GET is another profile, with a challenge of its own. What it leaves is the
// observation that somebody fetched one; HEAD leaves nothing.
func (p *Platform) Handler(svc *enrollment.Service) http.Handler {
	return downloads{p, svc}
}

type downloads struct {
	*Platform
	svc *enrollment.Service
}

func (d downloads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	login, isLogin := strings.CutPrefix(r.URL.Path, "/login/")
	login, isFile := strings.CutSuffix(login, "/"+profileFile)
	switch {
	case token != "" && r.URL.Path == "/"+profileFile:
		d.read(w, r, func() { d.byToken(w, r, token) })
	case token == "" && isLogin && isFile && !strings.Contains(login, "/"):
		d.read(w, r, func() { d.byLogin(w, r, login) })
	case token == "" && d.cfg.MDM != nil:
		d.cfg.MDM.ServeHTTP(w, r)
	default:
		d.refuse(w, r, http.StatusNotFound, "not_found")
	}
}

// read lets through what only reads.
func (d downloads) read(w http.ResponseWriter, r *http.Request, answer func()) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		d.refuse(w, r, http.StatusMethodNotAllowed, "method_not_allowed")
		return
	}
	answer()
}

// byToken answers whoever holds an invitation.
func (d downloads) byToken(w http.ResponseWriter, r *http.Request, token string) {
	g, offer, err := d.svc.GrantByToken(r.Context(), token)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	if offer.Invitation.AcceptedAt.IsZero() {
		// Nobody chose yet whose device it is. The page asks.
		// The address is relative to the whole path, of which we see the end.
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", "../../"+token)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	d.answer(w, r, g, Download{Site: offer.Site, Platform: offer.Platform})
}

// byLogin answers whoever comes from the page after a one-time login.
func (d downloads) byLogin(w http.ResponseWriter, r *http.Request, grant string) {
	g, site, err := d.svc.OpenGrant(r.Context(), enrollment.LoginGrantUse(Name), credentials.SecretString(grant))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	platform := device.IOS
	if r.URL.Query().Get("platform") == string(device.MacOS) {
		platform = device.MacOS
	}
	d.answer(w, r, g, Download{Site: site, Platform: platform})
}

// answer makes the profile and sends it.
func (d downloads) answer(w http.ResponseWriter, r *http.Request, g enrollment.Grant, o Download) {
	if o.Platform != device.MacOS {
		o.Platform = device.IOS
	}
	challenge, text, err := d.svc.NewGrant(ChallengeUse, g, d.cfg.ChallengeLife)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	o.Enrollment, o.Challenge = challenge.ID, text
	body, err := d.profile(o).Encode()
	if err == nil && d.cfg.Signer != nil {
		body, err = d.cfg.Signer.Sign(r.Context(), body)
	}
	if err == nil && r.Method == http.MethodGet && g.Invitation != "" {
		err = d.svc.See(r.Context(), g.Site, g.Invitation, invitation.ProfileDownloaded)
	}
	if err != nil {
		d.failed(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", ProfileType)
	h.Set("Content-Disposition", `attachment; filename="`+profileFile+`"`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // whoever went away downloads it again
	}
}

// failed answers an error of the Service, or of making the profile.
func (d downloads) failed(w http.ResponseWriter, r *http.Request, err error) {
	code := enrollment.Code(err)
	switch {
	case errors.Is(err, enrollment.ErrInvitationUnknown), errors.Is(err, enrollment.ErrGrantRefused):
		d.refuse(w, r, http.StatusNotFound, code)
	case code == "unavailable" || code == "conflict":
		// The text of the error may quote what it is about.
		d.cfg.Logger.ErrorContext(r.Context(), "apple: no profile", "code", code)
		d.refuse(w, r, http.StatusServiceUnavailable, "unavailable")
	default:
		d.refuse(w, r, http.StatusGone, code)
	}
}

// said is what a refusal says to a person.
var said = map[string]string{
	"not_found":          "There is nothing here.",
	"grant_refused":      "There is nothing here.",
	"invitation_unknown": "There is nothing here.",
	"method_not_allowed": "This address can only be read.",
	"unavailable":        "The profile cannot be made right now. Try again in a moment.",
}

// refuse says no, to a program as a problem and to a person as a line of text.
func (d downloads) refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	text, ok := said[code]
	if !ok {
		text = "This download is over. Go back to the page that you came from, or ask for a new invitation."
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	if strings.Contains(r.Header.Get("Accept"), "json") {
		h.Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code, "detail": text,
		})
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!doctype html><html lang=\"en\"><meta name=\"viewport\" content=\"width=device-width\"><title>" +
		html.EscapeString(http.StatusText(status)) + "</title><p>" + html.EscapeString(text) + "</p></html>\n"))
}
