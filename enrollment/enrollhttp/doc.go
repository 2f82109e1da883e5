// Package enrollhttp is the side of enrollment that people and devices see, as
// one http.Handler to mount: the invitation pages with their QR codes, the
// self-service pages, and the API that agents call. openapi.yaml, which [OpenAPI] returns, is its contract.
//
//	h, err := enrollhttp.New(svc, enrollhttp.Options{BasePath: "/join"})
//	...
//	mux.Handle("/join/", h)
//
// The handler expects the whole path, so mount it without http.StripPrefix and
// tell it where it stands by Options.BasePath. The PublicURL of a site is the
// public address of the same place, "https://example.com/join". Every link that
// leaves is made of it; nothing is ever made of a request's Host. Links within
// the pages are relative, so a proxy may add or take away a prefix.
//
// # Pages
//
// GET and HEAD change nothing: mail scanners follow every link. They only leave
// an observation. Accepting is a POST from the page, without a script, a cookie
// or a hidden token: the token in the address is the capability, and a POST from
// another site's page is refused.
//
// Pages work without JavaScript, load nothing from elsewhere, and may be
// replaced one by one, with their texts, through Options.Pages; see [Templates].
//
// # Self-service
//
// Who has an address that a site knows, and the company passcode, gets a
// one-time login by mail. The page that asks for both has one answer whatever
// was wrong, byte for byte, unless the person can mend it by looking: a malformed
// address or passcode is marked at its field and counts nothing. The page that
// takes the login shows the platform's next step and what to type there. These
// secrets travel in forms and never in an address; no page shows the passcode.
//
// # Secrets
//
// An answer to an invitation's address, to a form or to a device is never
// stored, indexed, framed or referred to. Logs have the pattern of a route and the code of an
// error: no path, no address, no text of an error.
//
// # Errors
//
// A no is an application/problem+json with a stable code, or, for a person, a
// page. Whatever fails behind the handler is 503 with Retry-After, on every
// route, and never a no to a credential; what it was stays inside. Requests and
// their lines in the log have an id, see enrollment.WithRequestID.
package enrollhttp
