package simulate

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// browse is the header of a request that a browser sends from the person's
// network.
func (p *player) browse(agent string) http.Header {
	return http.Header{
		"User-Agent":      {agent},
		"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Language": {"en-GB,en;q=0.9"},
		"Sec-Fetch-Site":  {"none"},
		"X-Forwarded-For": {p.person.Source.String()},
	}
}

// page is a link of the invitation with a token.
func (p *player) page(token, below string) string { return p.root + "/i/" + token + below }

// look gets a page or an image.
func (p *player) look(ctx context.Context, who, method, agent, token, below string, want ...string) (answer, error) {
	return p.do(ctx, call{
		method: method, url: p.page(token, below), route: "/i/{token}" + below,
		header: p.browse(agent), want: want, who: who,
	})
}

// fetch is what a mail scanner does: HEAD, then GET, for every link. It must
// change nothing.
func (p *player) fetch(ctx context.Context, who string, _ Act) error {
	for _, below := range []string{"", "/qr.png", "/qr.svg"} {
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			if _, err := p.look(ctx, who, method, p.person.Scanner.agent, p.token, below, "200"); err != nil {
				return err
			}
		}
	}
	p.tally.count("mails scanned")
	return p.compareInvitation(ctx, who, true)
}

// compareInvitation looks whether the invitation is in the expected state.
func (p *player) compareInvitation(ctx context.Context, who string, fetched bool) error {
	got, err := p.admin.invitation(ctx, who, p.invitation)
	if err != nil {
		return err
	}
	if got.State != p.state {
		p.tally.unexpected(who, "state of the invitation", p.state, got.State)
	}
	if fetched && got.FetchedAt == nil {
		p.tally.unexpected(who, "fetched_at of the invitation", "a time", "null")
	}
	return nil
}

var (
	formTag  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	radioTag = regexp.MustCompile(`<input type="radio" name="([a-z]+)" value="([a-z_]+)"`)
)

// open reads the page of the invitation, and finds its form.
func (p *player) open(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device].device.UserAgent
	if a.With == "desk" {
		agent = p.person.Desk
	}
	got, err := p.look(ctx, who, http.MethodGet, agent, p.token, "", "200")
	if err != nil {
		return err
	}
	p.tally.count("pages opened")
	p.examine(who, got)
	form := formTag.FindSubmatch(got.body)
	if form == nil {
		p.tally.unexpected(who, "GET /i/{token}", "a form", "none")
		return errStopped
	}
	here, err := url.Parse(p.page(p.token, ""))
	if err != nil {
		return errStopped
	}
	target, err := here.Parse(html.UnescapeString(string(form[1])))
	if err != nil || target.String() != p.page(p.token, "/accept") {
		p.tally.unexpected(who, "action of the form at GET /i/{token}", "/i/{token}/accept", "another address")
		return errStopped
	}
	p.accept = target.String()
	choices := map[string]bool{}
	for _, radio := range radioTag.FindAllSubmatch(got.body, -1) {
		choices[string(radio[1])+"="+string(radio[2])] = true
	}
	want := []string{"platform=" + string(p.agents[a.Device].device.Platform)}
	if p.person.Invite.Ownership == "" {
		want = append(want, "ownership=company", "ownership=personal")
	}
	for _, w := range want {
		if !choices[w] {
			p.tally.unexpected(who, "choices at GET /i/{token}", w, "none")
		}
	}
	return nil
}

// examine looks for what no page may do.
func (p *player) examine(who string, a answer) {
	if !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		p.tally.unexpected(who, "Cache-Control of /i/{token}", "no-store", "none")
	}
	if a.header.Get("Referrer-Policy") != "no-referrer" {
		p.tally.unexpected(who, "Referrer-Policy of /i/{token}", "no-referrer", "none")
	}
	digits := strings.ReplaceAll(p.codes.PIN, " ", "")
	if text := string(a.body); digits != "" && (strings.Contains(text, digits) || strings.Contains(text, digits[:4]+" "+digits[4:])) {
		p.tally.unexpected(who, "/i/{token}", "no PIN", "the PIN")
	}
}

// openCut follows a link that lost its end when it was copied.
func (p *player) openCut(ctx context.Context, who string, a Act) error {
	p.tally.count("broken links followed")
	cut := p.token[:len(p.token)-1-p.rng.IntN(20)]
	_, err := p.look(ctx, who, http.MethodGet, p.agents[a.Device].device.UserAgent, cut, "", "404")
	return err
}

// openOver follows the link of an invitation that is over, and does not take no
// for an answer.
func (p *player) openOver(ctx context.Context, who string, a Act) error {
	p.tally.count("links followed too late")
	agent := p.agents[a.Device].device.UserAgent
	for _, below := range []string{"", "/qr.png"} {
		if _, err := p.look(ctx, who, http.MethodGet, agent, p.over, below, "410"); err != nil {
			return err
		}
	}
	_, err := p.submit(ctx, who, a, p.page(p.over, "/accept"), "410")
	return err
}

// submit sends the form.
func (p *player) submit(ctx context.Context, who string, a Act, to string, want ...string) (answer, error) {
	d := p.agents[a.Device].device
	header := p.browse(d.UserAgent)
	header.Set("Origin", originOf(p.root))
	header.Set("Sec-Fetch-Site", "same-origin")
	if p.person.N%4 == 0 { // browsers that know nothing of Sec-Fetch-Site
		header.Del("Sec-Fetch-Site")
		header.Set("Origin", "null")
	}
	form := url.Values{"platform": {string(d.Platform)}}
	if p.person.Invite.Ownership == "" {
		form.Set("ownership", string(d.Ownership))
	}
	return p.do(ctx, call{
		method: http.MethodPost, url: to, route: "/i/{token}/accept", header: header, body: form, want: want, who: who,
	})
}

// acceptInvitation sends the form of the page.
func (p *player) acceptInvitation(ctx context.Context, who string, a Act) error {
	got, err := p.submit(ctx, who, a, p.accept, "200")
	if err != nil {
		return err
	}
	p.tally.count("invitations accepted")
	p.examine(who, got)
	p.state = opened
	return p.compareInvitation(ctx, who, false)
}
