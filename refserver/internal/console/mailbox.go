package console

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/mailbox"
	"example.com/enrollkit/refserver/internal/session"
	"example.com/enrollkit/refserver/internal/web"
)

// wantsJSON reports whether a program asks: it has a token, or says so.
func wantsJSON(r *http.Request) bool {
	return r.Header.Get("Authorization") != "" || strings.Contains(r.Header.Get("Accept"), "application/json")
}

// reader is signedIn for the mailbox, which programs may read, too.
func (c *Console) reader(s screen) http.Handler {
	people := c.signedIn(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !wantsJSON(r) {
			people.ServeHTTP(w, r)
			return
		}
		by, err := c.Guard.Principal(r)
		if errors.Is(err, session.ErrNobody) {
			err = web.Unauthenticated()
		}
		if err == nil {
			err = s(w, r, by)
		}
		if err != nil {
			web.WriteProblem(w, r, web.ProblemOf(err))
		}
	})
}

// mailsData is the list of mails.
type mailsData struct {
	Mails []mailbox.Mail
	Next  int64
	First bool
}

func (c *Console) mails(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // anything else: from the start
	mails, next, err := c.Mailbox.List(r.Context(), by.Site, before, pageRows)
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		web.WriteJSON(w, http.StatusOK, map[string]any{"mails": mails, "next": next})
		return nil
	}
	c.render(w, r, by, http.StatusOK, "mails", "Mailbox", mailsData{mails, next, before == 0})
	return nil
}

func (c *Console) mail(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	mail, err := c.Mailbox.Get(r.Context(), by.Site, id(r))
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		web.WriteJSON(w, http.StatusOK, mail)
		return nil
	}
	c.render(w, r, by, http.StatusOK, "mail", mail.Subject, mail)
	return nil
}

// mailPolicy keeps a mail in a sandbox of its own: no script, nothing from
// elsewhere, no access to the console. Its links open in new tabs.
const mailPolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; " +
	"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"

// mailHTML is the HTML of a mail for the frame. In the sandbox nobody is signed
// in, so images stand in the page itself.
func (c *Console) mailHTML(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	mail, err := c.Mailbox.Get(r.Context(), by.Site, id(r))
	if err != nil {
		return err
	}
	html := mail.HTML
	for _, i := range mail.Inline {
		html = strings.ReplaceAll(html, "cid:"+i.CID, "data:"+i.Type+";base64,"+base64.StdEncoding.EncodeToString(i.Data))
	}
	showInFrame(w, html)
	return nil
}

// mailInline is one image of a mail.
func (c *Console) mailInline(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	mail, err := c.Mailbox.Get(r.Context(), by.Site, id(r))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(mux.Vars(r)["n"])
	if err != nil || n >= len(mail.Inline) || mail.Inline[n].Type != "image/png" {
		return enrollment.ErrNotFound
	}
	w.Header().Set("Content-Type", mail.Inline[n].Type)
	_, _ = w.Write(mail.Inline[n].Data)
	return nil
}
