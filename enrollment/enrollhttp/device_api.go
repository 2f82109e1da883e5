package enrollhttp

import (
	"net/http"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// enroll takes a device in: 201, and 200 when the request was answered before.
func (h *handler) enroll(w http.ResponseWriter, r *http.Request) {
	var body enrollBody
	if err := httpkit.DecodeJSON(w, r, MaxBody, &body); err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	presented, bad := body.Credential.presented()
	if len(bad) > 0 {
		h.answer(w, r, enrollment.Site{}, httpkit.Invalid(bad...))
		return
	}
	d := body.Device
	enrolled, err := h.svc.Enroll(r.Context(), enrollment.EnrollRequest{
		EnrollmentID: body.EnrollmentID,
		Credential:   presented,
		Ownership:    body.Ownership,
		Mode:         body.Mode,
		Device: enrollment.Claim{
			Platform:     d.Platform,
			Hardware:     device.Hardware{UDID: d.UDID, Serial: d.Serial, IMEI: d.IMEI, ESID: d.ESID, HWDevID: d.HWDevID},
			Name:         d.Name,
			Manufacturer: d.Manufacturer,
			Model:        d.Model,
			OSVersion:    d.OSVersion,
		},
		Source: httpkit.ClientIP(r, h.o.TrustedProxies),
		Host:   h.o.Host,
	})
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	status := http.StatusCreated
	if enrolled.Replayed {
		status = http.StatusOK
	}
	httpkit.WriteJSON(w, status, enrolledBody{
		DeviceID: enrolled.Device.ID, DeviceToken: enrolled.Token.Reveal(), State: enrolled.Device.State,
		Missing: list(enrolled.Missing), Next: enrolled.Next, Seq: enrolled.Seq,
	})
}

// report takes what an agent says of its device.
func (h *handler) report(w http.ResponseWriter, r *http.Request) {
	token, err := bearer(r)
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	var body reportBody
	if err := httpkit.DecodeJSON(w, r, MaxBody, &body); err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	report, err := body.report()
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	status, err := h.svc.Report(r.Context(), token, report)
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	httpkit.WriteJSON(w, http.StatusOK, statusBody{
		State: status.State, Missing: list(status.Missing), Next: status.Next, Seq: status.Seq,
	})
}

// checkIn notes a sign of life.
func (h *handler) checkIn(w http.ResponseWriter, r *http.Request) {
	token, err := bearer(r)
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	var body checkInBody
	if err := httpkit.DecodeJSON(w, r, MaxBody, &body); err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	if err := h.svc.CheckIn(r.Context(), token, body.Seq); err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// unenroll notes that the device has left. It needs no body and reads none.
func (h *handler) unenroll(w http.ResponseWriter, r *http.Request) {
	token, err := bearer(r)
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	if err := h.svc.Unenroll(r.Context(), token); err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// bearer reads the device token: exactly one Authorization header, the scheme,
// one space, the token. Whatever else it says is refused like a token that no
// device has.
func bearer(r *http.Request) (credentials.Secret, error) {
	said := r.Header.Values("Authorization")
	if len(said) != 1 {
		return credentials.Secret{}, enrollment.ErrTokenRefused
	}
	scheme, token, _ := strings.Cut(said[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return credentials.Secret{}, enrollment.ErrTokenRefused
	}
	secret, err := credentials.ParseToken(token)
	if err != nil {
		return credentials.Secret{}, enrollment.ErrTokenRefused
	}
	return secret, nil
}
