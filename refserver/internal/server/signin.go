package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/demo"
)

// signIn is how the first administrator gets in.
type signIn struct {
	accounts.Principal
	Token credentials.Secret // zero: known from before
	First bool               // the site was made now, by this node
	Given bool               // by the configuration, so it is not printed

	Passcode credentials.Secret // of the demo's self-service; zero without a demo
}

// firstSite makes the one site of the first start, and sees to it that a token
// from the configuration works.
func (s *server) firstSite(ctx context.Context) (signIn, error) {
	token := accounts.Token{Secret: s.AdminToken, Source: accounts.Configured}
	given := !s.AdminToken.IsZero()
	site, known := s.accounts.First()
	switch {
	case given:
	case s.Demo: // a demo tells its token at every start
		token = accounts.MintToken(accounts.Demo)
	case !known:
		token = accounts.MintToken(accounts.Minted)
	default:
		return signIn{}, nil
	}
	if !known {
		settings := accounts.Settings{Name: "My company"}
		if s.Demo {
			settings.Name = "Demo company"
		}
		_, p, err := s.accounts.CreateFirst(ctx, settings, s.AdminEmail, token)
		if errors.Is(err, enrollment.ErrExists) { // another node that started with this one was quicker
			if err := s.accounts.Reload(ctx); err != nil {
				return signIn{}, err
			}
			return s.firstSite(ctx)
		}
		return signIn{Principal: p, Token: token.Secret, First: err == nil, Given: given}, err
	}
	p, err := s.accounts.SetToken(ctx, site.ID, token)
	return signIn{Principal: p, Token: token.Secret, Given: given}, err
}

// print tells where the console is and how to get in. This is the one place
// where a token is shown, and the log is not told.
func (a signIn) print(w io.Writer, public *url.URL, mailbox bool) {
	text := "\nenrollkit reference server\n\n  console   " + public.JoinPath("/").String() + "\n"
	if a.Email != "" {
		text += "  e-mail    " + a.Email + "\n"
	}
	switch {
	case a.Given:
		text += "  token     the one you gave\n"
	case !a.Token.IsZero():
		text += "  token     " + a.Token.Reveal() + "\n"
	}
	if mailbox {
		text += "  mailbox   " + public.JoinPath("/mailbox").String() + "\n"
	}
	if !a.Passcode.IsZero() {
		text += "\n  self-service   " + public.JoinPath("/enroll").String() + "\n  passcode       " + a.Passcode.Reveal() + "\n  for example    " + demo.Somebody + "\n"
	}
	_, _ = fmt.Fprintln(w, text) // without anybody to read it there is nothing to do
}
