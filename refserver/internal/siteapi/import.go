package siteapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/usercsv"
	"example.com/enrollkit/refserver/internal/web"
)

// importTime is how long one import may take to arrive and to be answered.
const importTime = 5 * time.Minute

// importView is the answer to a list of users.
type importView struct {
	DryRun  bool                    `json:"dry_run"`
	Counts  accounts.ImportCounts   `json:"counts"`
	Results []accounts.ImportResult `json:"results"`
}

// jobView is an import in the background.
type jobView struct {
	imports.Job
	Results []accounts.ImportResult `json:"results"`
}

func (a *API) importUsers(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	dryRun, err := flag(r, "dry_run")
	if err != nil {
		return err
	}
	background, err := flag(r, "background")
	if err != nil {
		return err
	}
	allow := http.NewResponseController(w)
	// A connection that cannot be given more time has the server's.
	_ = errors.Join(allow.SetReadDeadline(time.Now().Add(importTime)), allow.SetWriteDeadline(time.Now().Add(importTime)))
	file, err := readFile(w, r)
	if err != nil {
		return err
	}
	if background {
		job, err := a.Imports.Add(r.Context(), by, file, !dryRun)
		if err != nil {
			return refuseFile(err)
		}
		web.WriteJSON(w, http.StatusAccepted, jobView{job, []accounts.ImportResult{}})
		return nil
	}
	parsed, err := usercsv.Parse(file)
	if err != nil {
		return refuseFile(err)
	}
	answer := importView{DryRun: dryRun, Results: make([]accounts.ImportResult, 0, len(parsed.Rows))}
	var lot []accounts.ImportResult
	err = a.Accounts.ImportUsers(r.Context(), accounts.Import{
		Site: by.Site, File: parsed, DryRun: dryRun,
		Each: func(_ context.Context, _ database.Conn, results []accounts.ImportResult) error {
			lot = results
			return nil
		},
		Done: func() {
			answer.Results = append(answer.Results, lot...)
			answer.Counts.Add(lot)
		},
	})
	if err != nil {
		return err
	}
	if !dryRun {
		a.Logger.InfoContext(r.Context(), "users imported", "site", by.Site, "admin", by.Admin, "counts", answer.Counts.String())
	}
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// importJob tells how far an import in the background has come; the results
// come with the end.
func (a *API) importJob(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	job, err := a.Imports.Get(r.Context(), by.Site, mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	view := jobView{job, []accounts.ImportResult{}}
	if !job.State.Running() {
		if view.Results, err = a.Imports.Results(r.Context(), by.Site, job.ID); err != nil {
			return err
		}
	}
	web.WriteJSON(w, http.StatusOK, view)
	return nil
}

// startImport imports what a dry run in the background has checked.
func (a *API) startImport(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if err := a.Imports.Start(r.Context(), by.Site, mux.Vars(r)["id"]); err != nil {
		return err
	}
	job, err := a.Imports.Get(r.Context(), by.Site, mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusAccepted, jobView{job, []accounts.ImportResult{}})
	return nil
}

func (a *API) exportUsers(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	bom, err := flag(r, "bom")
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="users.csv"`)
	out := usercsv.NewWriter(w, bom)
	err = a.Accounts.AllUsers(r.Context(), by.Site, func(u accounts.User) {
		out.Write(u.Email, u.Name, u.Language, u.ExternalID)
	})
	if err != nil {
		// Half a list would look like a whole one.
		a.Logger.ErrorContext(r.Context(), "export failed", "error", err, "request_id", web.RequestIDFrom(r.Context()))
		panic(http.ErrAbortHandler)
	}
	_ = out.Flush() // a client that went away is no error of ours
	return nil
}

// flag reads a parameter that is true, false or absent.
func flag(r *http.Request, name string) (bool, error) {
	switch r.URL.Query().Get(name) {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: name, Code: "malformed"}}}
}

// readFile takes the list from the body: the body itself, or the part "file" of
// a form.
func readFile(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := io.Reader(http.MaxBytesReader(w, r.Body, usercsv.MaxBytes+64<<10))
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == "multipart/form-data":
		r.Body = io.NopCloser(body)
		parts, err := r.MultipartReader()
		if err != nil {
			return nil, web.Refusal(http.StatusBadRequest, "bad_form", "The form is malformed.")
		}
		for {
			part, err := parts.NextPart()
			if errors.Is(err, io.EOF) {
				return nil, &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "file", Code: "required"}}}
			}
			if err != nil {
				return nil, cut(err)
			}
			if part.FormName() == "file" {
				return readList(part)
			}
		}
	case err == nil && media == "application/json":
		return nil, web.Refusal(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body has to be text/csv, or multipart/form-data with a file.")
	}
	return readList(body)
}

// readList reads a byte more than is allowed, at most.
func readList(body io.Reader) ([]byte, error) {
	file, err := io.ReadAll(io.LimitReader(body, usercsv.MaxBytes+1))
	if err != nil {
		return nil, cut(err)
	}
	return file, nil
}

// cut is a body that did not arrive as a whole.
func cut(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuseFile(&usercsv.Error{Code: "too_large"})
	}
	return web.Refusal(http.StatusBadRequest, "bad_form", "The body was cut short or is malformed.")
}

// refuseFile is what a list that cannot be taken is on the wire.
func refuseFile(err error) error {
	if errors.Is(err, imports.ErrTooMany) {
		return web.Refusal(http.StatusConflict, "too_many_imports", strconv.Itoa(imports.MaxOpen)+" imports are under way. Wait until one is done.")
	}
	bad, ok := errors.AsType[*usercsv.Error](err)
	if !ok {
		return err
	}
	switch bad.Code {
	case "too_large":
		return web.Refusal(http.StatusRequestEntityTooLarge, "body_too_large", bad.Sentence())
	case "too_many_rows":
		return web.Refusal(http.StatusRequestEntityTooLarge, "too_many_rows", bad.Sentence())
	}
	p := web.Refusal(http.StatusUnprocessableEntity, "invalid", bad.Sentence())
	field := "file"
	if bad.Row > 0 {
		field = "row " + strconv.Itoa(bad.Row)
		if bad.Column != "" {
			field += "." + bad.Column
		}
	}
	p.Errors = []web.Field{{Field: field, Code: bad.Code}}
	return p
}
