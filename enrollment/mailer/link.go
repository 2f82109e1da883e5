package mailer

import (
	"errors"
	"html/template"
	"net/netip"
	"net/url"
	"strings"
)

// errForeignLink says that a deployment URL does not belong to its site.
var errForeignLink = errors.New("mailer: the link is not below the site's PublicURL")

// ownLink returns link if it lies below base: the host of a link with a secret
// in it is the configured one, whatever a request or a Platform said.
func ownLink(base *url.URL, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(link)
	if base == nil || err != nil {
		return "", errForeignLink // the parser's error quotes the link
	}
	root := strings.TrimSuffix(base.EscapedPath(), "/") + "/"
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())),
		u.Scheme != base.Scheme, u.Host != base.Host, u.User != nil,
		!strings.HasPrefix(u.EscapedPath(), root), strings.Contains(u.Path, ".."):
		return "", errForeignLink
	}
	return u.String(), nil
}

// agentLink returns a link of the site's configuration, or "" if it is none that
// a mail should have: https, http on loopback, or an app's own scheme. The result
// is safe in an href.
func agentLink(raw string) template.URL {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return ""
	}
	switch u.Scheme {
	case "", "javascript", "vbscript", "data", "file", "blob", "filesystem", "about", "view-source", "ftp":
		return ""
	case "https":
		if u.Hostname() == "" {
			return ""
		}
	case "http":
		if !isLoopback(u.Hostname()) {
			return ""
		}
	}
	// The parser lets some characters through that end a link in text or an
	// attribute; in a query, nothing is escaped again.
	safe := strings.NewReplacer(`"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "`", "%60", " ", "%20").Replace(u.String())
	for i := range len(safe) {
		if safe[i] <= ' ' || safe[i] >= 0x7f {
			return ""
		}
	}
	return template.URL(safe) // scheme and characters are checked above
}

// isLoopback reports whether a host cannot be another machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
