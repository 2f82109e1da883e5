package adminhttp

import (
	"net/http"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// slotsView is one page of the Mobile devices view.
type slotsView struct {
	Slots         []slotView       `json:"slots"`
	Counts        map[string]int64 `json:"counts"` // per state, over the whole site
	AsOf          *time.Time       `json:"as_of"`
	NextPageToken string           `json:"next_page_token"`
}

func (a *api) slots(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	ask := enrollment.OverviewQuery{
		State:     oneOf(q, "state", slotStates()...),
		Platform:  oneOf(q, "platform", device.Platforms()...),
		Ownership: oneOf(q, "ownership", device.Company, device.Personal),
		Search:    q.text("q"),
		Sort:      oneOf(q, "sort", enrollment.SortLastConnection, enrollment.SortName, enrollment.SortState),
		PageSize:  q.pageSize(),
		PageToken: q.token(),
	}
	if err := q.wrong.err(); err != nil {
		return err
	}
	page, err := a.svc.Overview(r.Context(), by, ask)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, slotsView{
		Slots: each(page.Slots, showSlot), Counts: countsView(page.Counts),
		AsOf: stamp(page.AsOf), NextPageToken: page.NextPageToken,
	})
}

// slotStates lists the states that a row can be in.
func slotStates() (names []string) {
	for _, s := range invitation.States() {
		if s.Active() {
			names = append(names, string(s))
		}
	}
	for _, s := range device.States() {
		names = append(names, string(s))
	}
	return names
}
