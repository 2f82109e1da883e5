package android

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// Name is the platform's path segment.
const Name = "android"

// storeFile is the last segment of the address that leads to the store.
const storeFile = "store"

// Config says how devices get to the agent. Its zero value works.
type Config struct {
	// Adapt changes what a new device is told, before it is encoded: a network, a
	// language, more extras. Defaults to nothing. Component and the extras that are
	// there have to stay.
	Adapt func(p *Provisioning, o enrollment.Offer)
	// DeviceAdminUntil is the last version of Android on which a device may enroll
	// as device admin. Defaults to [DefaultDeviceAdminUntil].
	DeviceAdminUntil int
	// Logger hears why a link could not be followed. Defaults to silence.
	Logger *slog.Logger
}

// Platform is an enrollment.Platform for an agent of one's own, and an
// enrollhttp.Mounter. Make it with [New]; it is safe for concurrent use.
//
// What it knows of the agent is in Site.Agents: Package for the store, OpenURL for
// a scheme of the agent's own, Component, DownloadURL and Certificate for the code
// of a new device, Identifier for what is typed in place of a Google account.
type Platform struct{ cfg Config }

var _ enrollment.Platform = (*Platform)(nil)

// New returns the platform.
func New(cfg Config) (*Platform, error) {
	if cfg.DeviceAdminUntil < 0 {
		return nil, errors.New("android: DeviceAdminUntil is negative")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Platform{cfg}, nil
}

// Name is [Name].
func (p *Platform) Name() string { return Name }

// Serves is Android.
func (p *Platform) Serves() []device.Platform { return []device.Platform{device.Android} }

// CheckMode refuses a mode that the device's version of Android does not have.
func (p *Platform) CheckMode(m device.Mode, c enrollment.Claim) error {
	_, err := Advise(m, c.OSVersion, p.cfg.DeviceAdminUntil)
	return err
}

// NextStep leads a phone in use to the store, and says how a new device starts.
func (p *Platform) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	agent := o.Site.Agents[device.Android]
	step := enrollment.NextStep{Platform: device.Android, Mode: modeOf(o), Action: device.InstallAgent, Agent: agent}
	if o.Site.PublicURL == nil {
		return step, errors.New("android: the site has no public URL")
	}
	if startsAtSetup(step.Mode) {
		step.Action = device.ProvisionDevice
		if _, err := p.provisioning(o).Encode(); err != nil {
			step.Typed = agent.Identifier // there is no code to scan
		}
		return step, nil
	}
	switch {
	case agent.InstallURL(device.Android) == "":
	case !o.Token.IsZero():
		step.URL = o.Site.PublicURL.JoinPath("i", o.Token.Reveal(), Name, storeFile).String()
	case !o.Grant.IsZero():
		step.URL = o.Site.PublicURL.JoinPath("platform", Name, "login", o.Grant.Reveal(), storeFile).String()
	}
	step.OpenURL = openLink(o, agent, step.URL)
	return step, nil
}

// QR is the provisioning code where a new device has to scan one, if the site has
// what it takes, and the deployment URL for everybody else.
func (p *Platform) QR(_ context.Context, o enrollment.Offer) (credentials.Secret, error) {
	if !startsAtSetup(modeOf(o)) || o.Site.PublicURL == nil {
		return credentials.Secret{}, nil
	}
	told := p.provisioning(o)
	if told.Component == "" {
		return credentials.Secret{}, nil // the agent that is installed otherwise scans the URL
	}
	return told.Encode()
}

// provisioning is what a new device is told.
func (p *Platform) provisioning(o enrollment.Offer) Provisioning {
	agent := o.Site.Agents[device.Android]
	out := Provisioning{
		Component: agent.Component, Download: agent.DownloadURL,
		Organization: o.Site.Name,
	}
	// What is wrong is missing then, and said by Encode.
	out.Certificate, _ = ParseChecksum(agent.Certificate)
	out.Extras = p.start(o).extras(out.Package())
	if p.cfg.Adapt != nil {
		p.cfg.Adapt(&out, o)
	}
	return out
}

func (p *Platform) start(o enrollment.Offer) Start {
	return Start{Server: o.Site.PublicURL, Token: o.Token, Ownership: o.Ownership, Mode: modeOf(o)}
}

// modeOf is the mode of an offer, or the platform's default.
func modeOf(o enrollment.Offer) device.Mode {
	if o.Mode.Platform() == device.Android {
		return o.Mode
	}
	return device.DefaultMode(device.Android)
}

// openLink opens the installed agent with the invitation in its hand; zero where
// nobody knows how. Without a scheme of its own the agent is asked to open the
// page's own address, as an app link.
func openLink(o enrollment.Offer, agent enrollment.Agent, fallback string) credentials.Secret {
	if !isSecureLink(fallback) {
		fallback = ""
	}
	target := o.URL.Reveal()
	if target == "" { // after a one-time login
		target = o.Site.PublicURL.JoinPath("enroll", "login").String()
	}
	address := target
	if agent.OpenURL != "" {
		u, err := url.Parse(agent.OpenURL)
		if err != nil {
			return credentials.Secret{}
		}
		q := u.Query()
		q.Set("url", target)
		u.RawQuery = q.Encode()
		address = u.String()
	}
	link, err := IntentLink(agent.Package, address, fallback)
	switch {
	case err == nil:
		return credentials.SecretString(link)
	case agent.OpenURL != "":
		return credentials.SecretString(address)
	}
	return credentials.Secret{}
}

// Handler leads to the store, and looks again at what leads there. It is what
// makes the Platform an enrollhttp.Mounter:
//
//   - /i/{token}/android/store, once the invitation is accepted;
//   - /platform/android/login/{grant}/store, from the page after a one-time login.
//
// What a GET of the first leaves is the observation that somebody went there; HEAD
// leaves nothing.
func (p *Platform) Handler(svc *enrollment.Service) http.Handler {
	return redirects{log: p.cfg.Logger, svc: svc, file: storeFile, lead: p.lead}
}

// lead is the address in the store.
func (p *Platform) lead(_ context.Context, o enrollment.Offer, _ enrollment.Grant, _ url.Values) (string, error) {
	agent := o.Site.Agents[device.Android]
	link := agent.InstallURL(device.Android)
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return "", enrollment.ErrNotFound
	}
	if u.Host == playHost && strings.HasPrefix(u.Path, "/store/apps/details") && IsPackage(u.Query().Get("id")) {
		return PlayLink(u.Query().Get("id"), p.start(o).referrer())
	}
	return link, nil
}
