package enrollhttp

import (
	"errors"
	"net/http"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// enrollView is enroll.html.
type enrollView struct {
	frame
	Closed  bool              // self-service is off: say so, and ask nothing
	Mistake string            // that something is wrong with the form
	Wrong   map[string]string // what, by field
	Email   string            // as typed, if it has to be mended
}

// sentView is sent.html. It has nothing of the request: the answer is the same
// whatever became of it.
type sentView struct{ frame }

// enrollPage shows the door of self-service, open or closed.
func (h *handler) enrollPage(w http.ResponseWriter, r *http.Request) {
	door, err := h.svc.SelfService(r.Context(), h.o.Host)
	if err != nil {
		h.refuse(w, r, door.Site, err)
		return
	}
	view := h.enrollView(r, door)
	h.render(w, r, http.StatusOK, enrollFile, view.Lang, view)
}

// requestLogin asks for a one-time login by mail. What a person can mend by
// looking at the form is said at the field; everything else has one answer,
// also where the door is closed.
func (h *handler) requestLogin(w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r, "email", "passcode")
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	door, err := h.svc.SelfService(r.Context(), h.o.Host)
	if err != nil {
		h.refuse(w, r, door.Site, err)
		return
	}
	due := time.After(h.o.AnswerTime)
	err = h.svc.RequestLogin(r.Context(), enrollment.LoginRequest{
		Email: form.Get("email"), Passcode: credentials.SecretString(form.Get("passcode")),
		Source: httpkit.ClientIP(r, h.o.TrustedProxies), Host: h.o.Host,
	})
	if invalid, ok := errors.AsType[*enrollment.ValidationError](err); ok && !wantsJSON(r.Header) {
		view := h.enrollView(r, door)
		view.Email, view.Mistake, view.Wrong = form.Get("email"), view.T("enroll.mistake"), view.wrong("enroll.", invalid)
		h.render(w, r, http.StatusUnprocessableEntity, enrollFile, view.Lang, view)
		return
	}
	// What was written differs with what was right, and so does the time it took.
	select {
	case <-due:
	case <-r.Context().Done():
	}
	if err != nil {
		h.refuse(w, r, door.Site, err)
		return
	}
	view := sentView{h.frame(r, door.Site)}
	view.Title = view.T("sent.title")
	h.render(w, r, http.StatusOK, sentFile, view.Lang, view)
}

func (h *handler) enrollView(r *http.Request, door enrollment.SelfService) enrollView {
	v := enrollView{frame: h.frame(r, door.Site), Closed: !door.Open}
	v.Title = v.T("enroll.title")
	return v
}

// wrong puts what is wrong with each field into words.
func (w words) wrong(prefix string, err *enrollment.ValidationError) map[string]string {
	texts := make(map[string]string, len(err.Fields))
	for _, f := range err.Fields {
		texts[f.Field] = w.T(prefix+f.Field+"."+f.Code, prefix+f.Field+".malformed")
	}
	return texts
}
