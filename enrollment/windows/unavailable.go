package windows

import (
	"errors"
	"net/http"
	"path"
)

// errUnavailable is the error behind Unavailable's answers.
var errUnavailable = errors.New("windows: unavailable")

// Unavailable answers discovery, policy and enrollment, at any path that ends like
// theirs, while nothing could be looked up: with the fault that tells a device to
// try again, and to a device's probe as ever. It asks nobody, so whoever knows that
// a store is away can answer at once. Sessions have 503 for that.
func (p *Platform) Unavailable() http.Handler {
	s := server{p, nil}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := discovering
		switch path.Base(r.URL.Path) {
		case "policy":
			o = policies
		case "enrollment":
			o = issuing
		default:
			if r.Method != http.MethodPost {
				s.discovery(w, r)
				return
			}
		}
		if r.Method != http.MethodPost {
			s.soap(w, r, o) // which says what to use instead
			return
		}
		var m message
		raw, err := readBody(w, r)
		if err == nil {
			m, err = parseMessage(raw)
		}
		if err == nil {
			err = errUnavailable
		}
		refused := refusalOf(err)
		var d document
		writeFault(&d, o.answer, m.id, newUUID(), refused.fault)
		s.send(w, http.StatusOK, soapType, d.Bytes())
	})
}
