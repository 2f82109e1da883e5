// Package web is what the reference server's own routes share: answers and
// errors as JSON, the guards around every request, and the log of requests. It
// knows nothing of enrollment but the names of its errors.
package web
