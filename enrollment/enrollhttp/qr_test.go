package enrollhttp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"image/png"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

func TestTheQRIsTheDeploymentURLWithItsQuietZone(t *testing.T) {
	w := newWorld(t)
	rec := w.get(w.page("/qr.png"))
	if rec.Code != 200 || rec.Header().Get("Content-Type") != "image/png" {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	image, err := png.Decode(bytes.NewReader(rec.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	code, err := credentials.EncodeQR(credentials.SecretString("https://mdm.example.com/join/i/" + w.token))
	if err != nil {
		t.Fatal(err)
	}
	side := image.Bounds().Dx()
	modules := code.Modules() + 2*credentials.QuietZone
	if side < 512 || side%modules != 0 {
		t.Fatalf("%d pixels for %d modules", side, modules)
	}
	scale := side / modules
	for y := range modules {
		for x := range modules {
			r, _, _, _ := image.At(x*scale+scale/2, y*scale+scale/2).RGBA()
			if (r == 0) != code.At(x-credentials.QuietZone, y-credentials.QuietZone) {
				t.Fatalf("module %d,%d differs", x, y)
			}
		}
	}

	rec = w.get(w.page("/qr.svg"))
	drawn := strings.Replace(rec.Body.String(), fmt.Sprintf(` width="%d" height="%d"`, side, side), "", 1)
	if rec.Code != 200 || rec.Header().Get("Content-Type") != "image/svg+xml" || drawn != string(code.AppendSVG(nil)) {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
}

// payload is a platform with a QR code of its own.
type payload struct {
	serves
	text string
}

func (p payload) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.SecretString(p.text), nil
}

func (p payload) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.ProvisionDevice, Agent: enrollment.Agent{Name: "Acme Agent"}}, nil
}

func with(p enrollment.Platform) func(*enrollment.Config, *enrollhttp.Options, *enrollment.InviteRequest, *enrollment.Site) {
	return func(c *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, _ *enrollment.Site) {
		c.Platforms, o.Platforms = []enrollment.Platform{p}, []enrollment.Platform{p}
	}
}

func TestAPlatformMayHaveAQROfItsOwn(t *testing.T) {
	long := `{"android.app.extra.PROVISIONING_ADMIN_EXTRAS_BUNDLE":"` + strings.Repeat("x", 2400) + `"}` // beyond level M
	w := newWorld(t, with(payload{serves{name: "android", list: []device.Platform{device.Android}}, long}))
	plain, own := w.get(w.page("/qr.png")), w.get(w.page("/qr.png?platform=android"))
	if plain.Code != 200 || own.Code != 200 || bytes.Equal(plain.Body.Bytes(), own.Body.Bytes()) {
		t.Errorf("%d %d", plain.Code, own.Code)
	}
	rec := w.submit("ownership=company&platform=android", "User-Agent", chromeAndroid)
	shows(t, rec, 200, `src="qr.png?platform=android"`, "factory settings", "Acme Agent")
	want(t, w.get(w.page("/qr.png?platform=toaster"), "Accept", "application/json"), 422, "invalid")
}

// The largest code has 185 modules with its quiet zone: in the space for a small
// one, each would be two pixels, which cameras do not read.
func TestAVeryLargeCodeHasThreePixelsForAModuleWhereverItIsShown(t *testing.T) {
	long := "https://a.example/" + strings.Repeat("x", 2900)
	w := newWorld(t, with(payload{serves{name: "android", list: []device.Platform{device.Android}}, long}))
	code, err := credentials.EncodeQRLevel(credentials.SecretString(long), credentials.QRLow)
	if err != nil {
		t.Fatal(err)
	}
	side := code.PNGSize(3)
	sized := fmt.Sprintf(` width="%d" height="%d"`, side, side)
	page := w.submit("ownership=company&platform=android", "User-Agent", edgeWindows)
	shows(t, page, 200, `src="qr.png?platform=android"`, sized)
	image, err := png.Decode(w.get(w.page("/qr.png?platform=android")).Body)
	if err != nil || image.Bounds().Dx() < side {
		t.Fatalf("%v, %v", image.Bounds(), err)
	}
	if svg := w.get(w.page("/qr.svg?platform=android")).Body.String(); !strings.HasPrefix(svg, "<svg"+sized) {
		t.Errorf("%.60s", svg)
	}

	// The style leaves the width alone, and has room for it on every screen that has.
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page.Body.String())[1]
	for _, rule := range regexp.MustCompile(`[^{}]*img[^{}]*\{[^}]*\}`).FindAllString(style, -1) {
		if regexp.MustCompile(`[^-]width:`).MatchString(rule) {
			t.Errorf("the width is taken away: %s", rule)
		}
	}
	room := regexp.MustCompile(`main \{ max-width: max\(34rem, calc\((\d+)px \+ 3rem\)\); .*padding: 1\.5rem; .*border: 1px`).FindStringSubmatch(style)
	if room == nil || room[1] != strconv.Itoa(side+2) {
		t.Errorf("no room for %d pixels: %v", side, room)
	}
}

