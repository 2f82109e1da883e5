package console

import (
	"errors"
	"net/http"
	"strings"

	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/live"
	"example.com/enrollkit/refserver/internal/web"
)

// live tells a page when to fetch itself again: a stream to whoever asks for
// one, or a number that grows with every change.
func (c *Console) live(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		err := c.Live.Serve(w, r, by.Site)
		if errors.Is(err, live.ErrFull) {
			w.Header().Set("Retry-After", "30")
			web.WriteProblem(w, r, web.Refusal(http.StatusServiceUnavailable, "too_many_streams", "Too many pages are open. This one looks for itself."))
			return nil
		}
		return err
	}
	version, err := c.Live.Version(r.Context(), by.Site)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, map[string]int64{"version": version})
	return nil
}
