package adminhttp

import (
	"context"
	"errors"
	"net/http"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
	"example.com/enrollkit/invitation"
)

// invitationsView is one page of the Invitations view.
type invitationsView struct {
	Invitations   []invitationView `json:"invitations"` // newest first
	NextPageToken string           `json:"next_page_token"`
}

func (a *api) invitations(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	ask := enrollment.InvitationsQuery{
		States: manyOf(q, "state", invitation.States()...),
		User:   q.text("user_id"), PageSize: q.pageSize(), PageToken: q.token(),
	}
	if err := q.wrong.err(); err != nil {
		return err
	}
	page, err := a.svc.Invitations(r.Context(), by, ask)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, invitationsView{each(page.Invitations, showInvitation), page.NextPageToken})
}

func (a *api) invitation(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	detail, err := a.svc.Invitation(r.Context(), by, id(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showInvitation(detail))
}

// invitationPatch is what can be edited.
type invitationPatch struct {
	Email *string `json:"email"`
}

func (a *api) editInvitation(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	var patch invitationPatch
	if err := httpkit.DecodeJSON(w, r, smallBody, &patch); err != nil {
		return err
	}
	if patch.Email == nil {
		return wrong{{Field: "email", Code: "required"}}.err()
	}
	detail, err := a.svc.EditEmail(r.Context(), by, id(r), *patch.Email)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showInvitation(detail))
}

// change serves a verb that changes one invitation and takes nothing else.
func (a *api) change(do func(context.Context, enrollment.Actor, string) (enrollment.InvitationDetail, error)) verb {
	return func(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
		if err := nothing(w, r); err != nil {
			return err
		}
		detail, err := do(r.Context(), by, id(r))
		if err != nil {
			return err
		}
		return reply(w, http.StatusOK, showInvitation(detail))
	}
}

// credentialsView is the answer with the secrets of an invitation in it.
type credentialsView struct {
	URL          string `json:"url"`
	PIN          string `json:"pin"`        // "" once it is burnt
	QRPayload    string `json:"qr_payload"` // what the QR code says
	QRPNG        []byte `json:"qr_png"`
	PINTriesLeft int    `json:"pin_tries_left"`
}

func (a *api) reveal(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	shown, err := a.svc.Reveal(r.Context(), by, id(r))
	if err != nil {
		return err
	}
	png, err := qrPNG(shown.QR)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, credentialsView{
		URL: shown.URL.Reveal(), PIN: shown.PIN.Reveal(), QRPayload: shown.QR.Reveal(),
		QRPNG: png, PINTriesLeft: shown.PINTriesLeft,
	})
}

// qrScale is in pixels per module: a link fits a screen, and the largest code
// that a phone still reads off one is not cut.
const qrScale = 6

// qrPNG draws a payload, at the lower level if it is too long for the usual one.
func qrPNG(payload credentials.Secret) ([]byte, error) {
	if payload.IsZero() {
		return []byte{}, nil
	}
	code, err := credentials.EncodeQR(payload)
	if errors.Is(err, credentials.ErrTooLong) {
		code, err = credentials.EncodeQRLevel(payload, credentials.QRLow)
	}
	if err != nil {
		return nil, err
	}
	return code.AppendPNG(nil, qrScale), nil
}
