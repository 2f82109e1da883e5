package android

import (
	"errors"
	"net/url"
	"strings"
)

// ErrLink refuses what no link can be made of.
var ErrLink = errors.New("android: not a link to an app")

// playHost is Google Play's, on the web and on devices.
const playHost = "play.google.com"

// PlayLink leads to a program in Google Play. referrer is what the program reads
// by the Play Install Referrer API on its first start; it is kept for 90 days, and
// lost where the program was installed before. nil: none.
func PlayLink(pkg string, referrer url.Values) (string, error) {
	if !IsPackage(pkg) {
		return "", ErrLink
	}
	q := url.Values{"id": {pkg}}
	if len(referrer) > 0 {
		q.Set("referrer", referrer.Encode())
	}
	return (&url.URL{Scheme: "https", Host: playHost, Path: "/store/apps/details", RawQuery: q.Encode()}).String(), nil
}

// IntentLink opens address in the program pkg by Chrome's intent: scheme, and
// where it is not installed goes to fallback, an https address; empty: nowhere.
// It needs a tap of a person's. address is absolute, of any scheme that the
// program declares as BROWSABLE, and has no fragment.
func IntentLink(pkg, address, fallback string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.Fragment != "" || strings.ContainsAny(address, "# ;\\") || !isPlain(address) ||
		!IsPackage(pkg) || fallback != "" && !isSecureLink(fallback) {
		return "", ErrLink
	}
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "", ErrLink
	}
	link := "intent://" + rest + "#Intent;scheme=" + u.Scheme + ";package=" + pkg + ";"
	if fallback != "" {
		// Android reads it without taking + for a space.
		link += "S.browser_fallback_url=" + strings.ReplaceAll(url.QueryEscape(fallback), "+", "%20") + ";"
	}
	return link + "end", nil
}
