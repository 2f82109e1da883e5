package apple

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// Name is the platform's path segment: what it serves stands below
// BasePath/i/{token}/apple/ and BasePath/platform/apple/.
const Name = "apple"

// ChallengeUse is the use of the grant that is the challenge of a profile.
const ChallengeUse = Name + "/certificate"

// DefaultChallengeLife is how long after its download a profile may be installed.
// A device throws a profile that nobody installs away after eight minutes.
const DefaultChallengeLife = time.Hour

// Config says how profiles are made. Topic and Identifier are required.
type Config struct {
	// Topic is that of the push certificate, "com.apple.mgmt.External...".
	Topic string
	// Identifier names the profile, in reverse DNS, such as "com.example.mdm". It
	// stays the same for ever: a device replaces its profile by it.
	Identifier string
	// Signer signs profiles. Without one, devices show "Unverified".
	Signer Signer
	// Endpoints are where devices of a site find the MDM server and the
	// certificate authority. Defaults to those of [DefaultEndpoints], for an MDM
	// server that is mounted through MDM below.
	Endpoints func(enrollment.Site) Endpoints
	// MDM answers what this package does not, below BasePath/platform/apple: the
	// MDM server and the certificate authority, where they run in this process.
	// Defaults to none.
	MDM http.Handler
	// Adapt changes a profile before it is encoded: rights, texts, ConsentText,
	// ACME in the place of SCEP. Defaults to nothing. The challenge, and the
	// enrollment in the subject and in the addresses, have to stay.
	Adapt func(p *Profile, o Download)
	// ChallengeLife defaults to [DefaultChallengeLife]; at most
	// enrollment.MaxGrantLife.
	ChallengeLife time.Duration
	// Logger hears why a profile could not be made. Defaults to silence.
	Logger *slog.Logger
}

// Endpoints are the addresses that a profile carries.
type Endpoints struct {
	Server  string // of the MDM server, for commands
	CheckIn string // for check-ins; empty: Server
	SCEP    string // of the certificate authority
}

// Download is what a profile is made for.
type Download struct {
	Site       enrollment.Site
	Platform   device.Platform // empty: not known, iPhone, iPad or Mac
	Enrollment string          // the id of the challenge's grant
	Challenge  credentials.Secret
}

// Signer signs a profile as a CMS SignedData that holds it (DER, not detached).
// It must be safe for concurrent use.
type Signer interface {
	Sign(ctx context.Context, profile []byte) ([]byte, error)
}

// Platform is an enrollment.Platform for iPhone, iPad and Mac, and an
// enrollhttp.Mounter. Make it with [New]; it is safe for concurrent use.
type Platform struct{ cfg Config }

var _ enrollment.Platform = (*Platform)(nil)

// New checks the config.
func New(cfg Config) (*Platform, error) {
	if cfg.Endpoints == nil {
		cfg.Endpoints = DefaultEndpoints
	}
	if cfg.ChallengeLife == 0 {
		cfg.ChallengeLife = DefaultChallengeLife
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.ChallengeLife < 0 || cfg.ChallengeLife > enrollment.MaxGrantLife {
		return nil, fmt.Errorf("apple: a challenge lives for up to %s", enrollment.MaxGrantLife)
	}
	p := &Platform{cfg: cfg}
	sample := Download{
		Site:       enrollment.Site{ID: "s", Name: "s", PublicURL: &url.URL{Scheme: "https", Host: "example.com"}},
		Enrollment: "e", Challenge: credentials.SecretString("c"),
	}
	if _, err := p.profile(sample).Encode(); err != nil {
		return nil, err
	}
	return p, nil
}

// DefaultEndpoints are below the place where enrollhttp mounts the platform.
func DefaultEndpoints(site enrollment.Site) Endpoints {
	if site.PublicURL == nil {
		return Endpoints{}
	}
	at := func(what string) string { return site.PublicURL.JoinPath("platform", Name, what).String() }
	return Endpoints{Server: at("mdm"), CheckIn: at("checkin"), SCEP: at("scep")}
}

// Name is [Name].
func (p *Platform) Name() string { return Name }

// Serves is iPhone, iPad and Mac.
func (p *Platform) Serves() []device.Platform { return []device.Platform{device.IOS, device.MacOS} }

// NextStep leads to the profile.
func (p *Platform) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	step := enrollment.NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.InstallProfile, Agent: o.Site.Agents[o.Platform]}
	switch {
	case o.Site.PublicURL == nil:
		return step, errors.New("apple: the site has no public URL")
	case !o.Token.IsZero():
		step.URL = o.Site.PublicURL.JoinPath("i", o.Token.Reveal(), Name, profileFile).String()
	case !o.Grant.IsZero():
		step.URL = o.Site.PublicURL.JoinPath("platform", Name, "login", o.Grant.Reveal(), profileFile).String()
		if o.Platform == device.MacOS {
			step.URL += "?platform=" + string(device.MacOS)
		}
	}
	return step, nil
}

// QR is the deployment URL: a profile cannot be in a code.
func (p *Platform) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

// profile fills the profile of one download.
func (p *Platform) profile(d Download) Profile {
	at := p.cfg.Endpoints(d.Site)
	if at.CheckIn == "" {
		at.CheckIn = at.Server
	}
	name := d.Site.Name
	if name == "" {
		name = d.Site.ID
	}
	profile := Profile{
		Identifier: p.cfg.Identifier, UUID: d.Site.ID + "/" + d.Enrollment,
		DisplayName: name + " device management", Organization: name,
		Description: "Lets " + name + " manage this device.",
		System:      d.Platform == device.MacOS,
		MDM: MDM{
			Topic:     p.cfg.Topic,
			ServerURL: withEnrollment(at.Server, d), CheckInURL: withEnrollment(at.CheckIn, d),
		},
		SCEP: &SCEP{
			URL: at.SCEP, Name: name, Challenge: d.Challenge.Reveal(),
			CommonName: d.Enrollment, Organization: d.Site.ID,
		},
	}
	if p.cfg.Adapt != nil {
		p.cfg.Adapt(&profile, d)
	}
	return profile
}

// The parameters in a profile's addresses, for [SenderOf]. They tell nothing and
// open nothing: what a message may do is decided by its certificate.
const (
	paramSite       = "site"
	paramEnrollment = "enrollment"
)

func withEnrollment(address string, d Download) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set(paramSite, d.Site.ID)
	q.Set(paramEnrollment, d.Enrollment)
	u.RawQuery = q.Encode()
	return u.String()
}
