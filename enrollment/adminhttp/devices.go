package adminhttp

import (
	"context"
	"net/http"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

func (a *api) device(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	explanation, err := a.svc.Explain(r.Context(), by, id(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showExplanation(explanation))
}

func (a *api) deleteDevice(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	if err := a.svc.Delete(r.Context(), by, id(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// command serves a verb that changes one device and takes nothing else.
func (a *api) command(do func(context.Context, enrollment.Actor, string) (enrollment.DeviceDetail, error)) verb {
	return func(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
		if err := nothing(w, r); err != nil {
			return err
		}
		detail, err := do(r.Context(), by, id(r))
		if err != nil {
			return err
		}
		return reply(w, http.StatusOK, showDevice(detail))
	}
}

// renewedView is what became of one renewal.
type renewedView struct {
	Device string `json:"device_id"`
	// WithoutCredentials says that the mail carries none, because there is no
	// active invitation.
	WithoutCredentials bool   `json:"without_credentials"`
	Error              string `json:"error"` // a stable code; "": the mail is queued
}

func showRenewed(r enrollment.RenewResult) renewedView {
	return renewedView{Device: r.Device, WithoutCredentials: r.WithoutCodes, Error: enrollment.Code(r.Err)}
}

func (a *api) renew(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	result, err := a.svc.Renew(r.Context(), by, id(r))
	if err != nil {
		return err
	}
	if result.Err != nil {
		return result.Err
	}
	return reply(w, http.StatusOK, showRenewed(result))
}

// renewRequest is what POST /devices/renew takes.
type renewRequest struct {
	IDs []string `json:"ids"`
}

// renewManyView has one result for each id, in order.
type renewManyView struct {
	Results []renewedView `json:"results"`
}

func (a *api) renewMany(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	var body renewRequest
	if err := httpkit.DecodeJSON(w, r, smallBody, &body); err != nil {
		return err
	}
	var wrong wrong
	if len(body.IDs) > enrollment.MaxPageSize {
		wrong.add("ids", "too_many")
		body.IDs = nil
	}
	for i, id := range body.IDs {
		if id == "" || len(id) > maxQueryText || !clean(id) {
			wrong.add(element("ids", i), "malformed")
		}
	}
	if err := wrong.err(); err != nil {
		return err
	}
	results, err := a.svc.RenewMany(r.Context(), by, body.IDs)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, renewManyView{each(results, showRenewed)})
}
