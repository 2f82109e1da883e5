package enrollhttp

import (
	"net/http"
	"strings"

	"example.com/enrollkit/device"
)

// visitor is what a page's request says of the machine it is read on. It
// decides what is preselected, never what is allowed.
type visitor struct {
	// platforms it may be: none if unknown or not one that enrolls, two where
	// requests look the same, as those of an iPad and a Mac do.
	platforms []device.Platform
	// desktop: it has a screen that a phone can scan.
	desktop bool
}

// detectedBy are the headers that detect reads, for Vary.
const detectedBy = "User-Agent, Sec-CH-UA-Platform, Sec-CH-UA-Mobile"

// hints are the values of Sec-CH-UA-Platform, which Chromium sends over https.
// No iPad claims to be a Mac there.
var hints = map[string]visitor{
	"android":     {platforms: []device.Platform{device.Android}},
	"ios":         {platforms: []device.Platform{device.IOS}},
	"macos":       {platforms: []device.Platform{device.MacOS}, desktop: true},
	"windows":     {platforms: []device.Platform{device.Windows}, desktop: true},
	"linux":       {desktop: true},
	"chrome os":   {desktop: true},
	"chromium os": {desktop: true},
}

// agents are what to look for in User-Agent, in this order: Windows Phone names
// Android and iPhone, and Android names Linux.
var agents = []struct {
	mark string
	visitor
}{
	{"Enrollment Client", visitor{}}, // Windows' own, no browser
	{"Windows Phone", visitor{}},
	{"iPhone", hints["ios"]},
	{"iPod", hints["ios"]},
	{"iPad", hints["ios"]},
	{"CrOS", hints["chrome os"]},
	{"Android", hints["android"]},
	{"Windows NT", hints["windows"]},
	{"Macintosh", visitor{platforms: []device.Platform{device.IOS, device.MacOS}, desktop: true}},
	{"Linux", hints["linux"]},
}

// detect judges by the hint where there is one, and by User-Agent otherwise.
func detect(h http.Header) visitor {
	hint := strings.ToLower(strings.Trim(h.Get("Sec-CH-UA-Platform"), `"`))
	if v, ok := hints[hint]; ok {
		return v
	}
	agent := h.Get("User-Agent")
	for _, a := range agents {
		if !strings.Contains(agent, a.mark) {
			continue
		}
		if a.mark == "Macintosh" {
			return macintosh(agent)
		}
		return a.visitor
	}
	return visitor{}
}

// macintosh tells apart what it can: since iPadOS 13 Safari on an iPad says
// word for word what Safari on a Mac says. Other browsers have names of their
// own on each.
func macintosh(agent string) visitor {
	for _, mark := range []string{"CriOS/", "FxiOS/", "EdgiOS/"} {
		if strings.Contains(agent, mark) {
			return hints["ios"]
		}
	}
	for _, mark := range []string{"Chrome/", "Firefox/"} {
		if strings.Contains(agent, mark) {
			return hints["macos"]
		}
	}
	return visitor{platforms: []device.Platform{device.IOS, device.MacOS}, desktop: true}
}
