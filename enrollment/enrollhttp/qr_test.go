package enrollhttp_test

import (
	"bytes"
	"context"
	"image/png"
	"net/http/httptest"
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
	if rec.Code != 200 || rec.Header().Get("Content-Type") != "image/svg+xml" || !bytes.Equal(rec.Body.Bytes(), code.AppendSVG(nil)) {
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
