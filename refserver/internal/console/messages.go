package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment/adminhttp"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/messages"
)

// messagesData is the list of what a site sends.
type messagesData struct {
	Kinds     []string
	Languages []string
	Edited    map[string]map[string]bool // by kind and language
}

func (c *Console) messages(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	all, err := c.Messages.ListMessages(r.Context(), by.Site)
	if err != nil {
		return err
	}
	data := messagesData{Edited: map[string]map[string]bool{}}
	for _, m := range all {
		if data.Edited[m.Kind] == nil {
			data.Edited[m.Kind] = map[string]bool{}
			data.Kinds = append(data.Kinds, m.Kind)
		}
		data.Edited[m.Kind][m.Language] = m.Edited
		if !slices.Contains(data.Languages, m.Language) {
			data.Languages = append(data.Languages, m.Language)
		}
	}
	c.render(w, r, by, http.StatusOK, "messages", "Messages", data)
	return nil
}

// messageData is the editor of one message.
type messageData struct {
	adminhttp.Message
	Typed adminhttp.MessageText
	Wrong map[string]string
}

func kindAndLanguage(r *http.Request) (kind, language string) {
	return mux.Vars(r)["kind"], mux.Vars(r)["language"]
}

func (c *Console) messagePage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	kind, language := kindAndLanguage(r)
	m, err := c.Messages.Message(r.Context(), by.Site, kind, language)
	if err != nil {
		return err
	}
	return c.showMessage(w, r, by, http.StatusOK, messageData{Message: m, Typed: m.MessageText})
}

func (c *Console) showMessage(w http.ResponseWriter, r *http.Request, by accounts.Principal, status int, data messageData) error {
	c.render(w, r, by, status, "message", word(mailKinds, data.Kind)+" ("+data.Language+")", data)
	return nil
}

// typedMessage is what stands in the form. Browsers end lines with CR LF.
func typedMessage(r *http.Request) adminhttp.MessageText {
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	return adminhttp.MessageText{
		Subject: strings.TrimSpace(r.PostFormValue("subject")),
		Text:    lines.Replace(r.PostFormValue("text")), HTML: lines.Replace(r.PostFormValue("html")),
	}
}

func (c *Console) saveMessage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	kind, language := kindAndLanguage(r)
	typed := typedMessage(r)
	_, err := c.Messages.PutMessage(r.Context(), by.Actor(), kind, language, typed)
	if wrong := messageFaults(err); len(wrong) > 0 {
		return c.showWrongMessage(w, r, by, typed, wrong)
	}
	if err != nil {
		return err
	}
	return c.done(w, r, "/messages/"+kind+"/"+language, "message_saved")
}

// showWrongMessage shows the form again, with what was typed and what is wrong.
func (c *Console) showWrongMessage(w http.ResponseWriter, r *http.Request, by accounts.Principal, typed adminhttp.MessageText, wrong map[string]string) error {
	kind, language := kindAndLanguage(r)
	m, err := c.Messages.Message(r.Context(), by.Site, kind, language)
	if err != nil {
		return err
	}
	return c.showMessage(w, r, by, http.StatusUnprocessableEntity, messageData{Message: m, Typed: typed, Wrong: wrong})
}

// messageFaults says what is wrong with each field, with the line where it is
// known.
func messageFaults(err error) map[string]string {
	wrong := fieldErrors(err)
	if field, sentence := messages.Fault(err); field != "" {
		wrong[field] = sentence
	}
	return wrong
}

func (c *Console) resetMessage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	kind, language := kindAndLanguage(r)
	if err := c.Messages.ResetMessage(r.Context(), by.Actor(), kind, language); err != nil {
		return err
	}
	return c.done(w, r, "/messages/"+kind+"/"+language, "message_reset")
}

// messageHTML is the message in force for the frame, with made-up values.
func (c *Console) messageHTML(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	kind, language := kindAndLanguage(r)
	m, err := c.Messages.Message(r.Context(), by.Site, kind, language)
	if err != nil {
		return err
	}
	preview, err := c.Messages.PreviewMessage(r.Context(), by.Actor(), kind, language, m.MessageText)
	if err != nil {
		return err
	}
	showInFrame(w, previewPage(preview))
	return nil
}

// previewMessage shows what is typed as it would be sent, in the frame beside
// the form, or as a page of its own where there is no frame.
func (c *Console) previewMessage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	kind, language := kindAndLanguage(r)
	preview, err := c.Messages.PreviewMessage(r.Context(), by.Actor(), kind, language, typedMessage(r))
	if wrong := messageFaults(err); len(wrong) > 0 {
		showFaultsInFrame(w, wrong)
		return nil
	}
	if err != nil {
		return err
	}
	showInFrame(w, previewPage(preview))
	return nil
}
