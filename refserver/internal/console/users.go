package console

import (
	"errors"
	"net/http"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/web"
)

// usersData is the list of users.
type usersData struct {
	list
	accounts.UsersPage
	Search string
}

func (c *Console) users(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	q := r.URL.Query()
	page, err := c.Accounts.Users(r.Context(), by.Site, q.Get("q"), q.Get("page"), pageRows)
	if err != nil {
		return err
	}
	c.render(w, r, by, http.StatusOK, "users", "Users", usersData{list{"/users", q}, page, q.Get("q")})
	return nil
}

// userData is the form of one user.
type userData struct {
	accounts.User
	Wrong       map[string]string
	Invitations []enrollment.InvitationDetail
}

func (c *Console) userPage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	return c.showUser(w, r, by, http.StatusOK, nil, nil)
}

// showUser shows the form: of the stored user, with what was typed on top.
func (c *Console) showUser(w http.ResponseWriter, r *http.Request, by accounts.Principal, status int, typed *accounts.User, wrong map[string]string) error {
	data := userData{Wrong: wrong}
	title := "Add user"
	if user := id(r); user != "" {
		stored, err := c.Accounts.User(r.Context(), by.Site, user)
		if err != nil {
			return err
		}
		page, err := c.Service.Invitations(r.Context(), by.Actor(), enrollment.InvitationsQuery{User: user, PageSize: 10})
		if err != nil {
			return err
		}
		data.User, data.Invitations = stored, page.Invitations
		title = stored.Name
	}
	if typed != nil {
		typed.ID, typed.CreatedAt = data.ID, data.CreatedAt
		data.User = *typed
	}
	if title == "" {
		title = "User"
	}
	c.render(w, r, by, status, "user", title, data)
	return nil
}

func (c *Console) saveUser(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	typed := accounts.User{
		Name: r.PostFormValue("name"), Email: r.PostFormValue("email"),
		Language: r.PostFormValue("language"), ExternalID: r.PostFormValue("external_id"),
	}
	change := accounts.UserChange{Name: &typed.Name, Email: &typed.Email, Language: &typed.Language, ExternalID: &typed.ExternalID}
	saved, done := accounts.User{}, "user_saved"
	var err error
	if user := id(r); user == "" {
		done = "user_added"
		saved, err = c.Accounts.CreateUser(r.Context(), by.Site, change, "")
	} else {
		saved, err = c.Accounts.ChangeUser(r.Context(), by.Site, user, change)
	}
	wrong := fieldErrors(err)
	if errors.Is(err, enrollment.ErrExists) {
		wrong["external_id"] = word(wrongs, "conflict")
	}
	if len(wrong) > 0 {
		return c.showUser(w, r, by, http.StatusUnprocessableEntity, &typed, wrong)
	}
	if err != nil {
		return err
	}
	return c.done(w, r, "/users/"+saved.ID, done)
}

// exportUser answers with a file of everything that is held about a person. It
// is a change, because the journal notes who asked for it.
func (c *Console) exportUser(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	known, err := c.Accounts.User(r.Context(), by.Site, id(r))
	if err != nil {
		return err
	}
	held, err := c.Service.ExportUser(r.Context(), by.Actor(), known.ID)
	if err != nil && !errors.Is(err, enrollment.ErrNotFound) { // never invited: there is the directory only
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+known.ID+`.json"`)
	web.WriteJSON(w, http.StatusOK, map[string]any{"directory": known, "enrollment": held})
	return nil
}
