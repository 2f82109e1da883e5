package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
)

// inviteData is the page on which users are chosen.
type inviteData struct {
	list
	accounts.UsersPage
	Search  string
	Chosen  map[string]string // by user: the address in the form
	Form    map[string]string // the other fields
	Modes   []device.Mode
	Wrong   map[string]string
	Results []inviteRow
	Counts  enrollment.InviteCounts
	Preview bool
}

// inviteRow is what became, or would become, of one person.
type inviteRow struct {
	Name, Email string
	enrollment.InviteResult
	Code string
}

func (c *Console) invitePage(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	return c.showInvite(w, r, by, http.StatusOK, inviteData{})
}

func (c *Console) showInvite(w http.ResponseWriter, r *http.Request, by accounts.Principal, status int, data inviteData) error {
	q := r.URL.Query()
	page, err := c.Accounts.Users(r.Context(), by.Site, q.Get("q"), q.Get("page"), pageRows)
	if err != nil {
		return err
	}
	data.list, data.UsersPage, data.Search, data.Modes = list{"/invitations/new", q}, page, q.Get("q"), device.Modes("")
	if user := q.Get("user"); user != "" && data.Chosen == nil {
		data.Chosen = map[string]string{}
		if u, err := c.Accounts.User(r.Context(), by.Site, user); err == nil {
			data.Chosen[u.ID] = u.Email
			data.Users = append([]accounts.User{u}, without(data.Users, u.ID)...)
		}
	}
	c.render(w, r, by, status, "invite", "Invite users", data)
	return nil
}

func without(users []accounts.User, id string) []accounts.User {
	var rest []accounts.User
	for _, u := range users {
		if u.ID != id {
			rest = append(rest, u)
		}
	}
	return rest
}

// options reads what is the same for all who are invited together.
func options(r *http.Request) (enrollment.InviteRequest, error) {
	request := enrollment.InviteRequest{
		Send:      r.PostFormValue("deliver") == "send",
		IfActive:  enrollment.IfActive(r.PostFormValue("if_active")),
		Mode:      device.Mode(r.PostFormValue("mode")),
		Ownership: device.Ownership(r.PostFormValue("ownership")),
	}
	var wrong []enrollment.FieldError
	if most, ok := number(r.PostFormValue("max_devices")); !ok {
		wrong = append(wrong, enrollment.FieldError{Field: "max_devices", Code: "malformed"})
	} else if most != nil {
		request.MaxDevices = *most
	}
	if day := r.PostFormValue("expires_on"); day != "" {
		t, err := time.Parse(time.DateOnly, day)
		if err != nil {
			wrong = append(wrong, enrollment.FieldError{Field: "expires_on", Code: "malformed"})
		}
		request.ExpiresAt = t.AddDate(0, 0, 1) // the day named is the last
	}
	if len(wrong) > 0 {
		return request, &enrollment.ValidationError{Fields: wrong}
	}
	return request, nil
}

func (c *Console) invite(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	data := inviteData{Chosen: map[string]string{}, Form: formOf(r), Preview: r.PostFormValue("deliver") == "preview"}
	common, err := options(r)
	if err != nil {
		return c.inviteAgain(w, r, by, data, err)
	}
	many := enrollment.InviteManyRequest{DryRun: data.Preview}
	for _, user := range r.PostForm["user"] {
		one := common
		one.User, one.Email = user, strings.TrimSpace(r.PostFormValue("email_"+user))
		data.Chosen[user] = one.Email
		many.Invites = append(many.Invites, one)
	}
	if len(many.Invites) == 0 {
		return c.inviteAgain(w, r, by, data, &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "users", Code: "required"}}})
	}
	results, err := c.Service.InviteMany(r.Context(), by.Actor(), many)
	if err != nil {
		return c.inviteAgain(w, r, by, data, err)
	}
	for _, result := range results {
		row := inviteRow{InviteResult: result, Email: result.Email, Code: enrollment.Code(result.Err)}
		if u, err := c.Accounts.User(r.Context(), by.Site, result.User); err == nil {
			row.Name = u.Name
		}
		data.Results = append(data.Results, row)
	}
	data.Counts = enrollment.CountInvites(results)
	if data.Preview || data.Counts.Refused > 0 {
		return c.showInvite(w, r, by, http.StatusOK, data)
	}
	return c.done(w, r, "/invitations", "invited."+strconv.Itoa(len(results)))
}

// inviteOutside invites somebody who is not in the directory.
func (c *Console) inviteOutside(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	request := enrollment.InviteRequest{
		Name: strings.TrimSpace(r.PostFormValue("name")), Email: strings.TrimSpace(r.PostFormValue("email")),
		Send: r.PostFormValue("deliver") == "send",
	}
	result, err := c.Service.Invite(r.Context(), by.Actor(), request)
	if err == nil {
		err = result.Err
	}
	if err != nil {
		return c.inviteAgain(w, r, by, inviteData{Form: formOf(r)}, err)
	}
	return c.done(w, r, "/invitations", "invited.1")
}

// inviteAgain shows the form with what is wrong in it.
func (c *Console) inviteAgain(w http.ResponseWriter, r *http.Request, by accounts.Principal, data inviteData, err error) error {
	data.Wrong = fieldErrors(err)
	if len(data.Wrong) == 0 {
		return err
	}
	return c.showInvite(w, r, by, http.StatusUnprocessableEntity, data)
}

// formOf returns the single fields of a form, to be shown again.
func formOf(r *http.Request) map[string]string {
	form := map[string]string{}
	for name, values := range r.PostForm {
		if len(values) == 1 {
			form[name] = values[0]
		}
	}
	return form
}

// fieldErrors returns the words for what is wrong with each field; empty if err
// is not about fields.
func fieldErrors(err error) map[string]string {
	wrong := map[string]string{}
	if invalid, ok := errors.AsType[*enrollment.ValidationError](err); ok {
		for _, f := range invalid.Fields {
			wrong[f.Field] = word(wrongs, f.Code)
		}
	}
	if errors.Is(err, enrollment.ErrNoAddress) {
		wrong["email"] = word(wrongs, "no_address")
	}
	return wrong
}
