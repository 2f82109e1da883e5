package accounts

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// User is a person of a site's directory.
type User struct {
	ID         string    `json:"id"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Language   string    `json:"language"`
	ExternalID string    `json:"external_id"`
	CreatedAt  time.Time `json:"created_at"`
}

// UserChange is what may be set of a user; nil leaves a field as it is.
type UserChange struct {
	Email      *string `json:"email"`
	Name       *string `json:"name"`
	Language   *string `json:"language"`
	ExternalID *string `json:"external_id"`
}

// apply returns u with c, and the address as it is looked up.
func (c UserChange) apply(u User) (User, string, error) {
	for _, f := range []struct{ from, to *string }{
		{c.Email, &u.Email}, {c.Name, &u.Name}, {c.Language, &u.Language}, {c.ExternalID, &u.ExternalID},
	} {
		if f.from != nil {
			*f.to = strings.TrimSpace(*f.from)
		}
	}
	var wrong fields
	wrong.text("name", u.Name, u.Email == "")
	wrong.text("external_id", u.ExternalID, false)
	if u.Language != "" && !language.MatchString(u.Language) {
		wrong.add("language", "malformed")
	}
	key := wrong.email("email", u.Email)
	return u, key, wrong.err()
}

const userColumns = `id, email, name, language, external_id, created_at`

func scanUser(row database.Scanner) (u User, err error) {
	var created int64
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.Language, &u.ExternalID, &created)
	u.CreatedAt = fromMicros(created)
	return u, err
}

// rows is a unit, or the database itself.
type rows interface {
	Rows(ctx context.Context, text string, args []any, scan func(database.Scanner) error) error
}

// queryUsers returns the users that the end of a statement chooses. That a key
// is not empty has to stand in it, or SQLite does not take the index of those
// that are not.
func queryUsers(ctx context.Context, from rows, where string, args ...any) (list []User, err error) {
	err = from.Rows(ctx, `SELECT `+userColumns+` FROM ref_users WHERE `+where, args, func(row database.Scanner) error {
		u, err := scanUser(row)
		list = append(list, u)
		return err
	})
	return list, err
}

func getUser(ctx context.Context, from rows, site, id string) (User, error) {
	list, err := queryUsers(ctx, from, `site = ? AND id = ?`, site, id)
	if err == nil && len(list) == 0 {
		err = enrollment.ErrNotFound
	}
	if err != nil {
		return User{}, err
	}
	return list[0], nil
}

// CreateUser adds a user. With a key, the same request made again within
// [enrollment.RecordsKept] answers with the same user and adds none; another
// request with that key answers [enrollment.ErrKeyReused].
func (a *Accounts) CreateUser(ctx context.Context, site string, change UserChange, key string) (User, error) {
	u, emailKey, err := change.apply(User{ID: newID("u_"), CreatedAt: fromMicros(micros(time.Now()))})
	if err != nil {
		return User{}, err
	}
	made := u
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		u = made // again, if this runs again
		before, err := once(ctx, c, site, key, change, u)
		if err != nil {
			return err
		}
		if before != "" {
			u, err = getUser(ctx, c, site, before)
			return err
		}
		if err := externalFree(ctx, c, site, u); err != nil {
			return err
		}
		return insertUser(ctx, c, site, u, emailKey)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

func insertUser(ctx context.Context, c database.Conn, site string, u User, emailKey string) error {
	_, err := c.Exec(ctx, `INSERT INTO ref_users (site, id, name, sort_name, email, email_key, language, external_id, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		site, u.ID, u.Name, sortName(u), u.Email, emailKey, u.Language, u.ExternalID, micros(u.CreatedAt))
	return err
}

func updateUser(ctx context.Context, c database.Conn, site string, u User, emailKey string) error {
	n, err := c.Exec(ctx, `UPDATE ref_users SET name = ?, sort_name = ?, email = ?, email_key = ?, language = ?, external_id = ?
		WHERE site = ? AND id = ?`, u.Name, sortName(u), u.Email, emailKey, u.Language, u.ExternalID, site, u.ID)
	if err == nil && n == 0 {
		err = enrollment.ErrNotFound // erased since it was read
	}
	return err
}

// once notes that a request with this key makes u, or returns the id of the user
// that it made before. Without a key there is nothing to note.
func once(ctx context.Context, c database.Conn, site, key string, change UserChange, u User) (before string, err error) {
	if key == "" {
		return "", nil
	}
	request, err := json.Marshal(change)
	if err != nil {
		return "", err
	}
	if _, err := c.Exec(ctx, `DELETE FROM ref_keys WHERE at < ?`, micros(u.CreatedAt.Add(-enrollment.RecordsKept))); err != nil {
		return "", err
	}
	// Two requests with one key at once: the second waits here for the first.
	n, err := c.Exec(ctx, `INSERT INTO ref_keys (site, key, fingerprint, "user", at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (site, key) DO NOTHING`,
		site, key, hash(string(request)), u.ID, micros(u.CreatedAt))
	if err != nil || n == 1 {
		return "", err
	}
	var fingerprint []byte
	if err := c.Row(ctx, `SELECT fingerprint, "user" FROM ref_keys WHERE site = ? AND key = ?`, []any{site, key}, &fingerprint, &before); err != nil {
		return "", err
	}
	if !bytes.Equal(fingerprint, hash(string(request))) {
		return "", enrollment.ErrKeyReused
	}
	return before, nil
}

