package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service"
	"github.com/micromdm/nanomdm/service/webhook"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/enrollment/memstore"
)

func Example() {
	main()
	// Output:
	// by the decorator, which may refuse:
	//   pending [management_profile inventory_received]
	//   pending [inventory_received]
	//   unenrolled []
	//   unenrolled [], refused: topic_unknown
	// by the webhook, in any order:
	//   pending [inventory_received]
	//   pending [inventory_received]
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	for _, body := range []string{
		"", "{}", `{"checkin_event":{"raw_payload":"%"}}`, `{"checkin_event":{"raw_payload":"AAAA"}}`,
		`{"acknowledge_event":{"raw_payload":"AAAA","status":"Idle"}}`, `{"acknowledge_event":{"raw_payload":"%","status":"Idle"}}`,
	} {
		rec := httptest.NewRecorder()
		receiver{}.ServeHTTP(rec, httptest.NewRequest("POST", "/", bytes.NewReader([]byte(body))))
		if rec.Code != 400 {
			t.Errorf("%s: %d", body, rec.Code)
		}
	}
}

func newCheckIns(t *testing.T) (apple.CheckIns, enrollment.Storage) {
	t.Helper()
	platform, err := apple.New(apple.Config{Topic: topic, Identifier: "com.example.mdm", Endpoints: func(enrollment.Site) apple.Endpoints {
		return apple.Endpoints{Server: "https://nanomdm.example.com/mdm", SCEP: "https://scep.example.com/scep"}
	}})
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	svc, err := newService(store, platform)
	if err != nil {
		t.Fatal(err)
	}
	return apple.CheckIns{Service: svc, Topic: topic}, store
}

