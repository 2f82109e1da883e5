package credentials

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// ErrBaseURL says that a public address is not fit for links with secrets in
// them.
var ErrBaseURL = errors.New("credentials: unusable base URL")

// linkPath stands between a base URL and the token. It is part of printed and
// mailed links and never changes.
const linkPath = "/i/"

// maxLink bounds what SplitDeploymentURL reads, in bytes.
const maxLink = 2048

// CheckBase returns an error wrapping [ErrBaseURL] unless base can start links:
// https, or http on a loopback host only; a host; an optional clean path; no user
// information, query or fragment.
func CheckBase(base *url.URL) error {
	switch {
	case base == nil || base.Opaque != "" || base.Hostname() == "":
		return fmt.Errorf("%w: want https://host/path", ErrBaseURL)
	case base.Scheme != "https" && (base.Scheme != "http" || !isLoopback(base.Hostname())):
		return fmt.Errorf("%w: want https, or http for loopback", ErrBaseURL)
	case base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return fmt.Errorf("%w: want no user, query or fragment", ErrBaseURL)
	case base.Path != "" && path.Clean(base.Path) != base.Path && path.Clean(base.Path)+"/" != base.Path:
		return fmt.Errorf("%w: want a clean path", ErrBaseURL)
	case base.Path != "" && base.Path[0] != '/':
		return fmt.Errorf("%w: want an absolute path", ErrBaseURL)
	}
	return nil
}

// DeploymentURL returns the link of an invitation: base, "/i/", token. The base
// is the configured public address with its path, never one taken from a
// request. It returns [ErrBaseURL] or, for a token of another shape,
// [ErrMalformed].
func DeploymentURL(base *url.URL, token Secret) (Secret, error) {
	if err := CheckBase(base); err != nil {
		return Secret{}, err
	}
	if !isToken(token.bytes()) {
		return Secret{}, ErrMalformed
	}
	link := strings.TrimSuffix(base.String(), "/") + linkPath
	b := append(make([]byte, 0, len(link)+TokenLength), link...)
	return new(box).secret(append(b, token.bytes()...)), nil
}

// ParseDeploymentURL returns the token of a scanned or pasted link. It is
// [SplitDeploymentURL] for clients that know their server.
func ParseDeploymentURL(s string) (token Secret, err error) {
	_, token, err = SplitDeploymentURL(s)
	return token, err
}

// SplitDeploymentURL returns the base and the token of a link as [DeploymentURL]
// writes it. Anything else is [ErrMalformed]. The base is whatever the link says:
// a client shows its host or compares it with those it trusts.
func SplitDeploymentURL(s string) (base *url.URL, token Secret, err error) {
	i := strings.LastIndex(s, linkPath)
	if len(s) > maxLink || i < 0 {
		return nil, Secret{}, ErrMalformed
	}
	// Errors of url.Parse quote their input and are dropped on purpose.
	// The round trip refuses spellings that DeploymentURL does not write, such as
	// an empty fragment.
	base, err = url.Parse(s[:i])
	if err != nil || CheckBase(base) != nil || base.String() != s[:i] || strings.HasSuffix(s[:i], "/") {
		return nil, Secret{}, ErrMalformed
	}
	if token, err = ParseToken(s[i+len(linkPath):]); err != nil {
		return nil, Secret{}, err
	}
	return base, token, nil
}

// isLoopback reports whether a host cannot be another machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