// ChangeUser changes a user of the directory. Invitations that were made before
// keep their address.
func (a *Accounts) ChangeUser(ctx context.Context, site, id string, change UserChange) (u User, err error) {
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "users of "+site); err != nil { // of two changes neither undoes the other
			return err
		}
		old, err := getUser(ctx, c, site, id)
		if err != nil {
			return err
		}
		var key string
		if u, key, err = change.apply(old); err != nil {
			return err
		}
		if err := externalFree(ctx, c, site, u); err != nil {
			return err
		}
		return updateUser(ctx, c, site, u, key)
	})
	return u, err
}

// EraseUser removes a user from the directory and reports whether there was one.
// Lists of users that are being checked, or were and are not started, go as well,
// because each holds data of everybody as it came: always if there was such a
// user, and if known says that the person is known by other means. A list that is
// being imported goes on, and may bring the person back.
func (a *Accounts) EraseUser(ctx context.Context, site, id string, known bool) (gone bool, err error) {
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		if err := c.Hold(ctx, "users of "+site); err != nil { // a change under way ends before, or finds nobody
			return err
		}
		n, err := c.Exec(ctx, `DELETE FROM ref_users WHERE site = ? AND id = ?`, site, id)
		if gone = n > 0; err != nil || !gone && !known {
			return err
		}
		// The answer to the request that made the user names nobody any more.
		if _, err := c.Exec(ctx, `DELETE FROM ref_keys WHERE site = ? AND "user" = ?`, site, id); err != nil {
			return err
		}
		// Whoever is checking a list loses it by its fence.
		if _, err := c.Exec(ctx, `DELETE FROM ref_imports WHERE site = ? AND state IN (?, ?)`, site, "checking", "checked"); err != nil {
			return err
		}
		_, err = c.Exec(ctx, `DELETE FROM ref_import_results WHERE site = ? AND id NOT IN (SELECT id FROM ref_imports WHERE site = ?)`, site, site)
		return err
	})
	return gone, err
}

// externalFree keeps an id of another system from naming two users.
func externalFree(ctx context.Context, c database.Conn, site string, u User) error {
	if u.ExternalID == "" {
		return nil
	}
	var taken int
	err := c.Row(ctx, `SELECT count(*) FROM ref_users WHERE site = ? AND external_id = ? AND external_id <> '' AND id <> ?`,
		[]any{site, u.ExternalID, u.ID}, &taken)
	if err == nil && taken > 0 {
		return enrollment.ErrExists
	}
	return err
}

func sortName(u User) string { return strings.ToLower(strings.TrimSpace(u.Name + " " + u.Email)) }

// User returns one user.
func (a *Accounts) User(ctx context.Context, site, id string) (User, error) {
	return getUser(ctx, a.db, site, id)
}

// UsersPage is a page of users by name.
type UsersPage struct {
	Users []User
	Next  string // empty: this is the last
}

// Users returns at most size users whose name or address contains search, behind
// the page token.
func (a *Accounts) Users(ctx context.Context, site, search, token string, size int) (UsersPage, error) {
	var after [2]string
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || json.Unmarshal(raw, &after) != nil {
			return UsersPage{}, enrollment.ErrPageToken
		}
	}
	like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(search)) + "%"
	list, err := queryUsers(ctx, a.db, `site = ? AND (sort_name, id) > (?, ?) AND sort_name LIKE ? ESCAPE '\'
		ORDER BY sort_name, id LIMIT ?`, site, after[0], after[1], like, size+1)
	if err != nil {
		return UsersPage{}, err
	}
	page := UsersPage{Users: append([]User{}, list...)}
	if len(page.Users) > size {
		page.Users = page.Users[:size]
		last := page.Users[size-1]
		raw, _ := json.Marshal([2]string{sortName(last), last.ID}) // of strings, it cannot fail
		page.Next = base64.RawURLEncoding.EncodeToString(raw)
	}
	return page, nil
}

// Lookup implements [enrollment.Directory].
func (a *Accounts) Lookup(ctx context.Context, site, id string) (enrollment.User, error) {
	u, err := a.User(ctx, site, id)
	return enrollment.User{Site: site, ID: u.ID, Name: u.Name, Email: u.Email, Language: u.Language}, err
}

// ByEmail implements [enrollment.Directory].
func (a *Accounts) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	var list []enrollment.User
	err := a.db.Rows(ctx, `SELECT site, id, name, email, language FROM ref_users
		WHERE email_key = ? AND email_key <> '' ORDER BY site, id`, []any{email}, func(row database.Scanner) error {
		var u enrollment.User
		if err := row.Scan(&u.Site, &u.ID, &u.Name, &u.Email, &u.Language); err != nil {
			return err
		}
		list = append(list, u)
		return nil
	})
	return list, err
}
