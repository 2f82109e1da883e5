package accounts

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/usercsv"
)

// Action is what an import does, or would do, with a row.
type Action string

// The actions.
const (
	Created   Action = "created"
	Updated   Action = "updated"
	Unchanged Action = "unchanged"
	Refused   Action = "error"
)

// ImportResult is what became of one row.
type ImportResult struct {
	Row    int           `json:"row"` // as a spreadsheet counts: the header is row 1
	Action Action        `json:"action"`
	User   string        `json:"user_id"` // empty: nobody, or not made yet
	Errors []ImportError `json:"errors"`
}

// ImportError is one cell that was not taken.
type ImportError struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

// ImportCounts are how many rows met with each action.
type ImportCounts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Refused   int `json:"error"`
}

// Add counts results.
func (c *ImportCounts) Add(results []ImportResult) {
	for _, r := range results {
		switch r.Action {
		case Created:
			c.Created++
		case Updated:
			c.Updated++
		case Unchanged:
			c.Unchanged++
		case Refused:
			c.Refused++
		}
	}
}

// importChunk is how many rows share a transaction: enough that the disk is not
// waited for at each, and few enough that others get their turn.
const importChunk = 250

// maxPause bounds how long an import stands back after each lot.
const maxPause = 100 * time.Millisecond

// Import is one list of users on its way into a site.
type Import struct {
	Site   string
	File   usercsv.File
	DryRun bool // only tell what would be done
	From   int  // how many rows were done before
	// Each is called in the unit of each lot, again if that runs again. In a
	// dry run it may only write if Record says so.
	Each   func(ctx context.Context, c database.Conn, results []ImportResult) error
	Record bool
	Done   func() // called after the commit of each lot; nil: nobody wants to know
}

// ImportUsers adds and changes users, some rows at a time, each lot in a
// unit of its own. A row is about the user with its external id, or else
// with its e-mail address, or else about a new one. A column that is absent
// leaves what users have; an empty cell empties it. What is wrong with a row is
// in its result and keeps no other row back.
func (a *Accounts) ImportUsers(ctx context.Context, im Import) error {
	rows := readRows(im.File)
	work := importer{site: im.Site, dry: im.DryRun, moved: map[string]string{}, lot: map[string]string{}}
	reads := im.DryRun && !im.Record
	for lot := range slices.Chunk(rows[min(im.From, len(rows)):], importChunk) {
		run := a.db.Update
		if reads {
			run = a.db.View
		}
		began := time.Now()
		err := run(ctx, func(ctx context.Context, c database.Conn) error {
			if !reads {
				// Two lists at once would each add the same person.
				if err := c.Hold(ctx, "users of "+im.Site); err != nil {
					return err
				}
			}
			clear(work.lot) // again, if this runs again
			results := make([]ImportResult, 0, len(lot))
			for _, row := range lot {
				result, err := work.row(ctx, c, row)
				if err != nil {
					return err
				}
				results = append(results, result)
			}
			return im.Each(ctx, c, results)
		})
		if err != nil {
			return err
		}
		maps.Copy(work.moved, work.lot)
		if im.Done != nil {
			im.Done()
		}
		if !reads {
			// Whoever waits for the one writer of SQLite asks again from time to
			// time only, and has to find it free.
			time.Sleep(min(time.Since(began), maxPause))
		}
	}
	return nil
}

// importRow is one row, read.
type importRow struct {
	n      int
	change UserChange
	key    string // of the address
	wrong  fields
}

// readRows reads cells into changes, and refuses what is there twice.
func readRows(f usercsv.File) []importRow {
	rows := make([]importRow, 0, len(f.Rows))
	addresses, externals := map[string]bool{}, map[string]bool{}
	for _, r := range f.Rows {
		row := importRow{n: r.N}
		if r.Ragged {
			row.wrong.add("row", "mismatch")
			rows = append(rows, row)
			continue
		}
		for i, column := range f.Columns {
			cell := &r.Cells[i]
			switch column {
			case usercsv.Email:
				row.change.Email = cell
			case usercsv.Name:
				row.change.Name = cell
			case usercsv.Language:
				row.change.Language = cell
			case usercsv.ExternalID:
				row.change.ExternalID = cell
			}
		}
		// What the change makes of nobody shows most of what is wrong with it.
		u, key, _ := row.change.apply(User{})
		row.key = key
		if key != "" && addresses[key] {
			row.wrong.add(usercsv.Email, "repeated")
		}
		if u.ExternalID != "" && externals[u.ExternalID] {
			row.wrong.add(usercsv.ExternalID, "repeated")
		}
		addresses[key], externals[u.ExternalID] = true, true
		rows = append(rows, row)
	}
	return rows
}

