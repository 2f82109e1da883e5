package android

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// linkFile is the last segment of the address that leads to another system's
// enrollment. The query has the token and a grant that vouches for it, so that no
// node has to remember what another one made, and nobody else's token is led to.
const (
	linkFile   = "enroll"
	queryToken = "t"
	queryGrant = "g"
)

// maxTokenValue is the longest value of a token that is led on with.
const maxTokenValue = 1024

// onwardUse is the use of the grant that vouches for a token.
func onwardUse(value string) string {
	sum := sha256.Sum256([]byte(value))
	return Name + "/" + linkFile + "/" + hex.EncodeToString(sum[:])
}

// onward is our address that leads on with a token, for what is left of its life.
func (m *Managed) onward(svc *enrollment.Service, o enrollment.Offer, g enrollment.Grant, t Token, left time.Duration) (string, error) {
	_, text, err := svc.NewGrant(onwardUse(t.Value.Reveal()), g, left)
	if err != nil {
		return "", err
	}
	path := []string{"i", o.Token.Reveal(), Name, linkFile}
	if o.Token.IsZero() {
		path = []string{"platform", Name, "login", o.Grant.Reveal(), linkFile}
	}
	to := o.Site.PublicURL.JoinPath(path...)
	to.RawQuery = url.Values{queryToken: {t.Value.Reveal()}, queryGrant: {text.Reveal()}}.Encode()
	return to.String(), nil
}

// Handler leads to the other system, and looks again at what leads there:
// /i/{token}/android/enroll, once the invitation is accepted, and
// /platform/android/login/{grant}/enroll, each with the query that NextStep gave
// it. What a GET leaves is the observation that somebody went there; without a
// token of ours that is still good, who was invited is sent back to accept again.
func (m *Managed) Handler(svc *enrollment.Service) http.Handler {
	m.Use(svc)
	return redirects{log: m.cfg.Logger, svc: svc, file: linkFile, lead: func(ctx context.Context, _ enrollment.Offer, g enrollment.Grant, q url.Values) (string, error) {
		value := q.Get(queryToken)
		if len(value) > maxTokenValue {
			return "", enrollment.ErrGrantRefused
		}
		v, _, err := svc.OpenGrant(ctx, onwardUse(value), credentials.SecretString(q.Get(queryGrant)))
		if err != nil {
			return "", err
		}
		if owner(v) != owner(g) {
			return "", enrollment.ErrGrantRefused
		}
		return m.cfg.Link(Token{Value: credentials.SecretString(value)}), nil
	}}
}
