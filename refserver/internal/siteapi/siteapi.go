// Package siteapi is the part of the JSON API that the reference server brings
// by itself: sites, their settings and their users. Everything else under
// /api/v1 is the SDK's adminhttp.
package siteapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
	"example.com/enrollkit/refserver/internal/imports"
	"example.com/enrollkit/refserver/internal/session"
	"example.com/enrollkit/refserver/internal/web"
)

// API is the routes. Every field is required but OperatorToken, without which
// nobody makes sites.
type API struct {
	Accounts      *accounts.Accounts
	Imports       *imports.Jobs
	Guard         *session.Guard
	OperatorToken credentials.Secret
	// Erase erases a person everywhere.
	Erase  func(ctx context.Context, by enrollment.Actor, user string) error
	Logger *slog.Logger
}

// verb serves a request of an administrator; its error is answered.
type verb func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error

// route is one method of one path.
type route struct {
	method, path string
	serve        http.HandlerFunc
}

func (a *API) routes() []route {
	return []route{
		{"POST", "/api/v1/sites", a.operator(a.createSite)},
		{"GET", "/api/v1/site", a.admin(a.getSite)},
		{"PUT", "/api/v1/site", a.admin(a.putSite)},
		{"GET", "/api/v1/users", a.admin(a.listUsers)},
		{"POST", "/api/v1/users", a.admin(a.createUser)},
		{"POST", "/api/v1/users/import", a.admin(a.importUsers)},
		{"GET", "/api/v1/users/export", a.admin(a.exportUsers)},
		{"GET", "/api/v1/users/imports/{id}", a.admin(a.importJob)},
		{"POST", "/api/v1/users/imports/{id}/start", a.admin(a.startImport)},
		{"GET", "/api/v1/users/{id}", a.admin(a.getUser)},
		{"PATCH", "/api/v1/users/{id}", a.admin(a.changeUser)},
		{"POST", "/api/v1/users/{id}/erase", a.admin(a.eraseUser)},
	}
}

// Mount adds the routes to a router. Other methods of the same paths are 405.
func (a *API) Mount(r *mux.Router) {
	allowed := map[string][]string{}
	for _, route := range a.routes() {
		path := strings.ReplaceAll(route.path, "{id}", "{id:[A-Za-z0-9_-]+}")
		methods := []string{route.method}
		if route.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		allowed[path] = append(allowed[path], methods...)
		r.Handle(path, route.serve).Methods(methods...)
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		r.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			web.WriteProblem(w, r, web.Refusal(http.StatusMethodNotAllowed, "method_not_allowed", "This method does not apply here."))
		})
	}
}

// admin finds the administrator who asks, and answers errors.
func (a *API) admin(serve verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := a.Guard.Principal(r)
		if errors.Is(err, session.ErrNobody) {
			err = web.Unauthenticated()
		}
		if err == nil {
			err = serve(w, r, by)
		}
		a.fail(w, r, err)
	}
}

// operator lets in whoever has the operator's token.
func (a *API) operator(serve func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		want, given := sha256.Sum256([]byte(a.OperatorToken.Reveal())), sha256.Sum256([]byte(strings.TrimSpace(token)))
		if a.OperatorToken.IsZero() || !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(want[:], given[:]) != 1 {
			web.WriteProblem(w, r, web.Unauthenticated())
			return
		}
		a.fail(w, r, serve(w, r))
	}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	p := web.ProblemOf(err)
	if p.Status >= http.StatusInternalServerError {
		a.Logger.ErrorContext(r.Context(), "request failed", "error", err, "request_id", web.RequestIDFrom(r.Context()))
	}
	web.WriteProblem(w, r, p)
}

func (a *API) createSite(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name       string `json:"name"`
		AdminEmail string `json:"admin_email"`
	}
	if err := web.DecodeJSON(w, r, &body); err != nil {
		return err
	}
	token := accounts.MintToken(accounts.Minted)
	site, _, err := a.Accounts.CreateSite(r.Context(), accounts.Settings{Name: body.Name}, body.AdminEmail, token)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusCreated, map[string]string{
		"id": site.ID, "name": site.Settings.Name, "admin_token": token.Secret.Reveal(),
	})
	return nil
}

// siteView is a site with the settings that apply.
type siteView struct {
	ID string `json:"id"`
	accounts.Settings
}

func (a *API) getSite(w http.ResponseWriter, _ *http.Request, by accounts.Principal) error {
	settings, err := a.Accounts.Settings(by.Site)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, siteView{by.Site, settings.Effective()})
	return nil
}

func (a *API) putSite(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	var settings accounts.Settings
	if err := web.DecodeJSON(w, r, &settings); err != nil {
		return err
	}
	if settings.Name == "" { // the one setting without a default
		old, err := a.Accounts.Settings(by.Site)
		if err != nil {
			return err
		}
		settings.Name = old.Name
	}
	if err := a.Accounts.PutSettings(r.Context(), by.Site, settings); err != nil {
		return err
	}
	return a.getSite(w, r, by)
}

func (a *API) listUsers(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	query := r.URL.Query()
	size := enrollment.DefaultPageSize
	if s := query.Get("page_size"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > enrollment.MaxPageSize {
			return &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "page_size", Code: "out_of_range"}}}
		}
		size = n
	}
	page, err := a.Accounts.Users(r.Context(), by.Site, query.Get("q"), query.Get("page_token"), size)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, map[string]any{"users": page.Users, "next_page_token": page.Next})
	return nil
}

func (a *API) createUser(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	var change accounts.UserChange
	if err := web.DecodeJSON(w, r, &change); err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 128 {
		return &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "Idempotency-Key", Code: "too_long"}}}
	}
	if strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "Idempotency-Key", Code: "malformed"}}}
	}
	user, err := a.Accounts.CreateUser(r.Context(), by.Site, change, key)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusCreated, user)
	return nil
}

func (a *API) getUser(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	user, err := a.Accounts.User(r.Context(), by.Site, mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, user)
	return nil
}

func (a *API) changeUser(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	var change accounts.UserChange
	if err := web.DecodeJSON(w, r, &change); err != nil {
		return err
	}
	user, err := a.Accounts.ChangeUser(r.Context(), by.Site, mux.Vars(r)["id"], change)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, user)
	return nil
}

// eraseUser stands in the place of the SDK's route, which knows nothing of our
// directory and mailbox.
func (a *API) eraseUser(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
	if err := a.Erase(r.Context(), by.Actor(), mux.Vars(r)["id"]); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
