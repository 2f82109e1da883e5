package windowsclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Path is where every Windows device looks for the discovery service of a host.
const Path = "/EnrollmentServer/Discovery.svc"

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 1 << 20

// Client is one Windows device. Make it with [New]. It does one thing at a time.
type Client struct {
	Device Device
	Style  Style
	// HTTP sends what is not a session. Defaults to a client of its own that
	// waits half a minute.
	HTTP *http.Client
	// Origin, if set, is where the services are called whatever host the answers
	// name, as behind a proxy that is not there.
	Origin string
	// NewKey makes the key of a certificate. Defaults to RSA with 2048 bits.
	NewKey func() (*rsa.PrivateKey, error)
	// Roots are trusted for sessions besides the one in the document.
	Roots *x509.CertPool
	// Remote is added to requests as X-Forwarded-For, if set.
	Remote string

	// What the client has learned.
	Services  Services
	Provision *Provision // nil: not enrolled
	Key       *rsa.PrivateKey

	discovery string
	messages  atomic.Int64
	sessions  int
}

// New returns a device that will ask the discovery service of an origin, as in
// "https://enroll.example.com".
func New(origin string, d Device) *Client {
	return &Client{
		Device: d, HTTP: &http.Client{Timeout: 30 * time.Second}, discovery: strings.TrimSuffix(origin, "/") + Path,
		NewKey: func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) },
	}
}

// messageID is a new one.
func (c *Client) messageID() string {
	return fmt.Sprintf("urn:uuid:748132ec-d575-4329-b01b-6171%08x", c.messages.Add(1))
}

// at puts an address of an answer to where it is called.
func (c *Client) at(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if c.Origin == "" {
		return address, nil
	}
	return strings.TrimSuffix(c.Origin, "/") + u.EscapedPath(), nil
}

// call sends a SOAP message and reads the answer to it.
func (c *Client) call(ctx context.Context, address, message, action, id string) (envelope, error) {
	address, err := c.at(address)
	if err != nil {
		return envelope{}, err
	}
	status, _, body, err := c.post(ctx, c.HTTP, address, "application/soap+xml; charset=utf-8", c.Style.write(message))
	if err != nil {
		return envelope{}, err
	}
	return readEnvelope(status, body, action, id)
}

// post sends a body and wants an answer with a length.
func (c *Client) post(ctx context.Context, client *http.Client, address, media, text string) (int, http.Header, []byte, error) {
	var body io.Reader = strings.NewReader(text)
	if c.Style.Chunked {
		body = io.MultiReader(body) // whose length nobody knows
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return 0, nil, nil, errors.New("windowsclient: malformed address")
	}
	r.Header.Set("Content-Type", media)
	r.Header.Set("User-Agent", "Windows Enrollment Client")
	if c.Remote != "" {
		r.Header.Set("X-Forwarded-For", c.Remote)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch got := response.Header.Get("Content-Type"); {
	case err != nil:
		return 0, nil, nil, err
	case response.ContentLength < 0 || len(response.TransferEncoding) > 0:
		return 0, nil, nil, errors.New("windowsclient: an answer without a Content-Length")
	case response.StatusCode == http.StatusOK && !strings.HasPrefix(got, strings.Split(media, ";")[0]):
		return 0, nil, nil, fmt.Errorf("windowsclient: an answer of type %q", got)
	}
	return response.StatusCode, response.Header, bytes.TrimSpace(answer), nil
}

// sessionClient speaks TLS with the client's certificate.
func (c *Client) sessionClient() (*http.Client, error) {
	if c.Provision == nil {
		return nil, errors.New("windowsclient: not enrolled")
	}
	roots := x509.NewCertPool()
	if c.Roots != nil {
		roots = c.Roots.Clone()
	}
	for _, root := range c.Provision.Roots {
		roots.AddCert(root)
	}
	mine := tls.Certificate{Certificate: [][]byte{c.Provision.Certificate.Raw}, PrivateKey: c.Key}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: roots,
			// Whatever the server asks for: Windows looks for it by the document.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mine, nil },
		},
		DisableKeepAlives: true,
	}}, nil
}
