package console

import (
	"errors"
	"net/http"

	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/web"
)

// signInData is what the sign-in page shows.
type signInData struct {
	Email  string
	Failed string
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	if _, err := c.Guard.Browser(r); err == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.render(w, r, accounts.Principal{}, http.StatusOK, "signin", "Sign in", signInData{})
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	if err := errors.Join(c.Guard.SameOrigin(r), parse(r)); err != nil {
		c.fail(w, r, accounts.Principal{}, err)
		return
	}
	source, now := web.ClientIP(r, c.TrustedProxies), moment()
	wait, err := c.Pace.Wait(r.Context(), source, now)
	if err != nil {
		c.fail(w, r, accounts.Principal{}, err)
		return
	}
	if wait > 0 {
		p := web.Refusal(http.StatusTooManyRequests, "paced", "Too many failed sign-ins. Try again in "+span(wait)+".")
		w.Header().Set("Retry-After", retryAfter(wait))
		c.fail(w, r, accounts.Principal{}, p)
		return
	}
	email := r.PostFormValue("email")
	secret, by, err := c.Accounts.SignIn(r.Context(), email, r.PostFormValue("token"))
	if errors.Is(err, accounts.ErrUnknown) {
		if err := c.Pace.Failed(r.Context(), source, now); err != nil {
			c.fail(w, r, accounts.Principal{}, err)
			return
		}
		c.render(w, r, accounts.Principal{}, http.StatusUnauthorized, "signin", "Sign in",
			signInData{Email: email, Failed: "No administrator has this address and token."})
		return
	}
	if err != nil {
		c.fail(w, r, accounts.Principal{}, err)
		return
	}
	c.Guard.SignIn(w, secret)
	c.Logger.InfoContext(r.Context(), "signed in", "site", by.Site, "admin", by.Admin, "request_id", web.RequestIDFrom(r.Context()))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, _ accounts.Principal) error {
	if err := c.Guard.SignOut(w, r); err != nil {
		return err
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
