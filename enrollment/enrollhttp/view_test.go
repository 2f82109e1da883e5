package enrollhttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// Pages are loaded by whoever has a link, mail scanners too: only who asks for the
// picture costs a drawing.
func TestAPageKnowsTheSizeOfItsCodesWithoutDrawingThem(t *testing.T) {
	pages, err := loadPages(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &handler{pages: pages, drawing: make(chan struct{})} // every turn is taken
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/i/token", http.NoBody)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
	for length, least := range map[int]int{100: phoneSide, 600: phoneSide, 2331: newSide, 2953: newSide} {
		payload := credentials.SecretString("https://mdm.example.com/" + strings.Repeat("a", length-24))
		code, err := credentials.EncodeQR(payload)
		if length > 2331 {
			code, err = credentials.EncodeQRLevel(payload, credentials.QRLow)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := max(least, code.PNGSize(leastModule))
		if got := codeAt("qr.png", payload, least).Side; got != want {
			t.Errorf("%d bytes: %d pixels, want %d", length, got, want)
		}
		offer := enrollment.Offer{URL: payload, Platform: device.Android}
		if got := h.invitationView(r, offer, "", enrollment.AcceptRequest{}).Code; least == phoneSide && got.Side != want {
			t.Errorf("%d bytes on the page: %d pixels, want %d", length, got.Side, want)
		}
	}
}
