package console

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/usercsv"
	"example.com/enrollkit/refserver/internal/web"
)

// importData is the page that takes a list.
type importData struct {
	Wrong   string
	Columns []string
	MiB     int
	Rows    int
	Cell    int
	Jobs    []imports.Job
}

func (c *Console) importPage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	return c.showImport(w, r, by, http.StatusOK, "")
}

func (c *Console) showImport(w http.ResponseWriter, r *http.Request, by accounts.Principal, status int, wrong string) error {
	jobs, err := c.Imports.List(r.Context(), by.Site)
	if err != nil {
		return err
	}
	c.render(w, r, by, status, "import", "Import users", importData{
		Wrong: wrong, Columns: usercsv.Columns(), MiB: usercsv.MaxBytes >> 20, Rows: usercsv.MaxRows, Cell: usercsv.MaxCell, Jobs: jobs,
	})
	return nil
}

// upload is form for a page with a file: who sends it is known before the file
// is read.
func (c *Console) upload(s screen) http.Handler {
	inner := c.signedIn(func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
		err := r.ParseMultipartForm(usercsv.MaxBytes + maxForm) // all of it in memory
		if r.MultipartForm != nil {
			defer func() { _ = r.MultipartForm.RemoveAll() }() // there is nothing on the disk
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return c.showImport(w, r, by, http.StatusRequestEntityTooLarge, (&usercsv.Error{Code: "too_large"}).Sentence())
		}
		// A malformed form has no token either.
		if err := c.Guard.CheckForm(r); err != nil {
			return err
		}
		return s(w, r, by)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, usercsv.MaxBytes+maxForm)
		if err := c.Guard.SameOrigin(r); err != nil {
			c.fail(w, r, accounts.Principal{}, err)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func (c *Console) takeImport(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	part, _, err := r.FormFile("file")
	if err != nil {
		return c.showImport(w, r, by, http.StatusUnprocessableEntity, "Choose a file.")
	}
	defer func() { _ = part.Close() }()
	file, err := io.ReadAll(part)
	if err != nil {
		return web.Refusal(http.StatusBadRequest, "bad_form", "The file was cut short.")
	}
	job, err := c.Imports.Add(r.Context(), by, file, false)
	if bad, ok := errors.AsType[*usercsv.Error](err); ok {
		status := http.StatusUnprocessableEntity
		if bad.Code == "too_large" || bad.Code == "too_many_rows" {
			status = http.StatusRequestEntityTooLarge
		}
		return c.showImport(w, r, by, status, bad.Sentence())
	}
	if errors.Is(err, imports.ErrTooMany) {
		return c.showImport(w, r, by, http.StatusConflict, strconv.Itoa(imports.MaxOpen)+" imports are under way. Wait until one is done.")
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/users/import/"+job.ID, http.StatusSeeOther)
	return nil
}

// importRows is how many results a page shows, those with errors first.
const importRows = 200

// jobData is one import.
type jobData struct {
	imports.Job
	Results []accounts.ImportResult
	Labels  map[int]string // whom a row is about
	More    int            // that are not shown
	Takes   int            // rows that are or would be taken
}

// Refresh is after how many seconds the page is to be fetched again.
func (d jobData) Refresh() int {
	if d.State.Running() {
		return 1
	}
	return 0
}

func (c *Console) importJob(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	job, err := c.Imports.Get(r.Context(), by.Site, id(r))
	if err != nil {
		return err
	}
	data := jobData{Job: job, Takes: job.Counts.Created + job.Counts.Updated}
	if !job.State.Running() {
		all, err := c.Imports.Results(r.Context(), by.Site, job.ID)
		if err != nil {
			return err
		}
		for _, wrong := range []bool{true, false} {
			for _, result := range all {
				if len(data.Results) < importRows && wrong == (result.Action == accounts.Refused) {
					data.Results = append(data.Results, result)
				}
			}
		}
		if data.Labels, err = c.Imports.Labels(r.Context(), by.Site, job.ID); err != nil {
			return err
		}
		data.More = len(all) - len(data.Results)
	}
	c.render(w, r, by, http.StatusOK, "importjob", "Import users", data)
	return nil
}

func (c *Console) startImport(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if err := c.Imports.Start(r.Context(), by.Site, id(r)); err != nil {
		return err
	}
	http.Redirect(w, r, "/users/import/"+id(r), http.StatusSeeOther)
	return nil
}
