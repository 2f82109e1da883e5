// Package httpkit is what the HTTP packages of enrollkit share: reading a JSON
// body strictly, answering with a problem (RFC 9457), telling who asks, and the
// headers and guards around every answer. It knows the errors of package
// enrollment and no router.
//
// Nothing here puts what a client sent into an answer, an error or a log.
package httpkit
