package enrollhttp_test

import (
	"regexp"
	"strings"
	"testing"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

// preselected returns the platform that a page has chosen, and whether it shows
// the QR code to go on with a phone.
func preselected(w *world, header ...string) (platform string, desktop bool) {
	w.t.Helper()
	rec := w.get(w.page(""), header...)
	shows(w.t, rec, 200)
	if m := regexp.MustCompile(`name="platform" value="([a-z]+)" required checked`).FindStringSubmatch(rec.Body.String()); m != nil {
		platform = m[1]
	}
	return platform, strings.Contains(rec.Body.String(), "qr.png")
}

func TestThePlatformIsPreselectedFromTheRequest(t *testing.T) {
	w := newWorld(t)
	chromeMac := "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	for _, c := range []struct {
		name, agent, hint string
		platform          string
		desktop           bool
	}{
		{"iPhone", safariIPhone, "", "ios", false},
		{"iPod", "Mozilla/5.0 (iPod touch; CPU iPhone OS 15_8 like Mac OS X) AppleWebKit/605.1.15", "", "ios", false},
		{"iPad that says so", "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Version/12.1 Mobile/15E148 Safari/604.1", "", "ios", false},
		{"iPad or Mac: Safari says the same on both", safariMac, "", "", true},
		{"iPad with Chrome as a desktop", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Version/17.4 Safari/605.1.15", "", "ios", false},
		{"Mac with Chrome", chromeMac, `"macOS"`, "macos", true},
		{"Mac with Chrome, without the hint", chromeMac, "", "macos", true},
		{"Mac with Firefox", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "", "macos", true},
		{"Android phone", chromeAndroid, `"Android"`, "android", false},
		{"Android phone, without the hint", chromeAndroid, "", "android", false},
		{"Android tablet", "Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "", "android", false},
		{"Android that asks for the desktop site", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", `"Android"`, "android", false},
		{"ChromeOS", chromeOS, "", "", true},
		{"ChromeOS by the hint", chromeOS, `"Chrome OS"`, "", true},
		{"ChromiumOS by the hint", chromeOS, `"Chromium OS"`, "", true},
		{"Windows", edgeWindows, "", "windows", true},
		{"Windows by the hint", "x", `"Windows"`, "windows", true},
		{"Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "", "", true},
		{"Windows Phone claims to be all others", "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) AppleWebKit/537.36 like iPhone", "", "", false},
		{"Windows' own enrollment client is no browser", "Windows Phone 8 Enrollment Client", "", "", false},
		{"an unknown hint leaves it to the agent", chromeAndroid, `"Unknown"`, "android", false},
		{"a hint that makes no sense", safariIPhone, `"><script>`, "ios", false},
		{"nothing", "", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := []string{"User-Agent", c.agent}
			if c.hint != "" {
				header = append(header, "Sec-CH-UA-Platform", c.hint)
			}
			if platform, desktop := preselected(w, header...); platform != c.platform || desktop != c.desktop {
				t.Errorf("preselected %q, desktop %v; want %q, %v", platform, desktop, c.platform, c.desktop)
			}
		})
	}
}

// serves is a platform without HTTP.
type serves struct {
	enrollment.Platform
	name string
	list []device.Platform
}

func (s serves) Name() string              { return s.name }
func (s serves) Serves() []device.Platform { return s.list }

func TestOnlyPlatformsThatAreServedAreOffered(t *testing.T) {
	w := newWorld(t, func(_ *enrollment.Config, o *enrollhttp.Options, _ *enrollment.InviteRequest, _ *enrollment.Site) {
		o.Platforms = []enrollment.Platform{serves{name: "x", list: []device.Platform{device.IOS}}, serves{name: "y", list: []device.Platform{device.Android}}}
	})
	rec := w.get(w.page(""), "User-Agent", edgeWindows)
	shows(t, rec, 200, `value="android"`, `value="ios"`, "qr.png")
	hides(t, rec, `value="windows"`, `value="macos"`, "required checked")
	if platform, _ := preselected(w, "User-Agent", safariMac); platform != "ios" {
		t.Errorf("where no Mac enrolls, what may be an iPad is one: %q", platform)
	}
}
