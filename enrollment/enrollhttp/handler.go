package enrollhttp

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// handler is what New returns, without its guards.
type handler struct {
	svc     *enrollment.Service
	o       Options
	log     *slog.Logger
	pages   *pages
	offered []device.Platform
	drawing chan struct{} // holds an element while a QR code is drawn
}

// tokenVar is a path segment that may be a token. Everything else below /i/ is
// answered like a token that nobody has.
const tokenVar = `{token:[A-Za-z0-9_-]{43}}`

// selfService is where people enroll without an invitation.
const selfService = "/enroll"

// route is one path with what answers some of its methods.
type route struct {
	pattern string // without the base path
	methods []string
	serve   http.HandlerFunc
}

// routes is the table of what this package answers by itself; openapi.yaml has
// the same rows.
func (h *handler) routes() []route {
	read, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	return []route{
		{"/i/" + tokenVar, read, h.invitationPage},
		{"/i/" + tokenVar + "/accept", post, h.ownPagesOnly(h.accept)},
		{"/i/" + tokenVar + "/qr.png", read, h.qrPNG},
		{"/i/" + tokenVar + "/qr.svg", read, h.qrSVG},
		{selfService, read, h.enrollPage},
		{selfService, post, h.ownPagesOnly(h.requestLogin)},
		{selfService + "/login", read, h.loginPage},
		{selfService + "/login/accept", post, h.ownPagesOnly(h.acceptLogin)},
		{"/device/v1/enroll", post, h.enroll},
		{"/device/v1/report", post, h.report},
		{"/device/v1/checkin", post, h.checkIn},
		{"/device/v1/unenroll", post, h.unenroll},
	}
}

// build puts the guards around the router.
func (h *handler) build() http.Handler {
	var inner http.Handler = h.clean(h.router())
	for _, guard := range []func(http.Handler) http.Handler{
		httpkit.Recover(h.log), httpkit.SecurityHeaders, httpkit.RequestID,
	} {
		inner = guard(inner)
	}
	return inner
}

// router is the table in gorilla/mux. It cleans no path, since that is a
// redirect; and it matches escaped paths, so that an escaped slash is no slash.
func (h *handler) router() *mux.Router {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	allowed := map[string][]string{}
	for _, row := range h.routes() {
		r.Path(h.o.BasePath + row.pattern).Methods(row.methods...).Handler(httpkit.LogRoute(h.log, row.pattern, row.serve))
		allowed[row.pattern] = append(allowed[row.pattern], row.methods...)
	}
	for pattern, methods := range allowed { // no two of them have a path in common
		r.Path(h.o.BasePath + pattern).Handler(httpkit.LogRoute(h.log, pattern, h.methodNotAllowed(methods)))
	}
	for _, p := range h.o.Platforms {
		h.mount(r, p)
	}
	r.PathPrefix(h.o.BasePath + "/i/").Handler(httpkit.LogRoute(h.log, "/i/...", http.HandlerFunc(h.noInvitation)))
	r.NotFoundHandler = httpkit.LogRoute(h.log, "...", http.HandlerFunc(h.notFound))
	return r
}

// clean refuses paths that somebody behind us could read in two ways.
func (h *handler) clean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isClean(r.URL.EscapedPath()) {
			next.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, h.o.BasePath+"/i/") {
			h.noInvitation(w, r)
			return
		}
		h.notFound(w, r)
	})
}

func isClean(escaped string) bool {
	lower := strings.ToLower(escaped)
	for _, bad := range []string{"//", `\`, "%2f", "%5c", "%2e", "%00"} {
		if strings.Contains(lower, bad) {
			return false
		}
	}
	segments := strings.Split(escaped, "/")
	return !slices.Contains(segments, ".") && !slices.Contains(segments, "..")
}

// noInvitation answers below /i/ as for a token that nobody has.
func (h *handler) noInvitation(w http.ResponseWriter, r *http.Request) {
	h.refuse(w, r, enrollment.Site{}, enrollment.ErrInvitationUnknown)
}

func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, enrollment.Site{}, httpkit.Problem{
		Status: http.StatusNotFound, Code: httpkit.CodeNotFound, Detail: "There is nothing here.",
	})
}

func (h *handler) methodNotAllowed(methods []string) http.HandlerFunc {
	allow := strings.Join(methods, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		h.answer(w, r, enrollment.Site{}, httpkit.Problem{
			Status: http.StatusMethodNotAllowed, Code: httpkit.CodeMethodNotAllowed, Detail: "This method does not apply here.",
		})
	}
}

// refuse answers with an error of a verb.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, site enrollment.Site, err error) {
	p := httpkit.ProblemOf(err).At(h.svc.Now())
	if p.Status >= http.StatusInternalServerError {
		// The text of the error may quote what it is about; its type does not.
		h.log.ErrorContext(r.Context(), "refused", "code", p.Code, "error_type", fmt.Sprintf("%T", innermost(err)))
	}
	h.answer(w, r, site, p)
}

// answer says p to a program as a problem and to a person as a page.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, site enrollment.Site, p httpkit.Problem) {
	if strings.HasPrefix(r.URL.Path, h.o.BasePath+"/device/") {
		httpkit.WriteProblem(w, r, p)
		return
	}
	if wantsJSON(r.Header) {
		w.Header().Set("Vary", "Accept")
		httpkit.WriteProblem(w, r, p)
		return
	}
	h.problemPage(w, r, site, p)
}

func innermost(err error) error {
	for {
		wrapped, ok := err.(interface{ Unwrap() error })
		if !ok || wrapped.Unwrap() == nil {
			return err
		}
		err = wrapped.Unwrap()
	}
}
