package adminhttp

import (
	"net/http"
	"net/url"

	"example.com/enrollkit/enrollment"
)

// userID is the user's id in the path, which may be any text of the embedder's,
// percent-encoded. One that no user can have is nobody's.
func userID(r *http.Request) (string, error) {
	user, err := url.PathUnescape(id(r))
	if err != nil || len(user) > 128 || !clean(user) {
		return "", enrollment.ErrNotFound
	}
	return user, nil
}

// exportUser is a POST, since the journal notes it.
func (a *api) exportUser(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	user, err := userID(r)
	if err != nil {
		return err
	}
	export, err := a.svc.ExportUser(r.Context(), by, user)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, export)
}

func (a *api) eraseUser(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	user, err := userID(r)
	if err != nil {
		return err
	}
	if err := a.svc.EraseUser(r.Context(), by, user); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
