package simulate

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
)

// apiPath is where the administrators' API stands.
const apiPath = "/api/v1"

// admin is an administrator at the console.
type admin struct {
	*client
	base  string
	token string
}

// ask sends a request of the administrator and decodes a good answer into into,
// if that is not nil.
func (a *admin) ask(ctx context.Context, who, method, route, path string, body, into any, want ...string) (answer, error) {
	header := http.Header{"Authorization": {"Bearer " + a.token}}
	if method == http.MethodPost && route == "/invitations" { // inviting twice is not inviting once
		header.Set("Idempotency-Key", rand.Text())
	}
	got, err := a.do(ctx, call{
		method: method, url: a.base + apiPath + path, route: apiPath + route,
		header: header, body: body, want: want, who: who,
	})
	if err != nil || into == nil || got.status >= 300 {
		return got, err
	}
	if err := got.decode(into); err != nil {
		return got, a.unforeseen(call{who: who, method: method, route: apiPath + route, want: want}, "a body of another shape")
	}
	return got, nil
}

// invitationState is the part of an invitation that is compared.
type invitationState struct {
	ID        string  `json:"id"`
	State     string  `json:"state"`
	Reason    string  `json:"reason"`
	Email     string  `json:"email"`
	Devices   int     `json:"devices"`
	FetchedAt *string `json:"fetched_at"`
	User      struct {
		ID    string `json:"id"`
		Email string `json:"email"`
		Name  string `json:"name"`
	} `json:"user"`
	Mode       string `json:"mode"`
	Ownership  string `json:"ownership"`
	MaxDevices int    `json:"max_devices"`
}

// invitation looks at one invitation.
func (a *admin) invitation(ctx context.Context, who, id string) (v invitationState, err error) {
	_, err = a.ask(ctx, who, http.MethodGet, "/invitations/{id}", "/invitations/"+url.PathEscape(id), nil, &v, "200")
	return v, err
}

// change calls a verb of an invitation that takes nothing.
func (a *admin) change(ctx context.Context, who, id, verb string) (v invitationState, err error) {
	_, err = a.ask(ctx, who, http.MethodPost, "/invitations/{id}/"+verb, "/invitations/"+url.PathEscape(id)+"/"+verb, nil, &v, "200")
	return v, err
}

// codes are the credentials of one invitation.
type codes struct {
	URL string `json:"url"`
	PIN string `json:"pin"`
	QR  string `json:"qr_payload"`
}

// reveal shows the credentials, as an administrator reads them out or sends them
// by another channel.
func (a *admin) reveal(ctx context.Context, who, id string) (v codes, err error) {
	_, err = a.ask(ctx, who, http.MethodPost, "/invitations/{id}/credentials", "/invitations/"+url.PathEscape(id)+"/credentials", nil, &v, "200")
	return v, err
}

// command calls a verb of a device.
func (a *admin) command(ctx context.Context, who, id, verb string) error {
	_, err := a.ask(ctx, who, http.MethodPost, "/devices/{id}/"+verb, "/devices/"+url.PathEscape(id)+"/"+verb, nil, nil, "200")
	return err
}

// forget deletes a device.
func (a *admin) forget(ctx context.Context, who, id string) error {
	_, err := a.ask(ctx, who, http.MethodDelete, "/devices/{id}", "/devices/"+url.PathEscape(id), nil, nil, "204")
	return err
}
