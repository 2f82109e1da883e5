package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service/webhook"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

// receiver takes the events of NanoMDM's webhook. They come late and in any order,
// each with its time, which is all that enrollkit needs to put them right; and
// NanoMDM sends each once, so what is lost is found out by the device's next
// connect. It is too late to refuse anything here.
//
// It has to be reached by NanoMDM alone.
type receiver struct {
	checkins apple.CheckIns
	store    enrollment.Storage // of the Service, to look at
	enrolled *enrolled
}

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
	case errors.Is(err, enrollment.ErrDeviceGone):
		// NanoMDM's log has it; whoever runs NanoMDM has the profile removed.
		http.Error(w, "the device was deleted", http.StatusGone)
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
		from := h.enrolled.as(sender(a.UrlParams))
		if err := h.same(ctx, from, identityOf(results.Enrollment)); err != nil {
			return err
		}
		return connected(ctx, h.checkins, from, results, at)
	}
	if event.CheckinEvent == nil {
		return errEvent
	}
	return h.checkIn(r, event.CheckinEvent, at)
}

func (h receiver) checkIn(r *http.Request, event *webhook.CheckinEvent, at time.Time) error {
	raw, err := base64.StdEncoding.DecodeString(string(event.RawPayload))
	if err != nil {
		return errEvent
	}
	message, err := mdm.DecodeCheckin(raw)
	if err != nil {
		return errEvent
	}
	ctx, from := r.Context(), h.enrolled.as(sender(event.UrlParams))
	var status enrollment.Status
	switch m := message.(type) {
	case *mdm.Authenticate:
		read, err := readAuthenticate(raw)
		if err != nil {
			return errEvent
		}
		if err = h.same(ctx, from, read.Identity); err == nil {
			status, err = h.checkins.Authenticate(ctx, from, read, at)
			err = h.enrolled.keep(from, status, err)
		}
		return err
	case *mdm.TokenUpdate:
		who := identityOf(m.Enrollment)
		if err = h.same(ctx, from, who); err == nil {
			status, err = h.checkins.TokenUpdate(ctx, from, apple.TokenUpdate{Identity: who, Topic: m.Topic}, at)
			err = h.enrolled.keep(from, status, err)
		}
	case *mdm.CheckOut:
		who := identityOf(m.Enrollment)
		if err = h.same(ctx, from, who); err == nil {
			_, err = h.checkins.CheckOut(ctx, from, apple.CheckOut{Identity: who}, at)
		}
	}
	return err
}

// same refuses a device that calls the address of another one's profile: of an
// enrollment that a device came by, it has to be that device. NanoMDM has compared
// the device's name with its certificate, and does not pass the certificate on; so
// an enrollment's first message is as good as the secrecy of its address: 128 bits
// of it are random, and whoever sees the profile, these events or a log of addresses
// has them. Where that is too little, use the decorator, which sees the certificate.
func (h receiver) same(ctx context.Context, from apple.Sender, who apple.Identity) error {
	if from.Enrollment == "" {
		return nil
	}
	var d device.Device
	err := h.store.View(ctx, func(ctx context.Context, tx enrollment.Tx) (err error) {
		d, err = tx.Devices().Find(ctx, enrollment.DeviceKey{Site: from.Site, Ref: device.Ref{Source: apple.EnrollmentRef, ID: from.Enrollment}})
		return err
	})
	if errors.Is(err, enrollment.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	name := who.UDID
	if name == "" {
		name = who.EnrollmentID
	}
	// Where another device has the name already, the hardware has it still.
	if slices.Contains(d.Refs, device.Ref{Source: apple.RefSource, ID: name}) || name != "" && d.Hardware.UDID == name {
		return nil
	}
	return errEvent
}

// sender reads the parameters of the address that the device called. They are what
// its profile said, or what somebody wrote there.
func sender(params map[string]string) apple.Sender {
	q := url.Values{}
	for k, v := range params {
		q.Set(k, v)
	}
	from := apple.SenderOf(q)
	if from.Site == "" {
		from.Site = site // from before enrollkit
	}
	return from
}
