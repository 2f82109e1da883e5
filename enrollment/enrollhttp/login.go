package enrollhttp

import (
	"errors"
	"net/http"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// loginView is login.html.
type loginView struct {
	frame
	choices
	Here      string            // in front of the form's address
	Ask       string            // to the page that mails a login
	Mistake   string            // what was wrong with the form
	Wrong     map[string]string // and at which field
	Username  string            // as typed, if the form has to be mended
	Elsewhere string            // this page's address for a phone; empty on one
}

// loginCodes is a one-time login as people read it, or what else is typed to sign
// in.
type loginCodes struct {
	Server, Username, Password string
	Missing                    string // why there is no password
}

// loginPage asks for a one-time login, which "Enroll now" in the mail leads to.
func (h *handler) loginPage(w http.ResponseWriter, r *http.Request) {
	door, err := h.svc.SelfService(r.Context(), h.o.Host)
	if err != nil {
		h.refuse(w, r, door.Site, err)
		return
	}
	view := h.loginView(r, door.Site, enrollment.AcceptRequest{})
	view.Here, view.Ask = "login/", "../enroll"
	h.render(w, r, http.StatusOK, loginFile, view.Lang, view)
}

// acceptLogin answers a good login with what to do next. It does not use it up:
// the agent does, so the page shows again what to type into it.
func (h *handler) acceptLogin(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r, "username", "password", "ownership", "platform")
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	door, err := h.svc.SelfService(r.Context(), h.o.Host)
	if err != nil {
		h.refuse(w, r, door.Site, err)
		return
	}
	login := enrollment.Login{
		Username: form.Get("username"), Password: credentials.SecretString(form.Get("password")),
		Source: httpkit.ClientIP(r, h.o.TrustedProxies), Host: h.o.Host,
	}
	choice := chosen(r, form)
	offer, err := h.svc.AcceptLogin(r.Context(), login, choice)
	invalid, isInvalid := errors.AsType[*enrollment.ValidationError](err)
	switch {
	case err == nil && wantsJSON(r.Header):
		writeNext(w, offer.Ownership, offer.Next)
	case err == nil:
		view := h.loginNextView(r, offer, login)
		h.render(w, r, http.StatusOK, nextFile, view.Lang, view)
	case wantsJSON(r.Header):
		h.refuse(w, r, door.Site, err)
	case isInvalid:
		view := h.loginView(r, door.Site, choice)
		view.Username, view.Mistake, view.Wrong = login.Username, view.T("login.mistake"), view.wrong("login.", invalid)
		h.loginAgain(w, r, httpkit.ProblemOf(err), view)
	case errors.Is(err, enrollment.ErrCredentialRefused):
		view := h.loginView(r, door.Site, choice)
		view.Mistake = view.T("login.refused")
		h.loginAgain(w, r, httpkit.ProblemOf(err), view)
	default:
		h.refuse(w, r, door.Site, err)
	}
}

// loginAgain answers a no with the form.
func (h *handler) loginAgain(w http.ResponseWriter, r *http.Request, p httpkit.Problem, view loginView) {
	view.Ask = "../../enroll"
	httpkit.WriteProblemHeaders(w, p)
	h.render(w, r, p.Status, loginFile, view.Lang, view)
}

// loginView fills the form; chosen is what the person chose in one before.
func (h *handler) loginView(r *http.Request, site enrollment.Site, chosen enrollment.AcceptRequest) loginView {
	machine := detect(r.Header)
	v := loginView{frame: h.frame(r, site)}
	v.Title = v.T("login.title")
	v.choices = h.choices(v.words, machine, chosen, "")
	if machine.desktop {
		v.Elsewhere = loginURL(site)
	}
	return v
}

// loginNextView fills the page after a login.
func (h *handler) loginNextView(r *http.Request, o enrollment.LoginOffer, login enrollment.Login) nextView {
	v, _, here := h.stepView(r, o.Site, o.Platform, o.Next, ".login")
	v.Back = "../login"
	v.Ownership = v.T("chosen." + string(o.Ownership))
	v.Login = &loginCodes{Server: o.Next.Server, Username: login.Username, Password: login.Password.Reveal()}
	if name, err := credentials.ParseUsername(login.Username); err == nil {
		v.Login.Username = name
	}
	if password, err := credentials.ParseOneTimePassword(login.Password.Reveal()); err == nil {
		v.Login.Password = credentials.GroupOneTimePassword(password.Reveal())
	}
	if !here && o.Next.Action != device.SignIn { // which is typed off the screen
		v.Elsewhere = loginURL(o.Site)
	}
	return v
}

// loginURL is the public address of the login page; empty where no site is
// known that has one.
func loginURL(site enrollment.Site) string {
	if site.PublicURL == nil {
		return ""
	}
	return site.PublicURL.JoinPath(selfService, "login").String()
}
