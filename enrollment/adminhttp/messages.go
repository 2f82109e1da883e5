package adminhttp

import (
	"context"
	"net/http"
	"strings"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// Messages keeps the texts of the mails that a site sends, one for each kind of
// mail and language; what an administrator has not edited has its default. It
// names its kinds and languages itself: 1 to 64 letters, digits, dots, dashes
// and underscores, a letter or digit first. A kind or language that it does not
// have is an error wrapping [enrollment.ErrNotFound], from every method.
//
// It decides who may do what: nothing else asks. Methods with an actor answer an
// error wrapping [enrollment.ErrForbidden] to one who may not change messages,
// and whoever [New]'s actor function lets in may read. They reach the actor's
// site and no other. It must be safe for concurrent use; of two who put the same
// message at once, one wins and no mixture does.
type Messages interface {
	// ListMessages returns every message of a site, in the order in which people
	// see them. Only Kind, Language and Edited have to be filled in.
	ListMessages(ctx context.Context, site string) ([]Message, error)
	// Message returns one message as it is in force: edited, or the default.
	Message(ctx context.Context, site, kind, language string) (Message, error)
	// PutMessage replaces all three texts and returns the message as Message does
	// from now on. Texts that cannot be rendered, or have a variable that is not
	// listed, change nothing: a [*enrollment.ValidationError] of "subject", "text"
	// and "html". Putting the same again is no error.
	PutMessage(ctx context.Context, by enrollment.Actor, kind, language string, m MessageText) (Message, error)
	// ResetMessage goes back to the default. Resetting one that is not edited is
	// no error.
	ResetMessage(ctx context.Context, by enrollment.Actor, kind, language string) error
	// PreviewMessage renders texts that are not kept, with made-up values and no
	// person's, and refuses what PutMessage refuses.
	PreviewMessage(ctx context.Context, by enrollment.Actor, kind, language string, m MessageText) (MessageText, error)
}

// MessageText is a mail as templates, or rendered.
type MessageText struct {
	Subject string // one line
	Text    string
	HTML    string
}

// Message is what a site sends of one kind in one language.
type Message struct {
	MessageText
	Kind     string
	Language string
	Edited   bool // false: it is the default
	// Variables are all that the templates may contain.
	Variables []MessageVariable
}

// MessageVariable is something that a template may contain.
type MessageVariable struct {
	Name string // as in {{.Name}}
	Says string // what it is, in a sentence
}

// messageBody is the greatest size of a message, in bytes: mail programs cut
// off HTML of half that.
const messageBody = 256 << 10

// messageRequest is what PUT and preview take. All three have to be there, since
// what is left out would be deleted.
type messageRequest struct {
	Subject *string `json:"subject"`
	Text    *string `json:"text"`
	HTML    *string `json:"html"`
}

// messageText reads the body of r. What templates may say is up to [Messages];
// no mail and not every database can hold what is refused here.
func messageText(w http.ResponseWriter, r *http.Request) (MessageText, error) {
	var body messageRequest
	if err := httpkit.DecodeJSON(w, r, messageBody, &body); err != nil {
		return MessageText{}, err
	}
	var wrong wrong
	given := func(field string, s *string, fits func(string) bool) string {
		switch {
		case s == nil:
			wrong.add(field, "required")
		case !fits(*s):
			wrong.add(field, "malformed")
		default:
			return *s
		}
		return ""
	}
	noNUL := func(s string) bool { return !strings.Contains(s, "\x00") }
	m := MessageText{
		Subject: given("subject", body.Subject, clean),
		Text:    given("text", body.Text, noNUL),
		HTML:    given("html", body.HTML, noNUL),
	}
	return m, wrong.err()
}

// messagesView is every message of a site, without the texts.
type messagesView struct {
	Messages []messageEntryView `json:"messages"`
}

type messageEntryView struct {
	Kind     string `json:"kind"`
	Language string `json:"language"`
	Edited   bool   `json:"edited"`
}

// messageView is one message.
type messageView struct {
	messageEntryView
	messageTextView
	Variables []messageVariableView `json:"variables"`
}

// messageTextView is a mail as templates, or rendered with made-up values.
type messageTextView struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

type messageVariableView struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

func showMessageEntry(m Message) messageEntryView {
	return messageEntryView{Kind: m.Kind, Language: m.Language, Edited: m.Edited}
}

func showMessageText(m MessageText) messageTextView { return messageTextView(m) }

func showMessage(m Message) messageView {
	return messageView{
		messageEntryView: showMessageEntry(m), messageTextView: showMessageText(m.MessageText),
		Variables: each(m.Variables, func(v MessageVariable) messageVariableView { return messageVariableView(v) }),
	}
}

func (a *api) listMessages(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	list, err := a.messages.ListMessages(r.Context(), by.Site)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, messagesView{each(list, showMessageEntry)})
}

func (a *api) message(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	m, err := a.messages.Message(r.Context(), by.Site, kind(r), language(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showMessage(m))
}

func (a *api) putMessage(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	text, err := messageText(w, r)
	if err != nil {
		return err
	}
	m, err := a.messages.PutMessage(r.Context(), by, kind(r), language(r), text)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showMessage(m))
}

func (a *api) resetMessage(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	if err := a.messages.ResetMessage(r.Context(), by, kind(r), language(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) previewMessage(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	text, err := messageText(w, r)
	if err != nil {
		return err
	}
	rendered, err := a.messages.PreviewMessage(r.Context(), by, kind(r), language(r), text)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showMessageText(rendered))
}
