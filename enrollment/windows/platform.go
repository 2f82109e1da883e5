package windows

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// Name is the platform's path segment: what it serves stands below
// BasePath/platform/windows/. It is the source of what it observes, too.
const Name = "windows"

// DefaultPollEvery is a third of the time after which a device counts as silent.
const DefaultPollEvery = 8 * time.Hour

// Config says how devices enroll. Authority, Sites and ProviderID are required.
type Config struct {
	Authority Authority
	// Sites are those given to the Service: whose host a device comes to, and where
	// the site of a login answers.
	Sites enrollment.Sites
	// ProviderID names the MDM server on a device: letters, digits, dots and dashes,
	// at most 64. It stays the same for ever: a device finds its server by it.
	ProviderID string
	// Name is the server's name as the device shows it. Defaults to the site's.
	Name string
	// Endpoints are where devices of a site find the server. Policy and Enrollment
	// have to be on one host. Defaults to [DefaultEndpoints]. On a host that several
	// sites share, discovery asks with a Site that has no ID, and the PublicURL that
	// Sites.Host answers, or else the root of the host that the device came to.
	Endpoints func(enrollment.Site) Endpoints
	// ClientCertificate returns the certificate whose key the client of a management
	// session has proved, or nil. Defaults to the first one of r.TLS, with a server
	// that asks for certificates itself. Behind a proxy that does, read the header
	// that the proxy alone can set.
	ClientCertificate func(r *http.Request) (*x509.Certificate, error)
	// PollEvery is how often a device comes by itself, beside each sign-in of its user
	// and more often in its first hours. It has to be less than a site's
	// UnresponsiveAfter, or devices that nobody signs in to count as silent. Whole
	// minutes, from 30 minutes to 7 days; defaults to [DefaultPollEvery].
	PollEvery time.Duration
	// Host, if set, restricts logins to the sites whose PublicURL has it, as "host"
	// or "host:port". Defaults to all sites. It has to be enrollhttp.Options.Host of
	// the same host: paces are kept by it, and two spellings give a guesser two paces
	// for one login.
	Host string
	// TrustedProxies are the peers whose X-Forwarded-For is believed. Defaults to
	// none: the peer is the client.
	TrustedProxies []netip.Prefix
	// Logger hears of refusals, and of what could not be done. Defaults to silence.
	Logger *slog.Logger
}

// Endpoints are the addresses that a device is told.
type Endpoints struct {
	Server     string // what a person types, and what is in the deep link
	Policy     string
	Enrollment string
	Management string // asks for the device's certificate
}

// Platform is an enrollment.Platform for Windows 10 and 11, and an
// enrollhttp.Mounter. Make it with [New]; it is safe for concurrent use.
type Platform struct{ cfg Config }

var _ enrollment.Platform = (*Platform)(nil)

// A provider's name is a segment of addresses in the device's settings.
var providerID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$`)

// New checks the config.
func New(cfg Config) (*Platform, error) {
	switch {
	case cfg.Authority == nil:
		return nil, errors.New("windows: no certificate authority in the config")
	case cfg.Sites == nil:
		return nil, errors.New("windows: no sites in the config")
	case !providerID.MatchString(cfg.ProviderID):
		return nil, errors.New("windows: ProviderID is not a name of letters, digits, dots and dashes")
	}
	if cfg.PollEvery == 0 {
		cfg.PollEvery = DefaultPollEvery
	}
	if cfg.PollEvery < 30*time.Minute || cfg.PollEvery > 7*24*time.Hour || cfg.PollEvery%time.Minute != 0 {
		return nil, errors.New("windows: PollEvery is not whole minutes between half an hour and a week")
	}
	if cfg.Endpoints == nil {
		cfg.Endpoints = DefaultEndpoints
	}
	if cfg.ClientCertificate == nil {
		cfg.ClientCertificate = certificateOfTLS
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Platform{cfg}, nil
}

// DefaultEndpoints are below the place where enrollhttp mounts the platform.
func DefaultEndpoints(site enrollment.Site) Endpoints {
	if site.PublicURL == nil {
		return Endpoints{}
	}
	at := func(what string) string { return site.PublicURL.JoinPath("platform", Name, what).String() }
	return Endpoints{
		Server: (&url.URL{Scheme: site.PublicURL.Scheme, Host: site.PublicURL.Host}).String(),
		Policy: at("policy"), Enrollment: at("enrollment"), Management: at("manage"),
	}
}

func certificateOfTLS(r *http.Request) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	return r.TLS.PeerCertificates[0], nil
}

// Name is [Name].
func (p *Platform) Name() string { return Name }

// Serves is Windows.
func (p *Platform) Serves() []device.Platform { return []device.Platform{device.Windows} }

// NextStep leads to the sign-in of Windows' own settings, by a deep link that has
// the user name; what a person types otherwise is filled in by the Service.
func (p *Platform) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	step := enrollment.NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.SignIn, Agent: o.Site.Agents[o.Platform]}
	server := p.cfg.Endpoints(o.Site).Server
	if server == "" {
		return step, errors.New("windows: the site has no public URL")
	}
	username := o.Invitation.Email
	if o.Username != "" {
		username = o.Username
		// Windows takes nothing for a user name that has not the form of an address.
		if at, err := url.Parse(server); err == nil && at.Hostname() != "" {
			username += "@" + at.Hostname()
		}
	}
	step.URL = DeepLink{Username: username, Server: server, Ownership: o.Ownership}.String()
	return step, nil
}

// QR is the deployment URL: a computer scans nothing.
func (p *Platform) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}
