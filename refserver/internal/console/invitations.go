package console

import (
	"html/template"
	"net/http"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/internal/accounts"
)

// invitationsData is the Invitations view.
type invitationsData struct {
	list
	enrollment.InvitationsPage
	State  string
	States []invitation.State
	User   string
}

func (c *Console) invitations(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	q := r.URL.Query()
	query := enrollment.InvitationsQuery{User: q.Get("user"), PageSize: pageRows, PageToken: q.Get("page")}
	if state := q.Get("state"); state != "" {
		query.States = []invitation.State{invitation.State(state)}
	}
	page, err := c.Service.Invitations(r.Context(), by.Actor(), query)
	if err != nil {
		return err
	}
	c.render(w, r, by, http.StatusOK, "invitations", "Invitations", invitationsData{
		list: list{"/invitations", q}, InvitationsPage: page, State: q.Get("state"), States: invitation.States(), User: query.User,
	})
	return nil
}

// FetchedAt is when the page of an invitation was fetched last.
func (invitationsData) FetchedAt(d enrollment.InvitationDetail) time.Time { return fetchedAt(d) }

func fetchedAt(d enrollment.InvitationDetail) (last time.Time) {
	for _, s := range d.Sightings {
		if s.Evidence == invitation.Fetched && s.Last.After(last) {
			last = s.Last
		}
	}
	return last
}

// invitationData is one invitation's page.
type invitationData struct {
	enrollment.InvitationDetail
	Email string // in the form
	Wrong string
}

func (c *Console) invitation(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	detail, err := c.Service.Invitation(r.Context(), by.Actor(), id(r))
	if err != nil {
		return err
	}
	c.render(w, r, by, http.StatusOK, "invitation", "Invitation", invitationData{InvitationDetail: detail, Email: detail.Email})
	return nil
}

func (c *Console) editEmail(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	email := r.PostFormValue("email")
	_, err := c.Service.EditEmail(r.Context(), by.Actor(), id(r), email)
	if wrong := fieldErrors(err); len(wrong) > 0 {
		detail, err := c.Service.Invitation(r.Context(), by.Actor(), id(r))
		if err != nil {
			return err
		}
		c.render(w, r, by, http.StatusUnprocessableEntity, "invitation", "Invitation", invitationData{detail, email, wrong["email"]})
		return nil
	}
	if err != nil {
		return err
	}
	return c.done(w, r, "/invitations/"+id(r), "email")
}

func (c *Console) sendInvitation(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if _, err := c.Service.Send(r.Context(), by.Actor(), id(r)); err != nil {
		return err
	}
	return c.done(w, r, back(r, "/invitations"), "sent")
}

// credentialsData is what is shown of an invitation's credentials, once.
type credentialsData struct {
	ID, About string
	URL, PIN  string
	TriesLeft int
	QR        template.HTML
	Email     string
}

// reveal shows the credentials as the answer to a POST: nothing of them is in an
// address, and nothing is kept.
func (c *Console) reveal(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	shown, err := c.Service.Reveal(r.Context(), by.Actor(), id(r))
	if err != nil {
		return err
	}
	detail, err := c.Service.Invitation(r.Context(), by.Actor(), id(r))
	if err != nil {
		return err
	}
	data := credentialsData{
		ID: id(r), About: person(detail.User.Name, detail.Email), Email: detail.Email, URL: shown.URL.Reveal(),
		PIN: credentials.GroupPIN(shown.PIN.Reveal()), TriesLeft: shown.PINTriesLeft,
	}
	if !shown.QR.IsZero() {
		qr, err := credentials.EncodeQR(shown.QR)
		if err != nil {
			return err
		}
		// The SDK writes it, without text, script or reference.
		data.QR = template.HTML(qr.AppendSVG(nil))
	}
	c.render(w, r, by, http.StatusOK, "credentials", "Credentials", data)
	return nil
}
