package adminhttp

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// What one request may adopt: more goes into more requests, which may be
// repeated without harm.
const (
	maxAdoptions = 5000
	adoptBody    = 8 << 20
)

// linesType is the media type of JSON Lines.
const linesType = "application/x-ndjson"

// adoptedView is what became of one line.
type adoptedView struct {
	Line     int         `json:"line"` // as counted here: lines that are empty do not count
	Ref      refView     `json:"ref"`
	Device   string      `json:"device_id"`
	Outcome  string      `json:"outcome"`       // "created", "linked", "unchanged"; "" with an error
	Conflict string      `json:"conflict_with"` // the device of another user that has this hardware
	Error    string      `json:"error"`         // a stable code; "": it is here
	Errors   []fieldView `json:"errors"`
}

// fieldView is one thing wrong with one field of a line.
type fieldView struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

// adoptCountsView sums up what became of the lines.
type adoptCountsView struct {
	Created   int `json:"created"`
	Linked    int `json:"linked"`
	Unchanged int `json:"unchanged"`
	Refused   int `json:"refused"`
}

// adoptionsView has one result for each line, in order.
type adoptionsView struct {
	Results []adoptedView   `json:"results"`
	Counts  adoptCountsView `json:"counts"`
}

func (a *api) adopt(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := linesOnly(r); err != nil {
		return err
	}
	view := adoptionsView{Results: []adoptedView{}}
	var rows []enrollment.Adoption
	var at []int // rows[k] is view.Results[at[k]]
	for row, err := range enrollment.ReadAdoptions(http.MaxBytesReader(w, r.Body, adoptBody)) {
		line := adoptedView{Line: len(view.Results) + 1, Errors: []fieldView{}}
		switch {
		case errors.Is(err, enrollment.ErrLineMalformed):
			line.Error = "malformed"
		case errors.Is(err, enrollment.ErrLineTooLong):
			line.Error = "too_long"
		case err != nil:
			return bodyError(err)
		default:
			rows, at = append(rows, row), append(at, len(view.Results))
		}
		if len(view.Results) == maxAdoptions {
			return wrong{{Field: "lines", Code: "too_many"}}.err()
		}
		view.Results = append(view.Results, line)
	}
	if len(view.Results) == 0 {
		return wrong{{Field: "lines", Code: "required"}}.err()
	}
	results, err := a.svc.Adopt(r.Context(), by, rows)
	if err != nil {
		return err
	}
	for k, result := range results {
		view.Results[at[k]].show(result)
	}
	for _, line := range view.Results {
		switch enrollment.AdoptOutcome(line.Outcome) {
		case enrollment.Adopted:
			view.Counts.Created++
		case enrollment.AdoptLinked:
			view.Counts.Linked++
		case enrollment.AdoptUnchanged:
			view.Counts.Unchanged++
		default:
			view.Counts.Refused++
		}
	}
	return reply(w, http.StatusOK, view)
}

func (v *adoptedView) show(r enrollment.AdoptResult) {
	v.Ref, v.Device, v.Outcome, v.Conflict = showRef(r.Ref), r.Device, string(r.Outcome), r.Conflict
	v.Error = enrollment.Code(r.Err)
	if invalid, ok := errors.AsType[*enrollment.ValidationError](r.Err); ok {
		for _, f := range invalid.Fields {
			v.Errors = append(v.Errors, fieldView(f))
		}
	}
}

// linesOnly refuses a body that is said to be something else than JSON Lines.
// One line of them is JSON. Absent is fine.
func linesOnly(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	coding := r.Header.Get("Content-Encoding")
	plain := coding == "" || strings.EqualFold(coding, "identity")
	known := r.Header.Get("Content-Type") == "" || err == nil && slices.Contains([]string{linesType, "application/jsonl", "application/json"}, media)
	if plain && known {
		return nil
	}
	return &httpkit.BodyError{
		Status: http.StatusUnsupportedMediaType, Code: httpkit.CodeUnsupported, Detail: "The body has to be " + linesType + ", not compressed.",
	}
}

// bodyError says why the body could not be read to its end.
func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &httpkit.BodyError{Status: http.StatusRequestEntityTooLarge, Code: httpkit.CodeTooLarge, Detail: "The body is too large."}
	}
	return &httpkit.BodyError{Status: http.StatusBadRequest, Code: httpkit.CodeBadJSON, Detail: "The body was cut short."}
}

// exportDevices writes as it reads. When that breaks off, the connection is cut,
// so that nobody takes a part for the whole.
func (a *api) exportDevices(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	out := &lines{w: w}
	err := a.svc.ExportDevices(r.Context(), by, out)
	if err != nil && out.begun {
		a.log.ErrorContext(r.Context(), "adminhttp: export broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	if err == nil {
		out.begin()
	}
	return err
}

// lines begins the answer with the first line.
type lines struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", linesType)
		l.w.WriteHeader(http.StatusOK)
	}
}

// Write implements [io.Writer].
func (l *lines) Write(b []byte) (int, error) {
	l.begin()
	return l.w.Write(b)
}
