// Package adminhttp is the administrators' JSON API as an http.Handler: inviting
// people, their credentials, the Mobile devices view, devices and whole fleets,
// what is held of a person, the company passcode, the texts of mail and the
// journal. It holds no rules; each route is
// one verb of [enrollment.Service], or of the embedder's [Messages], done by the
// [enrollment.Actor] that the embedder's function finds in the request. What an
// actor reaches is its own site, and nothing in a request can name another.
//
// # Mounting
//
// [New] makes the handler, and the examples mount it. Give the prefix as
// [BasePath] to routers that leave it in the path (net/http, chi, echo); leave
// BasePath out where the prefix is stripped already. Every request is asked for
// its actor, and nothing but an error is answered without one.
//
// Requests that change something are refused when a browser says that another
// origin sent them, so a session cookie is enough to sign an actor in; see
// [TrustedOrigins].
//
// # The contract
//
// [OpenAPI] returns the OpenAPI 3.1 document, which GET /openapi.yaml serves: it
// is the contract, and a test compares it with the routes and with what they
// answer. JSON is snake_case and times are RFC 3339 in UTC. Every field of an
// answer is always there: a text that says nothing is "", a time that never was
// is null, an empty list is []. Bodies are taken strictly: unknown and repeated
// fields are refused. Query parameters that a route does not know are ignored;
// values that a known one does not know are refused.
//
// # Errors
//
// Errors are application/problem+json with a stable code; those about fields
// have errors with a field and a code each. An id of another site is answered
// as one that never was, byte for byte. 503 with Retry-After means that the store,
// the directory, the keys or the embedder's sign-in did not do their part and
// that the request may be repeated, with its Idempotency-Key if it had one. When
// the client did not wait for the answer, the log has that at debug level alone.
// Requests and their lines in the log have an id, see enrollment.WithRequestID.
//
// # Secrets
//
// POST /invitations/{id}/credentials alone answers with credentials, and POST
// /passcode/generate and /passcode/reveal with the company passcode. The journal
// has it before the answer, which no cache may store.
//
// # Concurrency
//
// The handler is safe for concurrent use and starts nothing.
package adminhttp
