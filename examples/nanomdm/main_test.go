package main

import (
	"bytes"
	"net/http/httptest"
	"testing"
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
