package android

import (
	"errors"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// Start is what an agent needs to enroll: where, and by which token.
type Start struct {
	Server    *url.URL           // the site's public URL, base path included
	Token     credentials.Secret // of the invitation; zero after a one-time login
	Ownership device.Ownership   // as invited or accepted; may be empty
	Mode      device.Mode        // likewise
}

// ErrStart refuses a text that starts no enrollment.
var ErrStart = errors.New("android: neither a deployment URL nor a provisioning code nor a referrer")

// The names of what an agent is told, in the install referrer and, behind the name
// of its package and a dot, in the extras of a provisioning code.
const (
	referrerToken  = "invite"
	referrerServer = "srv"

	extraToken     = "INVITE_TOKEN"
	extraServer    = "SERVER"
	extraOwnership = "OWNERSHIP"
	extraMode      = "MODE"
)

// maxStart is longer than any text that starts an enrollment.
const maxStart = MaxPayload

// referrer is s as install referrer.
func (s Start) referrer() url.Values {
	v := url.Values{referrerServer: {s.Server.String()}}
	if !s.Token.IsZero() {
		v.Set(referrerToken, s.Token.Reveal())
	}
	return v
}

// extras is s as admin extras of the agent pkg.
func (s Start) extras(pkg string) map[string]any {
	out := map[string]any{pkg + "." + extraServer: s.Server.String()}
	for name, value := range map[string]string{
		extraToken: s.Token.Reveal(), extraOwnership: string(s.Ownership), extraMode: string(s.Mode),
	} {
		if value != "" {
			out[pkg+"."+name] = value
		}
	}
	return out
}

// ReadStart reads what an agent was started by, whichever it is: a deployment URL
// that it opened or scanned, a provisioning code, or its install referrer.
func ReadStart(text string) (Start, error) {
	if len(text) > maxStart {
		return Start{}, ErrStart
	}
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "{"):
		return readCode(text)
	case strings.Contains(text, "://"):
		return readDeployment(text)
	}
	v, err := url.ParseQuery(text)
	if err != nil || len(v[referrerServer]) != 1 || len(v[referrerToken]) > 1 {
		return Start{}, ErrStart
	}
	return started(v.Get(referrerServer), v.Get(referrerToken))
}

// readDeployment takes a deployment URL apart.
func readDeployment(text string) (Start, error) {
	server, token, err := credentials.SplitDeploymentURL(text)
	if err != nil {
		return Start{}, ErrStart
	}
	return Start{Server: server, Token: token}, nil
}

// readCode reads the extras of a provisioning code.
func readCode(text string) (Start, error) {
	values, err := readPayload([]byte(text))
	if err != nil {
		return Start{}, ErrStart
	}
	component, _ := values[prefix+"DEVICE_ADMIN_COMPONENT_NAME"].(string)
	extras, _ := values[prefix+"ADMIN_EXTRAS_BUNDLE"].(map[string]any)
	pkg, _, _ := strings.Cut(component, "/")
	said := func(name string) string {
		s, _ := extras[pkg+"."+name].(string)
		return s
	}
	s, err := started(said(extraServer), said(extraToken))
	if err != nil {
		return Start{}, err
	}
	if o := device.Ownership(said(extraOwnership)); o.Valid() {
		s.Ownership = o
	}
	if m := device.Mode(said(extraMode)); m.Platform() == device.Android {
		s.Mode = m
	}
	return s, nil
}

// started checks what the other spellings say.
func started(server, token string) (Start, error) {
	base, err := url.Parse(server)
	if err != nil || credentials.CheckBase(base) != nil || base.String() != server || strings.HasSuffix(server, "/") {
		return Start{}, ErrStart
	}
	s := Start{Server: base}
	if token != "" {
		if s.Token, err = credentials.ParseToken(token); err != nil {
			return Start{}, ErrStart
		}
	}
	return s, nil
}
