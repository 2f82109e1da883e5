package enrollhttp

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
	"example.com/enrollkit/invitation"
)

// maxForm is the greatest form that a page takes, in bytes.
const maxForm = 4 << 10

// invitationPage shows the offer. It changes nothing; that it was fetched is
// noted beside the invitation, and whether that worked is no matter.
func (h *handler) invitationPage(w http.ResponseWriter, r *http.Request) {
	token := mux.Vars(r)["token"]
	offer, err := h.svc.Peek(r.Context(), token)
	if errors.Is(err, invitation.ErrExhausted) && !wantsJSON(r.Header) {
		p := httpkit.ProblemOf(err).At(h.svc.Now())
		view := h.problemView(r, offer.Site, p)
		if comesBack(r, offer) {
			view.Again, view.Ownership = token+"/accept", string(offer.Ownership)
		}
		h.writeProblemPage(w, r, p, view)
		return
	}
	if err != nil {
		h.refuse(w, r, offer.Site, err)
		return
	}
	if err := h.svc.RecordFetch(r.Context(), token); err != nil {
		h.log.WarnContext(r.Context(), "fetch not noted", "code", enrollment.Code(err))
	}
	view := h.invitationView(r, offer, token+"/", enrollment.AcceptRequest{})
	h.render(w, r, http.StatusOK, invitationFile, view.Lang, view)
}

// comesBack reports whether a page may offer to enroll a device again by an
// invitation whose places are taken: where people type into the settings of their
// system, what they type is on our page alone. An agent has what it enrolled by.
func comesBack(r *http.Request, o enrollment.Offer) bool {
	return o.Again && o.Ownership.Valid() && (o.Platform == device.Windows || slices.Contains(detect(r.Header).platforms, device.Windows))
}

// accept notes what a person chose and answers with what to do next.
func (h *handler) accept(w http.ResponseWriter, r *http.Request) {
	token := mux.Vars(r)["token"]
	form, err := readForm(w, r, "ownership", "platform", "again")
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	choice := chosen(r, form)
	accepted, err := h.svc.Accept(r.Context(), token, choice)
	if _, invalid := errors.AsType[*enrollment.ValidationError](err); invalid && !wantsJSON(r.Header) {
		h.askAgain(w, r, token, choice)
		return
	}
	if err != nil {
		offer, _ := h.svc.Peek(r.Context(), token) // for the name and the support of its site, if it has one
		h.refuse(w, r, offer.Site, err)
		return
	}
	if wantsJSON(r.Header) {
		writeNext(w, accepted.Ownership, accepted.Next)
		return
	}
	view, err := h.nextView(r, accepted)
	if err != nil {
		h.refuse(w, r, accepted.Site, err)
		return
	}
	h.render(w, r, http.StatusOK, nextFile, view.Lang, view)
}

// chosen is what a form says of the device. One that is not named is the one
// that the form came from.
func chosen(r *http.Request, form url.Values) enrollment.AcceptRequest {
	choice := enrollment.AcceptRequest{
		Ownership: device.Ownership(form.Get("ownership")), Platform: device.Platform(form.Get("platform")),
		Again: form.Get("again") != "",
	}
	if machine := detect(r.Header); choice.Platform == "" && len(machine.platforms) == 1 {
		choice.Platform = machine.platforms[0]
	}
	return choice
}

// askAgain shows the form once more and says what is missing.
func (h *handler) askAgain(w http.ResponseWriter, r *http.Request, token string, choice enrollment.AcceptRequest) {
	offer, err := h.svc.Peek(r.Context(), token)
	if err != nil {
		h.refuse(w, r, offer.Site, err)
		return
	}
	view := h.invitationView(r, offer, "", choice)
	view.Mistake = view.T("invitation.mistake")
	h.render(w, r, http.StatusUnprocessableEntity, invitationFile, view.Lang, view)
}

// readForm reads a form as browsers send it. One of its fields twice is no form
// of ours; fields that nobody asked for are left alone.
func readForm(w http.ResponseWriter, r *http.Request, fields ...string) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, &httpkit.BodyError{Status: http.StatusUnsupportedMediaType, Code: httpkit.CodeUnsupported, Detail: "The body has to be application/x-www-form-urlencoded."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &httpkit.BodyError{Status: http.StatusRequestEntityTooLarge, Code: httpkit.CodeTooLarge, Detail: "The body is too large."}
	}
	var form url.Values
	if err == nil {
		form, err = url.ParseQuery(string(body))
	}
	twice := func(field string) bool { return len(form[field]) > 1 }
	if err != nil || slices.ContainsFunc(fields, twice) {
		return nil, &httpkit.BodyError{Status: http.StatusBadRequest, Code: codeBadForm, Detail: "The form is malformed."}
	}
	return form, nil
}

// codeBadForm is the code of a body that is no form.
const codeBadForm = "bad_form"

// ownPagesOnly refuses what another site's page made a browser send.
//
// Since our pages send no referrer, a browser that does not know Sec-Fetch-Site
// sends "Origin: null" with our own form. Such a request passes: what it acts by,
// the token in its address or the secret in its form, is not the browser's to
// add, and whoever knows it could open the page as well. Who does not know it
// makes such a browser spend one of its network's wrong tries, and no more than
// their cap.
func (h *handler) ownPagesOnly(next http.HandlerFunc) http.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		blind := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null"
		if !blind && protection.Check(r) != nil {
			h.answer(w, r, enrollment.Site{}, httpkit.Problem{
				Status: http.StatusForbidden, Code: httpkit.CodeCrossOrigin, Detail: "The request came from another site's page.",
			})
			return
		}
		next(w, r)
	}
}

// problemTexts are the pages for the codes that a person may meet; every other
// code has the page of its kind.
var problemTexts = map[string]string{
	"invitation_unknown":         "unknown",
	"invitation_deactivated":     "deactivated",
	"invitation_expired":         "expired",
	"invitation_exhausted":       "exhausted",
	"site_full":                  "full",
	httpkit.CodeNotFound:         "not_found",
	httpkit.CodeMethodNotAllowed: "method",
	httpkit.CodeCrossOrigin:      "cross_origin",
	httpkit.CodeUnavailable:      "unavailable",
	"paced":                      "paced",
}

// problemPage says p to a person.
func (h *handler) problemPage(w http.ResponseWriter, r *http.Request, site enrollment.Site, p httpkit.Problem) {
	h.writeProblemPage(w, r, p, h.problemView(r, site, p))
}

func (h *handler) writeProblemPage(w http.ResponseWriter, r *http.Request, p httpkit.Problem, v problemView) {
	httpkit.WriteProblemHeaders(w, p)
	h.render(w, r, p.Status, problemFile, v.Lang, v)
}

func (h *handler) problemView(r *http.Request, site enrollment.Site, p httpkit.Problem) problemView {
	key, known := problemTexts[p.Code]
	if !known {
		key = "failed"
	}
	minutes := (p.RetryAfter + time.Minute - 1) / time.Minute
	v := problemView{frame: h.frame(r, site, "{minutes}", strconv.Itoa(int(minutes)))}
	title, text := []string{key + ".title"}, []string{key + ".text"}
	if strings.HasPrefix(r.URL.Path, h.o.BasePath+selfService) { // there is no invitation to speak of
		title, text = slices.Insert(title, 0, "self_service."+title[0]), slices.Insert(text, 0, "self_service."+text[0])
	}
	v.Title, v.Text = v.T(title...), v.T(text...)
	v.Ask = p.Status == http.StatusGone || p.Code == "invitation_unknown"
	return v
}
