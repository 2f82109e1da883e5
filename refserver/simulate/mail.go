package simulate

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// mailWithin is how long the built-in mailbox may take for one more mail.
	mailWithin  = 20 * time.Second
	betweenMail = 500 * time.Millisecond
	// maxMailed is for how many people mails are looked for: the mailbox keeps a
	// thousand.
	maxMailed = 500
)

// mail is one mail of the built-in mailbox.
type mail struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	To     string `json:"to"`
	Text   string `json:"text"`
	HTML   string `json:"html"`
	Inline []struct {
		Type string `json:"type"`
		Data []byte `json:"data"`
	} `json:"inline"`
}

// readMail waits for everybody's invitation and compares it with what an
// administrator is shown. A server with another mail system has no mailbox.
func (s *simulation) readMail(ctx context.Context, who string) error {
	waiting := map[string]*player{}
	for _, p := range s.players {
		if p.state == sent && len(waiting) < maxMailed {
			waiting[p.person.Email] = p
		}
	}
	for deadline := time.Now().Add(mailWithin); len(waiting) > 0; {
		list, ok, err := s.mails(ctx, who)
		if err != nil || !ok {
			return err
		}
		for _, m := range list {
			p := waiting[m.To]
			if p == nil || m.Kind != "mail.invitation" {
				continue
			}
			delete(waiting, m.To)
			deadline = time.Now().Add(mailWithin)
			if err := p.readMail(ctx, who, m.ID); err != nil {
				return err
			}
		}
		if len(waiting) > 0 && time.Now().After(deadline) {
			s.tally.unexpected(who, "invitations in GET /mailbox", "all", "some")
			return nil
		}
		if err := sleep(ctx, betweenMail); err != nil {
			return err
		}
	}
	return nil
}

// mails lists the mailbox, the newest first, or says that there is none.
func (s *simulation) mails(ctx context.Context, who string) (list []mail, ok bool, err error) {
	path := "/mailbox"
	for {
		var page struct {
			Mails []mail `json:"mails"`
			Next  int64  `json:"next"`
		}
		got, err := s.mailbox(ctx, who, "/mailbox", path, &page)
		if err != nil || got.is(http.StatusNotFound) {
			return nil, false, err
		}
		list = append(list, page.Mails...)
		if page.Next == 0 || len(page.Mails) == 0 || len(list) >= 2*maxMailed {
			return list, true, nil
		}
		path = "/mailbox?" + url.Values{"before": {strconv.FormatInt(page.Next, 10)}}.Encode()
	}
}

func (s *simulation) mailbox(ctx context.Context, who, route, path string, into any) (answer, error) {
	c := call{
		method: http.MethodGet, url: s.o.BaseURL + path, route: route, want: []string{"200", "404"}, who: who,
		header: http.Header{"Authorization": {"Bearer " + s.o.AdminToken}, "Accept": {"application/json"}},
	}
	got, err := s.do(ctx, c)
	if err != nil || !got.is(http.StatusOK) {
		return got, err
	}
	if err := got.decode(into); err != nil {
		return got, s.unforeseen(c, "a body of another shape")
	}
	return got, nil
}

var links = regexp.MustCompile(`https?://[A-Za-z0-9./:_~-]+`)

// readMail compares one mail with the credentials.
func (p *player) readMail(ctx context.Context, who, id string) error {
	var m mail
	got, err := p.mailbox(ctx, who, "/mailbox/{id}", "/mailbox/"+url.PathEscape(id), &m)
	if err != nil {
		return err
	}
	if !got.is(http.StatusOK) {
		p.tally.unexpected(who, "GET /mailbox/{id}", "200", got.said())
		return nil
	}
	p.tally.count("mails read")
	for part, text := range map[string]string{"text": m.Text, "html": m.HTML} {
		has := false
		for _, link := range links.FindAllString(text, -1) {
			has = has || link == p.codes.URL
		}
		if !has {
			p.tally.unexpected(who, "link in the "+part+" of a mail", "the deployment URL", "none")
		}
	}
	digits := strings.ReplaceAll(p.codes.PIN, " ", "")
	spaces := strings.NewReplacer(" ", "", "\u00a0", "", "&nbsp;", "")
	if !strings.Contains(spaces.Replace(m.Text), digits) {
		p.tally.unexpected(who, "PIN in the text of a mail", "the PIN", "none")
	}
	for _, image := range m.Inline {
		if image.Type != "image/png" {
			continue
		}
		if text, err := ReadQR(image.Data); err != nil || text != p.codes.QR {
			p.tally.unexpected(who, "QR code in a mail", "what the credentials say", "something else")
		}
	}
	return nil
}
