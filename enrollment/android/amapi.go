package android

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
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

// Tokens makes enrollment tokens in another system that manages Android devices,
// such as the Android Management API (enterprises.enrollmentTokens.create). It must
// be safe for concurrent use.
type Tokens interface {
	// CreateToken makes one, and ends with its context, which it is given 20 seconds
	// by. An error is answered as "try again".
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
// A token is made when somebody accepts, and never by looking: it is in the answer
// alone, as the code that a new device scans or in the link that a phone in use
// goes on by. It admits one device for TokenLife: what it carries is a grant, so
// that a device whose invitation ended meanwhile, and the second that comes by one
// token, is refused by [Managed.Notify]. Who accepts again within a minute gets the
// same token from the same process, unless a device is known to have come by it.
// After that it is another one. A code in a mail, and of one who has not accepted,
// is the deployment URL.
type Managed struct {
	cfg  ManagedConfig
	live liveTokens

	mu  sync.Mutex
	svc *enrollment.Service
}

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
	return &Managed{cfg: cfg}, nil
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

// NextStep makes a token, and leads a phone in use on with it, or says that a new
// device starts by its code. For device admin it answers [ErrMode].
func (m *Managed) NextStep(ctx context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	step := enrollment.NextStep{
		Platform: device.Android, Mode: modeOf(o), Action: device.CreateWorkProfile, Agent: o.Site.Agents[device.Android],
	}
	if step.Mode == device.AndroidDeviceAdmin {
		return step, ErrMode // rather than another than was asked for
	}
	if o.Site.PublicURL == nil {
		return step, errors.New("android: the site has no public URL")
	}
	svc, err := m.service()
	if err != nil {
		return step, err
	}
	g, err := offered(ctx, svc, o)
	if err != nil {
		return step, err
	}
	t, err := m.live.get(ctx, g, step.Mode, svc.Now(), svc.GrantUsed, func(ctx context.Context) (madeToken, error) {
		return m.token(ctx, svc, o, g)
	})
	if err != nil {
		return step, err
	}
	if startsAtSetup(step.Mode) {
		step.Action, step.Scan = device.ProvisionDevice, t.QR
		return step, nil
	}
	step.URL, err = m.onward(svc, o, g, t.Token, t.end.Sub(svc.Now()))
	return step, err
}

// offered is the grant behind an offer.
func offered(ctx context.Context, svc *enrollment.Service, o enrollment.Offer) (g enrollment.Grant, err error) {
	if o.Token.IsZero() {
		g, _, err = svc.OpenGrant(ctx, enrollment.LoginGrantUse(Name), o.Grant)
	} else {
		g, _, err = svc.GrantByToken(ctx, o.Token.Reveal())
	}
	return g, err
}

// QR is the deployment URL: a token is made for who accepts.
func (m *Managed) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
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

// token makes a token that carries a grant of its own. One that a new device cannot
// scan, though it has to, is none.
func (m *Managed) token(ctx context.Context, svc *enrollment.Service, o enrollment.Offer, g enrollment.Grant) (madeToken, error) {
	mode, end := modeOf(o), svc.Now().Add(m.cfg.TokenLife)
	g, text, err := svc.NewGrant(TokenUse, g, tokenGrantLife)
	if err != nil {
		return madeToken{}, err
	}
	t, err := m.cfg.Tokens.CreateToken(ctx, TokenRequest{
		Site: o.Site, Mode: mode, Life: m.cfg.TokenLife,
		AdditionalData: credentials.SecretString(string(mode) + dataSeparator + text.Reveal()),
	})
	if err == nil && startsAtSetup(mode) && t.QR.IsZero() {
		err = errors.New("android: the other system's token has no code")
	}
	return madeToken{t, g, end}, err
}
