package android

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// TokenUse is the use of the grant that another system's token carries.
const TokenUse = Name + "/token"

// DefaultTokenLife is how long a token of another system is good for.
const DefaultTokenLife = time.Hour

// linkFile is the last segment of the address that leads to another system's
// enrollment.
const linkFile = "enroll"

// Tokens makes enrollment tokens in another system that manages Android devices,
// such as the Android Management API (enterprises.enrollmentTokens.create). It must
// be safe for concurrent use.
type Tokens interface {
	// CreateToken makes one. An error is answered as "try again".
	CreateToken(ctx context.Context, r TokenRequest) (Token, error)
}

// TokenRequest is what a token is made for.
type TokenRequest struct {
	Site enrollment.Site // which enterprise and which policy it is
	Mode device.Mode
	// AdditionalData is to come back with the device, as enrollmentTokenData: at most
	// 1024 characters, and good for one device.
	AdditionalData credentials.Secret
	Life           time.Duration
}

// PersonalUsage is the allowPersonalUsage that goes with the mode.
func (r TokenRequest) PersonalUsage() string {
	switch r.Mode {
	case device.AndroidFullyManaged:
		return "PERSONAL_USAGE_DISALLOWED"
	case device.AndroidDedicated:
		return "PERSONAL_USAGE_DISALLOWED_USERLESS"
	}
	return "PERSONAL_USAGE_ALLOWED"
}

// Token is a token of another system.
type Token struct {
	Value credentials.Secret
	QR    credentials.Secret // what a new device scans, used as it is
}

// ManagedConfig says how devices come to another system. Tokens is required.
type ManagedConfig struct {
	Tokens Tokens
	// Link is where a person's own phone goes on, with the token. Defaults to
	// Google's enrollment link.
	Link func(Token) string
	// Source names the system in Refs and observations. Defaults to "amapi".
	Source device.Source
	// TokenLife is at most enrollment.MaxGrantLife, and at least a minute. Defaults
	// to [DefaultTokenLife].
	TokenLife time.Duration
	// Logger hears why a link could not be followed. Defaults to silence.
	Logger *slog.Logger
}

// Managed is an enrollment.Platform for devices that another system's agent manages,
// and an enrollhttp.Mounter. Make it with [NewManaged] and give it the Service by
// Use; it is safe for concurrent use.
//
// A token is made when somebody follows the link behind the page or looks at the
// code, and admits one device for TokenLife: what it carries is a grant, so that a
// device whose invitation ended meanwhile, and the second that scans one code, is
// refused by [Managed.Notify]. A code in
// a mail is over with its token; the page behind the link always shows a fresh one.
type Managed struct {
	cfg ManagedConfig

	mu    sync.Mutex
	svc   *enrollment.Service
	codes map[string]code // by invitation, generation and mode: a page is loaded more than once
}

// code is a QR code that was made a moment ago.
type code struct {
	qr  credentials.Secret
	end time.Time
}

// maxCodes bounds what is remembered.
const maxCodes = 1000

var _ enrollment.Platform = (*Managed)(nil)

// NewManaged checks the config.
func NewManaged(cfg ManagedConfig) (*Managed, error) {
	if cfg.Tokens == nil {
		return nil, errors.New("android: Tokens is required")
	}
	if cfg.Link == nil {
		cfg.Link = EnrollLink
	}
	if cfg.Source == "" {
		cfg.Source = "amapi"
	}
	if cfg.Source == device.SourceAgent {
		return nil, errors.New("android: the agent is no source of another system")
	}
	if cfg.TokenLife == 0 {
		cfg.TokenLife = DefaultTokenLife
	}
	if cfg.TokenLife < time.Minute || cfg.TokenLife > enrollment.MaxGrantLife {
		return nil, errors.New("android: TokenLife is between a minute and enrollment.MaxGrantLife")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Managed{cfg: cfg, codes: map[string]code{}}, nil
}

// EnrollLink is where a person's own phone takes a token of the Android Management
// API.
func EnrollLink(t Token) string {
	return "https://enterprise.google.com/android/enroll?" + url.Values{"et": {t.Value.Reveal()}}.Encode()
}

// Use gives the platform its Service; enrollhttp.New does so too.
func (m *Managed) Use(svc *enrollment.Service) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.svc = svc
}

func (m *Managed) service() (*enrollment.Service, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.svc == nil {
		return nil, errors.New("android: no Service in use")
	}
	return m.svc, nil
}

// Name is [Name].
func (m *Managed) Name() string { return Name }

