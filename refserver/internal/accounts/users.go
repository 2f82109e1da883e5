package accounts

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"example.com/enrollkit/enrollment"
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

func scanUser(row interface{ Scan(...any) error }) (u User, err error) {
	var created int64
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.Language, &u.ExternalID, &created)
	u.CreatedAt = fromMicros(created)
	return u, notFound(err)
}

// CreateUser adds a user. With a key, the same request made again within
// [enrollment.RecordsKept] answers with the same user and adds none; another
// request with that key answers [enrollment.ErrKeyReused].
func (a *Accounts) CreateUser(ctx context.Context, site string, c UserChange, key string) (User, error) {
	u, emailKey, err := c.apply(User{ID: newID("u_"), CreatedAt: fromMicros(micros(time.Now()))})
	if err != nil {
		return User{}, err
	}
	err = a.update(ctx, func(tx *sql.Tx) error {
		if before, err := once(ctx, tx, site, key, c, u); err != nil || before != "" {
			if err == nil {
				u, err = scanUser(tx.QueryRowContext(ctx, `SELECT `+userColumns+` FROM ref_users WHERE site = ? AND id = ?`, site, before))
			}
			return err
		}
		if err := externalFree(ctx, tx, site, u); err != nil {
			return err
		}
		return insertUser(ctx, tx, site, u, emailKey)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

func insertUser(ctx context.Context, tx *sql.Tx, site string, u User, emailKey string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO ref_users (site, id, name, sort_name, email, email_key, language, external_id, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		site, u.ID, u.Name, sortName(u), u.Email, emailKey, u.Language, u.ExternalID, micros(u.CreatedAt))
	return err
}

func updateUser(ctx context.Context, tx *sql.Tx, site string, u User, emailKey string) error {
	_, err := tx.ExecContext(ctx, `UPDATE ref_users SET name = ?, sort_name = ?, email = ?, email_key = ?, language = ?, external_id = ?
		WHERE site = ? AND id = ?`, u.Name, sortName(u), u.Email, emailKey, u.Language, u.ExternalID, site, u.ID)
	return err
}

// once notes that a request with this key makes u, or returns the id of the user
// that it made before. Without a key there is nothing to note.
func once(ctx context.Context, tx *sql.Tx, site, key string, c UserChange, u User) (before string, err error) {
	if key == "" {
		return "", nil
	}
	request, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM ref_keys WHERE at < ?`, micros(u.CreatedAt.Add(-enrollment.RecordsKept))); err != nil {
		return "", err
	}
	var fingerprint []byte
	err = tx.QueryRowContext(ctx, `SELECT fingerprint, user FROM ref_keys WHERE site = ? AND key = ?`, site, key).Scan(&fingerprint, &before)
	switch {
	case err == nil && !bytes.Equal(fingerprint, hash(string(request))):
		return "", enrollment.ErrKeyReused
	case !errors.Is(err, sql.ErrNoRows):
		return before, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO ref_keys (site, key, fingerprint, user, at) VALUES (?, ?, ?, ?, ?)`,
		site, key, hash(string(request)), u.ID, micros(u.CreatedAt))
	return "", err
}

// ChangeUser changes a user of the directory. Invitations that were made before
// keep their address.
func (a *Accounts) ChangeUser(ctx context.Context, site, id string, c UserChange) (u User, err error) {
	err = a.update(ctx, func(tx *sql.Tx) error {
		var key string
		if u, err = scanUser(tx.QueryRowContext(ctx, `SELECT `+userColumns+` FROM ref_users WHERE site = ? AND id = ?`, site, id)); err != nil {
			return err
		}
		if u, key, err = c.apply(u); err != nil {
			return err
		}
		if err := externalFree(ctx, tx, site, u); err != nil {
			return err
		}
		return updateUser(ctx, tx, site, u, key)
	})
	return u, err
}

// externalFree keeps an id of another system from naming two users.
func externalFree(ctx context.Context, tx *sql.Tx, site string, u User) error {
	if u.ExternalID == "" {
		return nil
	}
	var taken int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM ref_users WHERE site = ? AND external_id = ? AND external_id <> '' AND id <> ?`, site, u.ExternalID, u.ID).Scan(&taken)
	if err == nil && taken > 0 {
		return enrollment.ErrExists
	}
	return err
}

func sortName(u User) string { return strings.ToLower(strings.TrimSpace(u.Name + " " + u.Email)) }

// User returns one user.
func (a *Accounts) User(ctx context.Context, site, id string) (User, error) {
	return scanUser(a.db.QueryRowContext(ctx, `SELECT `+userColumns+` FROM ref_users WHERE site = ? AND id = ?`, site, id))
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
	rows, err := a.db.QueryContext(ctx, `SELECT `+userColumns+` FROM ref_users
		WHERE site = ? AND (sort_name, id) > (?, ?) AND sort_name LIKE ? ESCAPE '\'
		ORDER BY sort_name, id LIMIT ?`, site, after[0], after[1], like, size+1)
	if err != nil {
		return UsersPage{}, err
	}
	defer func() { _ = rows.Close() }()
	page := UsersPage{Users: []User{}}
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return UsersPage{}, err
		}
		page.Users = append(page.Users, u)
	}
	if len(page.Users) > size {
		page.Users = page.Users[:size]
		last := page.Users[size-1]
		raw, _ := json.Marshal([2]string{sortName(last), last.ID}) // of strings, it cannot fail
		page.Next = base64.RawURLEncoding.EncodeToString(raw)
	}
	return page, rows.Err()
}

// Lookup implements [enrollment.Directory].
func (a *Accounts) Lookup(ctx context.Context, site, id string) (enrollment.User, error) {
	u, err := a.User(ctx, site, id)
	return enrollment.User{Site: site, ID: u.ID, Name: u.Name, Email: u.Email, Language: u.Language}, err
}

// ByEmail implements [enrollment.Directory].
func (a *Accounts) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	rows, err := a.db.QueryContext(ctx, `SELECT site, id, name, email, language FROM ref_users
		WHERE email_key = ? AND email_key <> '' ORDER BY site, id`, email)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []enrollment.User
	for rows.Next() {
		var u enrollment.User
		if err := rows.Scan(&u.Site, &u.ID, &u.Name, &u.Email, &u.Language); err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, rows.Err()
}
