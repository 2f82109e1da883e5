package enrollhttp

import (
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// frame is what every page has.
type frame struct {
	words
	Style   template.CSS
	Title   string
	Site    string // the brand; empty while no site is known
	Support string
}

// choice is one radio button.
type choice struct {
	Value, Label, Hint string
	Checked            bool
}

// invitationView is invitation.html.
type invitationView struct {
	frame
	Here      string // in front of relative links: from the page to what is below the token
	URL       string // the deployment URL
	Mode      string
	Mistake   string // what was wrong with the form
	Fixed     string // the ownership, if the invitation decides it
	Ownership []choice
	Platforms []choice
	Detected  string // the platform, if there is no doubt
	Desktop   bool
	Enrolls   bool // this machine itself can enroll
}

// nextView is next.html.
type nextView struct {
	frame
	URL         string
	Back        string // to the invitation page
	Ownership   string
	Steps       []string
	Go, Open    template.URL
	GoLabel     string
	OpenLabel   string
	Alternative string
	Scan        bool // show the QR code
	ScanQuery   string
	Tip         string
}

// problemView is problem.html.
type problemView struct {
	frame
	Text string
	Ask  bool // say whom to ask
}

// frame starts a page of a site for a reader.
func (h *handler) frame(r *http.Request, site enrollment.Site, vars ...string) frame {
	lang := language(r.Header, h.pages.languages(site))
	vars = append(vars, "{site}", site.Name)
	return frame{words: h.pages.words(lang, vars...), Style: h.pages.style, Site: site.Name, Support: site.Support}
}

// invitationView fills the page of an offer. here is in front of its relative
// links; chosen is what the person chose in a form that was not acceptable.
func (h *handler) invitationView(r *http.Request, o enrollment.Offer, here string, chosen enrollment.AcceptRequest) invitationView {
	machine := detect(r.Header)
	maybe := slices.DeleteFunc(slices.Clone(machine.platforms), func(p device.Platform) bool { return !slices.Contains(h.offered, p) })
	selected := chosen.Platform
	if selected == "" && len(maybe) == 1 {
		selected = maybe[0]
	}
	v := invitationView{
		frame: h.frame(r, o.Site), Here: here, URL: o.URL.Reveal(),
		Desktop: machine.desktop, Enrolls: len(maybe) > 0,
	}
	v.Title = v.T("invitation.title")
	if o.Mode != "" {
		v.Mode = v.T("mode." + string(o.Mode))
	}
	if len(maybe) == 1 && selected == maybe[0] {
		v.Detected = v.T("platform." + string(selected))
	}
	for _, p := range h.offered {
		v.Platforms = append(v.Platforms, choice{
			Value: string(p), Label: v.T("platform." + string(p)), Checked: p == selected,
		})
	}
	if fixed := device.Ownership(o.Invitation.Ownership); fixed != "" {
		v.Fixed = v.T("ownership." + string(fixed))
		return v
	}
	for _, own := range []device.Ownership{device.Company, device.Personal} {
		key := "ownership." + string(own)
		v.Ownership = append(v.Ownership, choice{
			Value: string(own), Label: v.T(key), Hint: v.T(key + ".hint"),
			Checked: own == chosen.Ownership || chosen.Ownership == "" && own == o.Ownership,
		})
	}
	return v
}

// nextView fills the page after an accept.
func (h *handler) nextView(r *http.Request, a enrollment.Accepted) nextView {
	step := a.Next
	platform, action := string(step.Platform), string(step.Action)
	if step.Platform == "" {
		platform = string(a.Platform)
	}
	plain := h.frame(r, a.Site)
	agent := step.Agent.Name
	if agent == "" {
		agent = plain.T("agent.unnamed")
	}
	name := plain.T("platform." + platform)
	v := nextView{frame: h.frame(r, a.Site, "{agent}", agent, "{platform}", name), URL: a.URL.Reveal(), Back: "../" + a.Token.Reveal()}
	v.Title = v.T("next.title")
	v.Ownership = v.T("chosen." + string(a.Ownership))
	if a.OwnershipFixed {
		v.Ownership = v.T("fixed." + string(a.Ownership))
	}
	v.Alternative = v.T("alternative." + platform + "." + action)

	// A person at a desk goes on with the device in question, so links into its
	// programs are of no use here; and a new device is set up from the screen of
	// another one.
	machine := detect(r.Header)
	switch {
	case step.Action == device.ProvisionDevice:
		v.Scan, v.ScanQuery = true, "?platform="+url.QueryEscape(platform)
	case machine.desktop && !slices.Contains(machine.platforms, a.Platform):
		v.Scan = true
	default:
		v.Go, v.Open = safeURL(step.URL), safeURL(step.OpenURL.Reveal())
		v.GoLabel = v.T("go."+platform+"."+action, "go."+action, "go")
		v.OpenLabel = v.T("open")
		v.Tip = v.T("tip." + platform)
	}
	var keys []string
	for _, who := range []string{string(step.Mode), platform} {
		if v.Open != "" {
			keys = append(keys, who+"."+action+".open")
		}
		keys = append(keys, who+"."+action)
	}
	v.Steps = v.steps(append(keys, "default."+action, "default")...)
	return v
}

var scheme = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]*):`)

// safeURL is a link that may lead into a program by a scheme of its own, but
// never runs or shows what it carries. html/template alone would refuse the
// schemes of agents too.
func safeURL(link string) template.URL {
	m := scheme.FindStringSubmatch(link)
	if m == nil || strings.ContainsFunc(link, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return ""
	}
	switch strings.ToLower(m[1]) {
	case "javascript", "data", "vbscript", "file", "blob", "filesystem", "about", "view-source":
		return ""
	}
	return template.URL(link)
}