// Serves is Android.
func (m *Managed) Serves() []device.Platform { return []device.Platform{device.Android} }

// CheckMode refuses device admin, which such systems do not have, and modes that
// the device's version of Android does not have.
func (m *Managed) CheckMode(mode device.Mode, c enrollment.Claim) error {
	if mode == device.AndroidDeviceAdmin {
		return ErrMode
	}
	_, err := Advise(mode, c.OSVersion, 0)
	return err
}

// NextStep leads a phone in use to the other system's link, and says that a new
// device starts by the code.
func (m *Managed) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	step := enrollment.NextStep{
		Platform: device.Android, Mode: modeOf(o), Action: device.CreateWorkProfile, Agent: o.Site.Agents[device.Android],
	}
	switch {
	case o.Site.PublicURL == nil:
		return step, errors.New("android: the site has no public URL")
	case startsAtSetup(step.Mode):
		step.Action = device.ProvisionDevice
	case !o.Token.IsZero():
		step.URL = o.Site.PublicURL.JoinPath("i", o.Token.Reveal(), Name, linkFile).String()
	case !o.Grant.IsZero():
		step.URL = o.Site.PublicURL.JoinPath("platform", Name, "login", o.Grant.Reveal(), linkFile).String()
	}
	return step, nil
}

// QR is the other system's code for a new device, and the deployment URL for
// everybody else. The same code is given for half its life, until a new PIN ends
// what it carries, or until this process is told that a device came by it: it
// admits one, and the next is refused.
func (m *Managed) QR(ctx context.Context, o enrollment.Offer) (credentials.Secret, error) {
	if !startsAtSetup(modeOf(o)) || o.Token.IsZero() {
		return credentials.Secret{}, nil
	}
	svc, err := m.service()
	if err != nil {
		return credentials.Secret{}, err
	}
	g, _, err := svc.GrantByToken(ctx, o.Token.Reveal())
	if err != nil {
		return credentials.Secret{}, err
	}
	key := strings.Join([]string{g.Site, g.Invitation, strconv.Itoa(g.Generation), string(modeOf(o))}, "\x00")
	m.mu.Lock()
	made, now := m.codes[key], svc.Now()
	m.mu.Unlock()
	if now.Before(made.end) {
		return made.qr, nil
	}
	t, err := m.token(ctx, svc, o, g)
	if err != nil {
		return credentials.Secret{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.codes) >= maxCodes {
		clear(m.codes)
	}
	m.codes[key] = code{t.QR, now.Add(m.cfg.TokenLife / 2)}
	return t.QR, nil
}

// spent forgets the codes of what gave a grant: whoever looks next gets one that
// still admits a device.
func (m *Managed) spent(g enrollment.Grant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.codes, func(key string, _ code) bool {
		return strings.HasPrefix(key, strings.Join([]string{g.Site, g.Invitation, ""}, "\x00"))
	})
}

const (
	// tokenGrantLife is how long what a token carries is good for. It is the longest
	// there is: the other system sees to the token's own end, and the message that a
	// device enrolled may be late.
	tokenGrantLife = enrollment.MaxGrantLife
	// dataSeparator stands between mode and grant in what a token carries: the other
	// system does not say which of the modes of a company's device it is.
	dataSeparator = ":"
)

// token makes a token that carries a grant of its own.
func (m *Managed) token(ctx context.Context, svc *enrollment.Service, o enrollment.Offer, g enrollment.Grant) (Token, error) {
	_, text, err := svc.NewGrant(TokenUse, g, tokenGrantLife)
	if err != nil {
		return Token{}, err
	}
	data := credentials.SecretString(string(modeOf(o)) + dataSeparator + text.Reveal())
	return m.cfg.Tokens.CreateToken(ctx, TokenRequest{
		Site: o.Site, Mode: modeOf(o), AdditionalData: data, Life: m.cfg.TokenLife,
	})
}

// Handler leads to the other system, and looks again at what leads there:
// /i/{token}/android/enroll, once the invitation is accepted, and
// /platform/android/login/{grant}/enroll. Each GET makes a token, and the first
// leaves the observation that somebody went there.
func (m *Managed) Handler(svc *enrollment.Service) http.Handler {
	m.Use(svc)
	return redirects{log: m.cfg.Logger, svc: svc, file: linkFile, lead: func(ctx context.Context, o enrollment.Offer, g enrollment.Grant) (string, error) {
		t, err := m.token(ctx, svc, o, g)
		if err != nil {
			return "", err
		}
		return m.cfg.Link(t), nil
	}}
}
