package simulate

import (
	"context"
	"net/http"

	"example.com/enrollkit/device"
)

// reportBody is what POST /device/v1/report takes.
type reportBody struct {
	Seq          int64                `json:"seq"`
	Facts        map[device.Fact]bool `json:"facts,omitempty"`
	Inventory    map[string]any       `json:"inventory,omitempty"`
	Name         string               `json:"name,omitempty"`
	Manufacturer string               `json:"manufacturer,omitempty"`
	Model        string               `json:"model,omitempty"`
	OSVersion    string               `json:"os_version,omitempty"`
}

// call is a request of the agent to the device API.
func (a *agent) call(path, who, token string, body any, want ...string) call {
	header := http.Header{
		"User-Agent":      {"ExampleAgent/5.1 (" + string(a.device.Platform) + ")"},
		"X-Forwarded-For": {a.player.person.Source.String()},
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return call{method: http.MethodPost, url: a.player.root + path, route: path, header: header, body: body, want: want, who: who}
}

// body is a new request to enroll, with an enrollment id of its own.
func (a *agent) body(c credential) enrollBody {
	d := a.device
	return enrollBody{
		EnrollmentID: uuid(a.player.ids), Credential: c, Mode: d.Mode,
		Device: claim{
			Platform: d.Platform, Hardware: d.Hardware, Name: d.Model,
			Manufacturer: d.Manufacturer, Model: d.Model, OSVersion: d.OSVersion,
		},
	}
}

// enroll sends a request to enroll and begins a new life if it is granted.
func (a *agent) enroll(ctx context.Context, who string, body enrollBody, want ...string) (answer, error) {
	p := a.player
	got, err := p.do(ctx, a.call("/device/v1/enroll", who, "", body, want...))
	if err != nil || got.status >= 300 {
		return got, err
	}
	var e enrolled
	if err := got.decode(&e); err != nil || e.ID == "" || e.Token == "" {
		p.tally.unexpected(who, "POST /device/v1/enroll", "device_id and device_token", "a body without them")
		return got, errStopped
	}
	a.begin(who, body, e)
	return got, nil
}

// repeatEnroll sends the last request once more, as if its answer had been lost.
func (a *agent) repeatEnroll(ctx context.Context, who string) error {
	p := a.player
	want := []string{"200"}
	if a.request.Credential.Type == "pin" { // which is compared again, at the pace of all guesses
		want = append(want, "429 paced")
	}
	got, err := p.do(ctx, a.call("/device/v1/enroll", who, "", a.request, want...))
	if err != nil || !got.is(http.StatusOK) {
		return err
	}
	p.tally.count("lost answers asked for again")
	var e enrolled
	if err := got.decode(&e); err != nil || e.ID != a.id || e.Token != a.token {
		p.tally.unexpected(who, "POST /device/v1/enroll", "the first answer", "another one")
	}
	a.compare(who, e.status)
	return nil
}

// staleEnroll repeats a request from before the hardware enrolled anew. It must
// not bring the old token back.
func (a *agent) staleEnroll(ctx context.Context, who string) error {
	a.player.tally.count("late repetitions refused")
	_, err := a.player.do(ctx, a.call("/device/v1/enroll", who, "", a.old, "409 conflict"))
	return err
}

// send sends a report with the next number.
func (a *agent) send(ctx context.Context, who string, r reportBody) error {
	a.seq++
	r.Seq = a.seq
	for f, value := range r.Facts {
		a.said[f] = value
	}
	if len(r.Inventory) > 0 {
		a.said[device.InventoryReceived] = true
		a.name = r.Name
	}
	a.last, a.silent = r, false
	return a.deliver(ctx, who, r)
}

// deliver sends a report as it is.
func (a *agent) deliver(ctx context.Context, who string, r reportBody) error {
	got, err := a.player.do(ctx, a.call("/device/v1/report", who, a.token, r, a.answers("200")...))
	if err != nil || a.isGone(got) {
		return err
	}
	a.player.tally.count("reports")
	var s status
	if err := got.decode(&s); err != nil {
		a.player.tally.unexpected(who, "POST /device/v1/report", "a status", "a body of another shape")
		return errStopped
	}
	a.compare(who, s)
	return nil
}

// prove is the report that proves a fact.
func (a *agent) prove(f device.Fact) reportBody {
	if f != device.InventoryReceived {
		return reportBody{Facts: map[device.Fact]bool{f: true}}
	}
	d := a.device
	return reportBody{
		Inventory: d.inventory(a.player.rng), Name: d.Name,
		Manufacturer: d.Manufacturer, Model: d.Model, OSVersion: d.OSVersion,
	}
}

// reportOne proves the first missing fact that the agent can, or says that it
// runs.
func (a *agent) reportOne(ctx context.Context, who string) error {
	for _, f := range a.missing {
		if device.SourceAgent.MayAssert(f) {
			return a.send(ctx, who, a.prove(f))
		}
	}
	return a.send(ctx, who, a.prove(device.AgentInstalled))
}

// finish proves all that the agent can, with the time in between that people
// take.
func (a *agent) finish(ctx context.Context, who string) error {
	for range len(device.AllFacts()) {
		open := 0
		for _, f := range a.missing {
			if device.SourceAgent.MayAssert(f) {
				open++
			}
		}
		if open == 0 {
			return nil
		}
		if err := a.reportOne(ctx, who); err != nil {
			return err
		}
		pause := seconds(20 + a.player.rng.IntN(160))
		if err := sleep(ctx, a.player.o.real(pause)); err != nil {
			return err
		}
	}
	a.player.tally.unexpected(who, "missing of POST /device/v1/report", "less with every report", "no end")
	return errStopped
}

// repeatReport sends the last report again, as it was.
func (a *agent) repeatReport(ctx context.Context, who string) error {
	if a.last.Seq == 0 {
		return a.send(ctx, who, a.prove(device.AgentInstalled))
	}
	a.player.tally.count("reports repeated")
	return a.deliver(ctx, who, a.last)
}

// lateReport sends a report from long ago, which says the opposite of today.
func (a *agent) lateReport(ctx context.Context, who string) error {
	if a.seq == 0 {
		return nil
	}
	a.player.tally.count("reports late")
	return a.deliver(ctx, who, reportBody{Seq: 1, Facts: map[device.Fact]bool{device.AgentInstalled: false, device.Permissions: false}})
}

// checkIn is a sign of life.
func (a *agent) checkIn(ctx context.Context, who string) error {
	if a.mdm != nil {
		return a.session(ctx, who)
	}
	a.seq++
	if a.silent {
		a.player.tally.count("came back from silence")
	}
	a.silent = false
	a.player.tally.count("check-ins")
	got, err := a.player.do(ctx, a.call("/device/v1/checkin", who, a.token, map[string]int64{"seq": a.seq}, a.answers("204")...))
	a.isGone(got)
	return err
}

// answers is what the agent foresees: the good one, and once its story is over
// also that somebody at the console deleted it.
func (a *agent) answers(good string) []string {
	if a.ownLife {
		return []string{good, "410 device_gone"}
	}
	return []string{good}
}

// isGone notes that somebody deleted the device.
func (a *agent) isGone(got answer) bool {
	if !a.ownLife || !got.is(http.StatusGone) {
		return false
	}
	a.player.tally.count("devices deleted by others")
	a.state = gone
	return true
}
