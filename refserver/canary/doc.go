// Package canary holds tests of the whole reference server: that secrets show up
// where they are meant to and nowhere else, and that GET and HEAD change nothing.
// Routes are taken from the routers and the OpenAPI documents, so that a new one
// is covered before anybody thinks of it.
package canary
