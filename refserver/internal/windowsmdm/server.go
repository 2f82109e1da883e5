package windowsmdm

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/windows"
	"example.com/enrollkit/refserver/internal/authority"
	"example.com/enrollkit/refserver/internal/database"
)

// DefaultProviderID is the server's name in a device's settings.
const DefaultProviderID = "enrollkit"

// Options say how the server is embedded.
type Options struct {
	Database *database.DB                // required
	Keyring  func() *credentials.Keyring // required: of the moment; it seals
	Sites    enrollment.Sites            // required
	Sessions *url.URL                    // required: how devices reach the listener, https with a host
	Logger   *slog.Logger                // required
	Now      func() time.Time            // defaults to time.Now

	// Certificate is the listener's. Defaults to one of the server's authority.
	Certificate *CertificateFile
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
}

// Server is the Windows side. Make it with [Open] and give its Platform to the
// Service and to enrollhttp. It is safe for concurrent use.
type Server struct {
	platform *windows.Platform
	sessions *url.URL
	path     string
	tls      *tls.Config
}

// Open reads the certificate authority, or makes it at the first start.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a, err := authority.Open(ctx, o.Database, authority.Windows, o.Keyring, o.Now)
	if err != nil {
		return nil, err
	}
	path := "/platform/" + windows.Name + "/manage"
	s := &Server{sessions: o.Sessions, path: path}
	s.platform, err = windows.New(windows.Config{
		Authority: issuer{a}, Sites: o.Sites, ProviderID: DefaultProviderID, TrustedProxies: o.TrustedProxies, Logger: o.Logger,
		Endpoints: func(site enrollment.Site) windows.Endpoints {
			at := windows.DefaultEndpoints(site)
			at.Management = o.Sessions.JoinPath(path).String()
			return at
		},
	})
	if err != nil {
		return nil, err
	}
	certificate := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return o.Certificate.Get(hello.Context(), o.Logger)
	}
	if o.Certificate == nil {
		own := &ownCertificate{authority: a, name: o.Sessions.Hostname(), now: o.Now, log: o.Logger}
		if _, err := own.get(ctx); err != nil {
			return nil, err
		}
		certificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return own.get(hello.Context()) }
	}
	s.tls = &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: certificate,
		// Asked for and not verified here: that the device has the key is proved by
		// the handshake, and whose certificate it is, is the authority's to say, with
		// an answer that names the reason.
		ClientAuth: tls.RequestClientCert,
	}
	return s, nil
}

// Platform is the one to give to the Service and to enrollhttp.
func (s *Server) Platform() *windows.Platform { return s.platform }

// Discovery answers windows.DiscoveryPath.
func (s *Server) Discovery(svc *enrollment.Service) http.Handler { return s.platform.Discovery(svc) }

// Unavailable answers those for which Enrolling holds while the database is away.
func (s *Server) Unavailable() http.Handler { return s.platform.Unavailable() }

// Enrolling reports whether a path is one of a device that enrolls.
func (s *Server) Enrolling(path string) bool {
	const below = "/platform/" + windows.Name
	return strings.EqualFold(path, windows.DiscoveryPath) || path == below+"/discovery" || path == below+"/policy" || path == below+"/enrollment"
}

// Management answers SessionPath.
func (s *Server) Management(svc *enrollment.Service) http.Handler { return s.platform.Management(svc) }

// Sessions is how devices reach the listener.
func (s *Server) Sessions() *url.URL { return s.sessions }

// SessionPath is the one path that the listener serves.
func (s *Server) SessionPath() string { return s.path }

// TLS is the config of the listener. Each call returns a copy.
func (s *Server) TLS() *tls.Config { return s.tls.Clone() }