// importer remembers between rows what a dry run does not write.
type importer struct {
	site  string
	dry   bool
	moved map[string]string // by user: the address that a row gave
	lot   map[string]string // the same of the lot under way
}

func (im *importer) row(ctx context.Context, c database.Conn, row importRow) (ImportResult, error) {
	result := ImportResult{Row: row.n, Action: Refused, Errors: []ImportError{}}
	refuse := func(wrong fields) (ImportResult, error) {
		for _, f := range wrong {
			result.Errors = append(result.Errors, ImportError{f.Field, f.Code})
		}
		return result, nil
	}
	if len(row.wrong) > 0 {
		return refuse(row.wrong)
	}
	old, wrong, err := im.find(ctx, c, row)
	if err != nil || len(wrong) > 0 {
		if err != nil {
			return result, err
		}
		return refuse(wrong)
	}
	u, key, err := row.change.apply(old)
	if err != nil {
		return refuse(fieldsOf(err))
	}
	result.User = old.ID
	switch {
	case old.ID == "":
		result.Action = Created
	case u == old:
		result.Action = Unchanged
		return result, nil
	default:
		result.Action = Updated
		im.lot[old.ID] = key
	}
	if im.dry {
		return result, nil
	}
	if old.ID == "" {
		u.ID, u.CreatedAt = newID("u_"), fromMicros(micros(time.Now()))
		result.User = u.ID
		return result, insertUser(ctx, c, im.site, u, key)
	}
	return result, updateUser(ctx, c, im.site, u, key)
}

// find returns whom a row is about, nobody if it is a new user, and refuses a
// row whose id and address point to two people.
func (im *importer) find(ctx context.Context, c database.Conn, row importRow) (User, fields, error) {
	var wrong fields
	var byID User
	external := ""
	if row.change.ExternalID != nil {
		given, _, _ := UserChange{ExternalID: row.change.ExternalID}.apply(User{})
		external = given.ExternalID
	}
	if external != "" {
		list, err := queryUsers(ctx, c, `site = ? AND external_id = ? AND external_id <> '' LIMIT 3`, im.site, external)
		if err != nil {
			return User{}, nil, err
		}
		if len(list) > 0 {
			byID = list[0]
		}
	}
	if row.key == "" {
		return byID, nil, nil
	}
	holders, err := queryUsers(ctx, c, `site = ? AND email_key = ? AND email_key <> '' LIMIT 3`, im.site, row.key)
	if err != nil {
		return User{}, nil, err
	}
	holders = slices.DeleteFunc(holders, func(u User) bool {
		key, moved := im.lot[u.ID]
		if !moved {
			key, moved = im.moved[u.ID]
		}
		return u.ID == byID.ID || moved && key != row.key
	})
	switch {
	case byID.ID != "" && len(holders) > 0, len(holders) > 1:
		wrong.add(usercsv.Email, "conflict") // somebody else has it
	case byID.ID != "" || len(holders) == 0:
		return byID, nil, nil
	case external != "" && holders[0].ExternalID != "":
		wrong.add(usercsv.ExternalID, "conflict") // the holder of the address is known by another id
	}
	if len(wrong) > 0 {
		return User{}, wrong, nil
	}
	return holders[0], nil, nil
}

// AllUsers calls each with every user of a site, by name.
func (a *Accounts) AllUsers(ctx context.Context, site string, each func(User)) error {
	for token := ""; ; {
		page, err := a.Users(ctx, site, "", token, 500)
		if err != nil {
			return err
		}
		for _, u := range page.Users {
			each(u)
		}
		if token = page.Next; token == "" {
			return nil
		}
	}
}

// String says the counts in words.
func (c ImportCounts) String() string {
	return strconv.Itoa(c.Created) + " created, " + strconv.Itoa(c.Updated) + " updated, " +
		strconv.Itoa(c.Unchanged) + " unchanged, " + strconv.Itoa(c.Refused) + " not taken"
}
