package android

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	packageName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
	className   = regexp.MustCompile(`^\.?[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$`)
	identifier  = regexp.MustCompile(`^afw#[A-Za-z0-9._-]{1,40}$`)
	locale      = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}$`)
	timeZone    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
)

// maxName is the longest name of a package or component that is taken.
const maxName = 255

// IsPackage reports whether s can be the name of an Android package.
func IsPackage(s string) bool { return len(s) <= maxName && packageName.MatchString(s) }

// IsComponent reports whether s names a class of a package, as in
// "com.example.agent/com.example.agent.AdminReceiver" or, in short,
// "com.example.agent/.AdminReceiver".
func IsComponent(s string) bool {
	pkg, class, ok := strings.Cut(s, "/")
	return ok && IsPackage(pkg) && len(s) <= maxName && className.MatchString(class)
}

// IsIdentifier reports whether s is what a person types in the place of a Google
// account, "afw#" and the name under which Google knows the agent.
func IsIdentifier(s string) bool { return identifier.MatchString(s) }

// isSecureLink reports whether s is an absolute https address without a password.
func isSecureLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(s, " \\") && isPlain(s)
}

// isPlain reports whether s is valid and free of control characters.
func isPlain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