func TestAnInvitationPageShowsALongAddressLargeEnough(t *testing.T) {
	long := strings.Repeat("a-very-long-path/", 40)
	w := newWorld(t, func(_ *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
		s.PublicURL = s.PublicURL.JoinPath(long)
	})
	code, err := credentials.EncodeQR(credentials.SecretString("https://mdm.example.com/join/" + long + "i/" + w.token))
	if err != nil {
		t.Fatal(err)
	}
	if code.PNGSize(3) <= 256 {
		t.Fatal("that is not long")
	}
	shows(t, w.get(w.page(""), "User-Agent", edgeWindows), 200, fmt.Sprintf(`width="%d"`, code.PNGSize(3)))
}

// once is a platform whose code is made for the person who accepted.
type once struct{ payload }

func (p once) NextStep(ctx context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	step, err := p.payload.NextStep(ctx, o)
	step.Scan = credentials.SecretString(p.text)
	return step, err
}

func (p once) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}

func TestACodeForOneStepIsInThePage(t *testing.T) {
	const text = `{"once":"only"}`
	w := newWorld(t, with(once{payload{serves{name: "android", list: []device.Platform{device.Android}}, text}}))
	page := w.submit("ownership=company&platform=android", "User-Agent", edgeWindows)
	shows(t, page, 200, "factory settings", `width="384" height="384"`)
	hides(t, page, "qr.png")
	inline := regexp.MustCompile(`src="data:image/png;base64,([^"]+)"`).FindStringSubmatch(page.Body.String())
	if inline == nil {
		t.Fatal("no code in the page")
	}
	image, err := base64.StdEncoding.DecodeString(html.UnescapeString(inline[1]))
	if err != nil {
		t.Fatal(err)
	}
	code, err := credentials.EncodeQR(credentials.SecretString(text))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := png.Decode(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if scale := drawn.Bounds().Dx() / (code.Modules() + 2*credentials.QuietZone); !bytes.Equal(image, code.AppendPNG(nil, scale)) {
		t.Error("another code")
	}
	if csp := page.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' data:;") {
		t.Errorf("policy %q", csp)
	}

	broken := newWorld(t, with(once{payload{serves{name: "android", list: []device.Platform{device.Android}}, strings.Repeat("x", 4000)}}))
	shows(t, broken.submit("ownership=company&platform=android", "User-Agent", edgeWindows), 503)
}

func TestAQRThatCannotBeDrawnIsOurTrouble(t *testing.T) {
	w := newWorld(t, with(payload{serves{name: "android", list: []device.Platform{device.Android}}, strings.Repeat("x", 4000)}))
	want(t, w.get(w.page("/qr.png?platform=android"), "Accept", "application/json"), 503, "unavailable")
}

func TestManyQRsAtOnceAreAllDrawn(t *testing.T) {
	w := newWorld(t)
	answers := make([]*httptest.ResponseRecorder, 32)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = w.get(w.page("/qr.png")) })
	}
	wg.Wait()
	for _, rec := range answers {
		if rec.Code != 200 {
			t.Errorf("%d", rec.Code)
		}
	}
}
