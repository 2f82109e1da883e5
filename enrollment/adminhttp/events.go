package adminhttp

import (
	"math"
	"net/http"

	"example.com/enrollkit/enrollment"
)

// eventsView is a stretch of the journal.
type eventsView struct {
	Events []eventView `json:"events"` // by seq
	After  int64       `json:"after"`  // ask behind this one next time
}

func (a *api) events(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	after := q.number("after", 0, math.MaxInt64)
	limit := q.number("page_size", 1, enrollment.MaxPageSize)
	if err := q.wrong.err(); err != nil {
		return err
	}
	if limit == 0 {
		limit = enrollment.DefaultPageSize
	}
	page, err := a.svc.Events(r.Context(), by, after, int(limit))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, eventsView{each(page.Events, showEvent), page.After})
}
