package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service/webhook"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

// receiver takes the events of NanoMDM's webhook. They come late and in any order,
// each with its time, which is all that enrollkit needs to put them right; and
// NanoMDM sends each once, so what is lost is found out by the device's next
// connect. It is too late to refuse anything here.
//
// It has to be reached by NanoMDM alone.
type receiver struct{ checkins apple.CheckIns }

func (h receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var event webhook.EventJson
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&event); err != nil {
		http.Error(w, "no event", http.StatusBadRequest)
		return
	}
	err := h.take(r, event)
	switch {
	case errors.Is(err, errEvent):
		http.Error(w, "no event of a device", http.StatusBadRequest)
	case err != nil && !apple.Refused(err) && !errors.Is(err, enrollment.ErrNotFound) && !errors.Is(err, enrollment.ErrStale):
		http.Error(w, "later", http.StatusServiceUnavailable)
	}
}

var errEvent = errors.New("not an event of a device")

func (h receiver) take(r *http.Request, event webhook.EventJson) error {
	ctx, at := r.Context(), event.CreatedAt
	if a := event.AcknowledgeEvent; a != nil {
		raw, err := base64.StdEncoding.DecodeString(string(a.RawPayload))
		if err != nil {
			return errEvent
		}
		results, err := mdm.DecodeCommandResults(raw)
		if err != nil {
			return errEvent
		}
		return connected(ctx, h.checkins, sender(a.UrlParams), results, at)
	}
	if event.CheckinEvent == nil {
		return errEvent
	}
	return h.checkIn(r, event.CheckinEvent, at)
}

func (h receiver) checkIn(r *http.Request, event *webhook.CheckinEvent, at time.Time) error {
	ctx, from := r.Context(), sender(event.UrlParams)
	raw, err := base64.StdEncoding.DecodeString(string(event.RawPayload))
	if err != nil {
		return errEvent
	}
	message, err := mdm.DecodeCheckin(raw)
	if err != nil {
		return errEvent
	}
	switch m := message.(type) {
	case *mdm.Authenticate:
		read, err := readAuthenticate(raw)
		if err != nil {
			return errEvent
		}
		_, err = h.checkins.Authenticate(ctx, from, read, at)
		return err
	case *mdm.TokenUpdate:
		_, err = h.checkins.TokenUpdate(ctx, from, apple.TokenUpdate{Identity: identityOf(m.Enrollment), Topic: m.Topic}, at)
	case *mdm.CheckOut:
		_, err = h.checkins.CheckOut(ctx, from, apple.CheckOut{Identity: identityOf(m.Enrollment)}, at)
	}
	return err
}

// sender reads the parameters of the address that the device called, which come
// from its profile. NanoMDM has compared its certificate with its enrollment.
func sender(params map[string]string) apple.Sender {
	q := url.Values{}
	for k, v := range params {
		q.Set(k, v)
	}
	from := apple.SenderOf(q)
	if from.Site == "" {
		from.Site = "acme" // from before enrollkit
	}
	return from
}
