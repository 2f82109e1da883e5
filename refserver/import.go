package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/usercsv"
)

// importJob is an import under way, as the API tells of it.
type importJob struct {
	ID     string
	State  string
	Total  int
	Done   int
	Counts struct{ Created, Updated, Unchanged, Error int }

	Results []struct {
		Row    int
		Action string
		Errors []struct{ Field, Code string }
	}
}

// importUsers is the command "import-users". It ends with 1 if a row was not
// taken.
func importUsers(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error {
	flags := flag.NewFlagSet("import-users", flag.ContinueOnError)
	flags.SetOutput(errOut)
	base := flags.String("url", "http://127.0.0.1:8080", "`address` of the server")
	token := flags.String("token", "", "an administrator's `token` (default: the environment's ENROLLKIT_ADMIN_TOKEN, or the file named by ENROLLKIT_ADMIN_TOKEN_FILE)")
	dryRun := flags.Bool("dry-run", false, "only tell what would be done")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(errOut, "usage: refserver import-users [flags] FILE\n\nAdds and changes users by a CSV file (- reads standard input).")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return exitCode(2) // it is said already
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return exitCode(2)
	}
	if *token == "" {
		var err error
		if *token, err = (setting{name: "admin-token", secret: true}).fromEnv(env); err != nil {
			return err
		}
	}
	file, err := readList(flags.Arg(0))
	if err != nil {
		return err
	}
	// Most mistakes are found here, before anything is sent.
	if _, err := usercsv.Parse(file); err != nil {
		bad, _ := errors.AsType[*usercsv.Error](err)
		return errors.New(bad.Sentence())
	}
	client, err := newImporter(*base, *token)
	if err != nil {
		return err
	}
	job, err := client.run(ctx, file, *dryRun, errOut)
	if err != nil {
		return err
	}
	return job.print(out, *dryRun)
}

func readList(name string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, usercsv.MaxBytes+1))
}

// importer speaks to one server.
type importer struct {
	base, token string
	client      *http.Client
}

func newImporter(base, token string) (*importer, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, errors.New("-url: want an address such as https://enroll.example.com")
	}
	// The administrator's token goes with every request.
	if err := credentials.CheckBase(u); err != nil {
		return nil, errors.New("-url: want https, or http on loopback, with a host and nothing else")
	}
	if token == "" {
		return nil, errors.New("-token: required")
	}
	return &importer{strings.TrimSuffix(base, "/"), token, &http.Client{
		Timeout:       5 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// run sends the list and waits until it is done, with a line that shows how far
// it has come.
func (i *importer) run(ctx context.Context, file []byte, dryRun bool, progress io.Writer) (importJob, error) {
	query := "?background=true"
	if dryRun {
		query += "&dry_run=true"
	}
	job, err := i.call(ctx, http.MethodPost, "/api/v1/users/import"+query, file)
	if err != nil {
		return job, err
	}
	bar := newBar(progress)
	defer bar.end()
	for job.State == "checking" || job.State == "importing" {
		bar.show(job.Done, job.Total)
		select {
		case <-ctx.Done():
			return job, fmt.Errorf("the import goes on in the server as %s: %w", job.ID, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
		if job, err = i.call(ctx, http.MethodGet, "/api/v1/users/imports/"+job.ID, nil); err != nil {
			return job, err
		}
	}
	bar.show(job.Done, job.Total)
	return job, nil
}

func (i *importer) call(ctx context.Context, method, path string, body []byte) (job importJob, err error) {
	r, err := http.NewRequestWithContext(ctx, method, i.base+path, bytes.NewReader(body))
	if err != nil {
		return job, err
	}
	r.Header.Set("Authorization", "Bearer "+i.token)
	r.Header.Set("Content-Type", "text/csv")
	answer, err := i.client.Do(r)
	if err != nil {
		return job, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return job, err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		var problem struct{ Detail string }
		if json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
			problem.Detail = "this is no answer of a reference server"
		}
		return job, fmt.Errorf("%s: %s", answer.Status, problem.Detail)
	}
	if err := json.Unmarshal(text, &job); err != nil {
		return job, errors.New("this is no answer of a reference server")
	}
	return job, nil
}

// print tells what became of the list.
func (j importJob) print(out io.Writer, dryRun bool) error {
	for _, r := range j.Results {
		for _, e := range r.Errors {
			_, _ = fmt.Fprintf(out, "row %d: %s: %s\n", r.Row, e.Field, strings.ReplaceAll(e.Code, "_", " "))
		}
	}
	format := "%d created, %d updated, %d unchanged, %d not taken\n"
	if dryRun {
		format = "would be: " + format
	}
	_, err := fmt.Fprintf(out, format, j.Counts.Created, j.Counts.Updated, j.Counts.Unchanged, j.Counts.Error)
	if err == nil && j.Counts.Error > 0 {
		return exitCode(1)
	}
	return err
}

// bar is a line of progress: drawn again in its place on a terminal, and said in
// a few lines elsewhere.
type bar struct {
	w        io.Writer
	terminal bool
	quarter  int
	drawn    bool
}

func newBar(w io.Writer) *bar {
	b := &bar{w: w, quarter: -1}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

func (b *bar) show(done, total int) {
	share := 1.0
	if total > 0 {
		share = float64(done) / float64(total)
	}
	const width = 40
	full := int(share * width)
	if b.terminal {
		b.drawn = true
		_, _ = fmt.Fprintf(b.w, "\r[%s%s] %3.0f %%  %d of %d", strings.Repeat("#", full), strings.Repeat(".", width-full), share*100, done, total)
		return
	}
	if quarter := int(share * 4); quarter > b.quarter {
		b.quarter = quarter
		_, _ = fmt.Fprintf(b.w, "%d of %d\n", done, total)
	}
}

func (b *bar) end() {
	if b.drawn {
		_, _ = fmt.Fprintln(b.w)
	}
}
