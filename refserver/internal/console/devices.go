package console

import (
	"net/http"
	"strconv"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/internal/accounts"
)

// pageRows is how many rows a list shows.
const pageRows = 50

// devicesData is the Mobile devices view.
type devicesData struct {
	list
	enrollment.OverviewPage
	Query      enrollment.OverviewQuery
	Filtered   bool
	Chips      []chip
	Total      int64
	Platforms  []device.Platform
	Ownerships []device.Ownership
	Sorts      []enrollment.Sort
	Here       string // where actions lead back to
}

// chip is one state with how many rows are in it.
type chip struct {
	State string
	N     int64
	Link  string
	On    bool
}

func (c *Console) devices(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	q := r.URL.Query()
	query := enrollment.OverviewQuery{
		State: q.Get("state"), Platform: device.Platform(q.Get("platform")), Ownership: device.Ownership(q.Get("ownership")),
		Search: q.Get("q"), Sort: enrollment.Sort(q.Get("sort")), PageSize: pageRows, PageToken: q.Get("page"),
	}
	page, err := c.Service.Overview(r.Context(), by.Actor(), query)
	if err != nil {
		return err
	}
	data := devicesData{
		list: list{"/devices", q}, OverviewPage: page, Query: query,
		Filtered:   query.State != "" || query.Platform != "" || query.Ownership != "" || query.Search != "",
		Platforms:  device.Platforms(),
		Ownerships: []device.Ownership{device.Company, device.Personal},
		Sorts:      []enrollment.Sort{enrollment.SortLastConnection, enrollment.SortName, enrollment.SortState},
	}
	for _, state := range slotStates() {
		n := page.Counts[state]
		data.Total += n
		data.Chips = append(data.Chips, chip{state, n, data.With("state", state), state == query.State})
	}
	c.render(w, r, by, http.StatusOK, "devices", "Mobile devices", data)
	return nil
}

// slotStates are the states that a row can be in, in the order of a life.
func slotStates() []string {
	var states []string
	for _, s := range invitation.States() {
		if s.Active() {
			states = append(states, string(s))
		}
	}
	for _, s := range device.States() {
		states = append(states, string(s))
	}
	return states
}

// deviceData is the Device detail page.
type deviceData struct {
	enrollment.Explanation
	Facts    []factRow
	Timeline []enrollment.Event // the newest first
	Missing  int
}

// factRow is one fact of a device.
type factRow struct {
	Fact     device.Fact
	Required bool
	Holds    bool
	Said     map[device.Source]device.Assertion
}

func (c *Console) device(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	e, err := c.Service.Explain(r.Context(), by.Actor(), id(r))
	if err != nil {
		return err
	}
	data := deviceData{Explanation: e, Missing: len(e.Missing)}
	for _, f := range device.AllFacts() {
		row := factRow{Fact: f, Holds: e.Device.Facts.Holds(f), Said: e.Device.Facts[f]}
		for _, required := range e.Requires {
			row.Required = row.Required || required == f
		}
		if row.Required || len(row.Said) > 0 {
			data.Facts = append(data.Facts, row)
		}
	}
	for i := len(e.Timeline) - 1; i >= 0; i-- {
		data.Timeline = append(data.Timeline, e.Timeline[i])
	}
	title := e.Name
	if title == "" {
		title = "Device"
	}
	c.render(w, r, by, http.StatusOK, "device", title, data)
	return nil
}

func (c *Console) renew(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	result, err := c.Service.Renew(r.Context(), by.Actor(), id(r))
	if err != nil {
		return err
	}
	if result.WithoutCodes {
		return c.done(w, r, back(r, "/devices"), "renewed_codes")
	}
	return c.done(w, r, back(r, "/devices"), "renewed.1")
}

func (c *Console) renewMany(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	ids := r.PostForm["id"]
	if len(ids) == 0 {
		return &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "devices", Code: "required"}}}
	}
	results, err := c.Service.RenewMany(r.Context(), by.Actor(), ids)
	if err != nil {
		return err
	}
	renewed := 0
	var failed error
	for _, result := range results {
		if result.Err != nil {
			failed = result.Err
			continue
		}
		renewed++
	}
	if renewed == 0 && failed != nil {
		return failed
	}
	return c.done(w, r, "/devices", "renewed."+strconv.Itoa(renewed))
}

// back is where an action leads: to the page it was started on, which is either
// the list or the row's own page.
func back(r *http.Request, fallback string) string {
	if r.PostFormValue("back") == "detail" {
		return fallback + "/" + id(r)
	}
	return fallback
}
