package enrollhttp

import (
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"example.com/enrollkit/credentials"
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

// choices is what a form asks of the device.
type choices struct {
	Ownership []choice
	Platforms []choice
	Detected  string // the platform, if there is no doubt
}

// invitationView is invitation.html.
type invitationView struct {
	frame
	choices
	Here    string // in front of relative links: from the page to what is below the token
	Code    shownCode
	URL     string // the deployment URL
	Mode    string
	Mistake string // what was wrong with the form
	Fixed   string // the ownership, if the invitation decides it
	Desktop bool
	Enrolls bool // this machine itself can enroll
}

// nextView is next.html.
type nextView struct {
	frame
	URL         string
	Back        string // to the page before
	Ownership   string
	Steps       []string
	Login       *loginCodes // what to type into the agent, after a one-time login
	Elsewhere   string      // the address to open on the device itself, after a one-time login
	Go, Open    template.URL
	GoLabel     string
	OpenLabel   string
	Alternative string
	Scan        bool // show the QR code
	Code        shownCode
	New         bool // the code is for a device on its first screen
	Tip         string
}

// problemView is problem.html.
type problemView struct {
	frame
	Text string
	Ask  bool // say whom to ask
	// Again is where a computer goes on that has enrolled before; empty: not offered.
	Again     string
	Ownership string // with what was accepted then
}

// frame starts a page of a site for a reader.
func (h *handler) frame(r *http.Request, site enrollment.Site, vars ...string) frame {
	lang := language(r.Header, h.pages.languages(site))
	vars = append(vars, "{site}", site.Name)
	return frame{words: h.pages.words(lang, vars...), Style: h.pages.style, Site: site.Name, Support: site.Support}
}

// offers says which of the platforms on offer the machine may be.
func (h *handler) offers(machine visitor) []device.Platform {
	return slices.DeleteFunc(slices.Clone(machine.platforms), func(p device.Platform) bool { return !slices.Contains(h.offered, p) })
}

// choices fills what a form asks of the device. What was chosen before stays
// chosen; own is the ownership that is suggested otherwise.
func (h *handler) choices(w words, machine visitor, chosen enrollment.AcceptRequest, own device.Ownership) (c choices) {
	maybe := h.offers(machine)
	selected := chosen.Platform
	if selected == "" && len(maybe) == 1 {
		selected = maybe[0]
	}
	if len(maybe) == 1 && selected == maybe[0] {
		c.Detected = w.T("platform." + string(selected))
	}
	for _, p := range h.offered {
		c.Platforms = append(c.Platforms, choice{Value: string(p), Label: w.T("platform." + string(p)), Checked: p == selected})
	}
	if chosen.Ownership != "" {
		own = chosen.Ownership
	}
	for _, o := range []device.Ownership{device.Company, device.Personal} {
		key := "ownership." + string(o)
		c.Ownership = append(c.Ownership, choice{Value: string(o), Label: w.T(key), Hint: w.T(key + ".hint"), Checked: o == own})
	}
	return c
}

// invitationView fills the page of an offer. here is in front of its relative
// links; chosen is what the person chose in a form that was not acceptable.
func (h *handler) invitationView(r *http.Request, o enrollment.Offer, here string, chosen enrollment.AcceptRequest) invitationView {
	machine := detect(r.Header)
	v := invitationView{
		frame: h.frame(r, o.Site), Here: here, URL: o.URL.Reveal(),
		Desktop: machine.desktop, Enrolls: len(h.offers(machine)) > 0,
	}
	v.Title = v.T("invitation.title")
	if v.Desktop {
		v.Code = codeAt(here+"qr.png", o.URL, phoneSide)
	}
	v.choices = h.choices(v.words, machine, chosen, o.Ownership)
	if o.Mode != "" {
		v.Mode = v.T("mode." + string(o.Mode))
	}
	if fixed := device.Ownership(o.Invitation.Ownership); fixed != "" {
		v.Fixed, v.Ownership = v.T("ownership."+string(fixed)), nil
	}
	return v
}

// nextView fills the page after an accept.
func (h *handler) nextView(r *http.Request, a enrollment.Accepted) (nextView, error) {
	v, step, here := h.stepView(r, a.Site, a.Platform, a.Next, "")
	platform, action := string(step.Platform), string(step.Action)
	v.URL, v.Back = a.URL.Reveal(), "../"+a.Token.Reveal()
	v.Ownership = v.T("chosen." + string(a.Ownership))
	if a.OwnershipFixed {
		v.Ownership = v.T("fixed." + string(a.Ownership))
	}
	alternative := "alternative." + platform + "." + action
	if v.Alternative = v.T(alternative); step.Agent.Identifier != "" && step.Typed == "" {
		v.Alternative = v.T(alternative+".identifier", alternative)
	}
	v.Scan, v.New = !here && step.Action != device.SignIn, step.Action == device.ProvisionDevice
	if step.Action == device.SignIn {
		v.typedView(step)
	}
	var err error
	switch {
	case !v.Scan:
	case !v.New:
		v.Code = codeAt("qr.png", a.URL, phoneSide)
	case step.Scan.IsZero():
		var payload credentials.Secret
		payload, err = h.svc.QR(r.Context(), a.Token.Reveal(), step.Platform)
		v.Code = codeAt("qr.png?platform="+url.QueryEscape(platform), payload, newSide)
	default:
		v.Code, err = h.drawnCode(r.Context(), step.Scan, newSide)
	}
	return v, err
}

// stepView fills in how to go on with a device of platform p, and says whether
// that is here: a person at a desk goes on with the device in question, so links
// into its programs are of no use; and a new device is set up from the screen of
// another one. variant prefers steps of that name, as in ".login".
func (h *handler) stepView(r *http.Request, site enrollment.Site, p device.Platform, step enrollment.NextStep, variant string) (v nextView, _ enrollment.NextStep, here bool) {
	if step.Platform == "" {
		step.Platform = p
	}
	platform, action := string(step.Platform), string(step.Action)
	plain := h.frame(r, site)
	agent := step.Agent.Name
	if agent == "" {
		agent = plain.T("agent.unnamed")
	}
	v.frame = h.frame(r, site, "{agent}", agent, "{platform}", plain.T("platform."+platform),
		"{identifier}", step.Agent.Identifier, "{account}", account(step))
	v.Title = v.T("next.title")
	machine := detect(r.Header)
	here = step.Action != device.ProvisionDevice && (!machine.desktop || slices.Contains(machine.platforms, p))
	if step.Action == device.SignIn {
		here = slices.Contains(machine.platforms, p) // no other one has the settings that the link opens
	}
	if here {
		v.Go, v.Open = safeURL(step.URL), safeURL(step.OpenURL.Reveal())
		v.GoLabel = v.T("go."+platform+"."+action, "go."+action, "go")
		v.OpenLabel = v.T("open")
		v.Tip = v.T("tip." + platform)
	}
	whose := []string{string(step.Mode) + "." + action, platform + "." + action}
	var keys []string
	if step.Typed != "" {
		keys = append(keys, whose[0]+".typed", whose[1]+".typed")
	}
	if variant != "" {
		keys = append(keys, whose[0]+variant, whose[1]+variant)
	}
	for _, key := range whose {
		if v.Open != "" && variant == "" {
			keys = append(keys, key+".open")
		}
		keys = append(keys, key)
	}
	v.Steps = v.steps(append(keys, "default."+action, "default"+variant, "default")...)
	return v, step, here
}

// account is what is typed where a system takes nothing but an address: the user
// name, which has the server's host behind it if it is none.
func account(step enrollment.NextStep) string {
	u, err := url.Parse(step.Server)
	if step.Username == "" || strings.Contains(step.Username, "@") || err != nil || u.Hostname() == "" {
		return step.Username
	}
	return step.Username + "@" + u.Hostname()
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
