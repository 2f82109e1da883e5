package enrollment

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
)

// Sites tells what the embedder knows of a tenant. It is asked outside of
// units of work, so it may use the database; it must be safe for concurrent
// use and should answer from memory.
type Sites interface {
	// Site returns one site, or an error wrapping ErrNotFound.
	Site(ctx context.Context, id string) (Site, error)
	// Host returns what stands for a host on which several sites may answer
	// (host may be empty): its policy paces all tries with an address and all
	// sources there. It cannot be the policy of the site that is tried, or the
	// pace would tell which addresses that site has invited.
	Host(ctx context.Context, host string) (Site, error)
	// All yields the ids of all sites, for the sweeper.
	All(ctx context.Context) iter.Seq2[string, error]
}

// Site is one tenant.
type Site struct {
	ID        string
	Name      string   // the brand that people see
	PublicURL *url.URL // where enrollhttp answers, base path included; https, or http on loopback
	Languages []string // of mail and pages, the first is the default; empty: English
	SoleHost  bool     // no other site answers on PublicURL's host
	Support   string   // whom people ask for help: an address or a telephone number, shown as it is

	// Agents are the programs that people install, by platform.
	Agents map[device.Platform]Agent

	Policy Policy
}

// page returns the address of one of enrollhttp's pages.
func (s Site) page(elements ...string) string {
	if s.PublicURL == nil {
		return ""
	}
	return s.PublicURL.JoinPath(elements...).String()
}

// Agent identifies the program of one platform.
type Agent struct {
	Name     string // as the store shows it
	Package  string // Android package or Apple bundle id
	StoreURL string // where to install it; for Android, empty means Google Play by Package
	OpenURL  string // opens the installed agent; empty: unknown

	// For Android devices that the agent takes over on their first screen, see
	// package android. Empty: they cannot be.
	Component   string // its device admin receiver, "com.example.agent/.AdminReceiver"
	DownloadURL string // where a new device gets it, https
	Certificate string // SHA-256 of the certificate that signs it, as hex digits or URL-safe base64
	Identifier  string // what is typed in the place of a Google account, "afw#example"
}

// InstallURL returns where to install the agent on p: StoreURL, or for Android
// Google Play by Package; empty if neither is known.
func (a Agent) InstallURL(p device.Platform) string {
	if a.StoreURL != "" || p != device.Android || a.Package == "" {
		return a.StoreURL
	}
	return "https://play.google.com/store/apps/details?" + url.Values{"id": {a.Package}}.Encode()
}

// Policy is what a site may set. Zero fields mean the default.
type Policy struct {
	Credentials credentials.Policy
	// Requirements override what a mode needs to be active.
	Requirements device.Requirements
	// UnresponsiveAfter is how long a device may be silent. Defaults to 24 h.
	UnresponsiveAfter time.Duration
	// LeaveTimeout is how long a device that was told to go may take before it
	// counts as gone. Defaults to 7 days.
	LeaveTimeout time.Duration
	// RenewEvery is the shortest time between two automatic renewals of a
	// device; it doubles with each. Zero: no automatic renewals.
	RenewEvery time.Duration
	// KeepDeviceAdmin does not offer a work profile to Android devices that are
	// managed by device administrator rights, and keeps their mode. Defaults to
	// offering it.
	KeepDeviceAdmin bool
	// MaxDevices is how many live devices the site may have: all but those that
	// left or were deleted. Who would be one more is refused, see [ErrSiteFull];
	// what is there stays and enrolls again as before. [Service.Adopt] does not ask,
	// but what it took in counts. Zero: any number.
	MaxDevices int
	// Retention is for how long the site keeps what nothing depends on any more.
	Retention Retention
}

// The defaults of Policy.
const (
	DefaultUnresponsiveAfter = 24 * time.Hour
	DefaultLeaveTimeout      = 7 * 24 * time.Hour
)

// Validate says what in p is out of bounds. Every verb refuses a site whose
// policy is.
func (p Policy) Validate() error {
	errs := append(p.Retention.validate(), p.Credentials.Validate(), p.Requirements.Validate())
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"UnresponsiveAfter", p.UnresponsiveAfter}, {"LeaveTimeout", p.LeaveTimeout}, {"RenewEvery", p.RenewEvery}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("enrollment: policy: %s is negative", d.name))
		}
	}
	if p.MaxDevices < 0 {
		errs = append(errs, errors.New("enrollment: policy: MaxDevices is negative"))
	}
	return errors.Join(errs...)
}

// WithDefaults returns p with its zero fields filled in.
func (p Policy) WithDefaults() Policy {
	p.Credentials = p.Credentials.WithDefaults()
	p.Retention = p.Retention.withDefaults()
	if p.UnresponsiveAfter <= 0 {
		p.UnresponsiveAfter = DefaultUnresponsiveAfter
	}
	if p.LeaveTimeout <= 0 {
		p.LeaveTimeout = DefaultLeaveTimeout
	}
	return p
}

// User is a person of a site.
type User struct {
	Site     string
	ID       string // the embedder's, or "usr_..." for a person outside the directory
	Name     string
	Email    string // as given
	EmailKey string // canonical; filled in by the Service
	Language string // empty: the site's first
	Outside  bool   // not in the directory
}

// Directory is the embedder's users. It is asked outside of units of work.
type Directory interface {
	// Lookup returns one user, or an error wrapping ErrNotFound.
	Lookup(ctx context.Context, site, id string) (User, error)
	// ByEmail returns the users of every site with this canonical address.
	ByEmail(ctx context.Context, email string) ([]User, error)
}

// Administrators tells who is alerted.
type Administrators interface {
	Administrators(ctx context.Context, site string) ([]Administrator, error)
}

// Administrator is one person who is alerted.
type Administrator struct {
	ID       string
	Name     string
	Email    string
	Language string
}