func TestADeviceThatCallsTheAddressOfAnotherIsRefused(t *testing.T) {
	checkins, store := newCheckIns(t)
	cert, err := certified(t.Context(), checkins.Service, "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{"site": "acme", "enrollment": cert.Subject.CommonName}
	hook, at := receiver{checkins, store, newEnrolled()}, time.Now()
	send := func(pairs ...string) int {
		at = at.Add(time.Millisecond)
		e := webhook.EventJson{CreatedAt: at}
		if raw := base64Of(text(pairs...)); pairs[0] == "Status" {
			e.AcknowledgeEvent = &webhook.AcknowledgeEvent{RawPayload: raw, UrlParams: params}
		} else {
			e.CheckinEvent = &webhook.CheckinEvent{RawPayload: raw, UrlParams: params}
		}
		return post(t.Context(), hook, e)
	}
	messages := func(udid string) [][]string {
		return [][]string{
			{"MessageType", "Authenticate", "Topic", topic, "UDID", udid, "ProductName", "iPhone12,1"},
			{"MessageType", "TokenUpdate", "Topic", topic, "UDID", udid, "PushMagic", "m"},
			{"Status", "Idle", "UDID", udid},
			{"MessageType", "CheckOut", "Topic", topic, "UDID", udid},
		}
	}
	own := messages("00008030-1")
	for _, message := range own[:3] {
		if code := send(message...); code != 200 {
			t.Fatalf("%s: %d", message, code)
		}
	}
	for _, message := range messages("00008030-2") {
		if code := send(message...); code != 400 {
			t.Errorf("%s: %d", message, code)
		}
	}
	state := func() device.State {
		status, err := checkins.Service.Observe(t.Context(), device.Observation{
			Site: "acme", Source: device.SourceMDM, Ref: device.Ref{Source: apple.RefSource, ID: "00008030-1"}, At: at,
		})
		if err != nil {
			t.Fatal(err)
		}
		return status.State
	}
	if got := state(); got != device.Pending {
		t.Errorf("another's goodbye: %s", got)
	}
	if code := send(own[3]...); code != 200 || state() != device.Unenrolled {
		t.Errorf("its own goodbye: %d, %s", code, state())
	}
}

// heard counts what NanoMDM gets to see.
type heard struct {
	service.CheckinAndCommandService
	n int
}

func (h *heard) Authenticate(*mdm.Request, *mdm.Authenticate) error { h.n++; return nil }
func (h *heard) TokenUpdate(*mdm.Request, *mdm.TokenUpdate) error   { h.n++; return nil }
func (h *heard) CheckOut(*mdm.Request, *mdm.CheckOut) error         { h.n++; return nil }
func (h *heard) CommandAndReportResults(*mdm.Request, *mdm.CommandResults) (*mdm.Command, error) {
	h.n++
	return nil, nil
}

func TestADeviceThatIsNotOursIsNanoMDMsAlone(t *testing.T) {
	for name, cert := range map[string]*x509.Certificate{
		"without an organization": {Subject: pkix.Name{CommonName: "device"}},
		"of another organization": {Subject: pkix.Name{CommonName: "device", Organization: []string{"elsewhere"}}},
	} {
		next := &heard{}
		checkins, _ := newCheckIns(t)
		nano := observer{CheckinAndCommandService: next, checkins: checkins, enrolled: newEnrolled(), now: time.Now}
		for _, message := range [][]byte{
			text("MessageType", "Authenticate", "Topic", topic, "UDID", "00008030-9", "ProductName", "iPhone12,1"),
			text("MessageType", "TokenUpdate", "Topic", topic, "UDID", "00008030-9", "PushMagic", "m"),
			text("MessageType", "CheckOut", "Topic", topic, "UDID", "00008030-9"),
		} {
			if _, err := service.CheckinRequest(nano, mdm.NewRequestWithContext(context.Background(), cert), message); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := service.CommandAndReportResultsRequest(nano, mdm.NewRequestWithContext(context.Background(), cert), text("Status", "Idle", "UDID", "00008030-9")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if next.n != 4 {
			t.Errorf("%s: NanoMDM saw %d of 4 messages", name, next.n)
		}
	}
}

// send gives NanoMDM's handlers a message, as they get it from a device.
func send(nano service.CheckinAndCommandService, cert *x509.Certificate, message []byte) (err error) {
	r := mdm.NewRequestWithContext(context.Background(), cert)
	if bytes.Contains(message, []byte("MessageType")) {
		_, err = service.CheckinRequest(nano, r, message)
	} else {
		_, err = service.CommandAndReportResultsRequest(nano, r, message)
	}
	return err
}

func TestADeviceThatWasDeletedIsToldToGoAndNanoMDMHearsNoMoreOfIt(t *testing.T) {
	checkins, store := newCheckIns(t)
	cert, err := certified(t.Context(), checkins.Service, "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	next := &heard{}
	nano := observer{CheckinAndCommandService: next, checkins: checkins, enrolled: newEnrolled(), now: time.Now}
	restarted := nano
	restarted.enrolled = newEnrolled() // which forgot
	hook := receiver{checkins, store, newEnrolled()}
	event := func(message []byte) int {
		e := webhook.EventJson{CreatedAt: time.Now()}
		params := map[string]string{"site": "acme", "enrollment": cert.Subject.CommonName}
		if bytes.Contains(message, []byte("MessageType")) {
			e.CheckinEvent = &webhook.CheckinEvent{RawPayload: base64Of(message), UrlParams: params}
		} else {
			e.AcknowledgeEvent = &webhook.AcknowledgeEvent{RawPayload: base64Of(message), UrlParams: params}
		}
		return post(t.Context(), hook, e)
	}
	messages := [][]byte{
		text("MessageType", "Authenticate", "Topic", topic, "UDID", "00008030-1", "ProductName", "iPhone12,1"),
		text("MessageType", "TokenUpdate", "Topic", topic, "UDID", "00008030-1", "PushMagic", "m"),
		text("Status", "Idle", "UDID", "00008030-1"),
	}
	for _, message := range messages {
		if err := send(nano, cert, message); err != nil {
			t.Fatal(err)
		}
		if code := event(message); code != 200 {
			t.Fatal(code)
		}
	}
	status, err := checkins.Service.Observe(t.Context(), device.Observation{
		Site: "acme", Source: device.SourceMDM, Ref: device.Ref{Source: apple.RefSource, ID: "00008030-1"}, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkins.Service.Delete(t.Context(), enrollment.Actor{Site: "acme", ID: "admin"}, status.Device); err != nil {
		t.Fatal(err)
	}
	for _, message := range append(messages, text("MessageType", "CheckOut", "Topic", topic, "UDID", "00008030-1")) {
		var refused *service.HTTPStatusError
		if err := send(nano, cert, message); !errors.As(err, &refused) || refused.Status != 403 {
			t.Errorf("%s: %v", message, err)
		}
		if err := send(restarted, cert, message); !errors.As(err, &refused) || refused.Status == 200 {
			t.Errorf("without memory: %s: %v", message, err)
		}
		if code := event(message); code != 410 {
			t.Errorf("by the webhook: %s: %d", message, code)
		}
	}
	if next.n != len(messages) {
		t.Errorf("NanoMDM saw %d messages of a device that sent it %d", next.n, len(messages))
	}
}
