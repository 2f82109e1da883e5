package windows

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"example.com/enrollkit/enrollment"
)

// DiscoveryPath is where Windows looks for a server: on the host that a person
// types, or on "enterpriseenrollment." before the domain of an address.
const DiscoveryPath = "/EnrollmentServer/Discovery.svc"

// Handler answers devices below BasePath/platform/windows/: discovery, policy,
// enrollment, and manage for those that come there with their certificate. It is
// what makes the Platform an enrollhttp.Mounter.
func (p *Platform) Handler(svc *enrollment.Service) http.Handler {
	s := server{p, svc}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.PathValue("token") != "":
			http.NotFound(w, r) // devices know no invitation's token
		case r.URL.Path == "/discovery":
			s.discovery(w, r)
		case r.URL.Path == "/policy":
			s.soap(w, r, policies)
		case r.URL.Path == "/enrollment":
			s.soap(w, r, issuing)
		case r.URL.Path == "/manage":
			s.manage(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// Discovery answers [DiscoveryPath], for the embedder to mount at the root of the
// hosts that devices look on.
func (p *Platform) Discovery(svc *enrollment.Service) http.Handler {
	s := server{p, svc}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.URL.Path, DiscoveryPath) {
			http.NotFound(w, r)
			return
		}
		s.discovery(w, r)
	})
}

// Management answers the sessions of devices at any path, for a server of their
// own that asks for certificates.
func (p *Platform) Management(svc *enrollment.Service) http.Handler {
	return http.HandlerFunc(server{p, svc}.manage)
}

// server is the Platform at work.
type server struct {
	*Platform
	svc *enrollment.Service
}

// siteOf is the site that has a host to itself, or one without an ID that says
// where the host's sites answer.
func (s server) siteOf(ctx context.Context, host string) (enrollment.Site, error) {
	site, err := s.cfg.Sites.Host(ctx, host)
	switch {
	case errors.Is(err, enrollment.ErrNotFound):
		site = enrollment.Site{}
	case err != nil:
		return enrollment.Site{}, err
	case site.SoleHost && site.ID != "":
		return site, nil
	}
	shared := enrollment.Site{PublicURL: site.PublicURL}
	if shared.PublicURL == nil {
		shared.PublicURL = rootOf(host)
	}
	return shared, nil
}

// rootOf is the root of a host, nil if it is none. Only loopback goes without TLS.
func rootOf(host string) *url.URL {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if name == "" || strings.ContainsAny(host, "/\\?#@ <>\"") {
		return nil
	}
	u := &url.URL{Scheme: "https", Host: host}
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); name == "localhost" || err == nil && ip.IsLoopback() {
		u.Scheme = "http"
	}
	return u
}

// endpoints are those of a site, if they can be told to a device.
func (s server) endpoints(site enrollment.Site) (Endpoints, error) {
	at := s.cfg.Endpoints(site)
	policy, err := url.Parse(at.Policy)
	enroll, err2 := url.Parse(at.Enrollment)
	if err != nil || err2 != nil || policy.Host == "" || policy.Host != enroll.Host || at.Management == "" {
		return at, errors.New("windows: the endpoints of a site are not three addresses, policy and enrollment on one host")
	}
	return at, nil
}
