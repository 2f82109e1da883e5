package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"example.com/enrollkit/device"
	"example.com/enrollkit/refserver/internal/windowsclient"
)

// nextStep is the part of the answer to an accept that is acted on.
type nextStep struct {
	Action             device.Action
	Username, Password string
}

// signIn enrolls a computer in the settings of Windows, by what the page of the
// invitation says, or, with "self_service", by a login that the person asks for,
// where the server has a passcode and a mailbox. A server that manages no Windows
// devices leads to the agent instead.
func (p *player) signIn(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device]
	next, err := p.next(ctx, who, agent, "/i/{token}/accept", p.accept, url.Values{})
	if err != nil {
		return err
	}
	if next.Action != device.SignIn {
		a.With = "link"
		return p.enroll(ctx, who, a)
	}
	agent.login = windowsclient.Credential{Username: next.Username, Password: next.Password}
	if a.With == "self_service" {
		if agent.bySelf, err = p.askForLogin(ctx, who, agent); err != nil {
			return err
		}
	}
	d := agent.device
	agent.mdm = windowsclient.New(p.origin, windowsclient.Device{
		ID: text(p.ids, hexDigits, 32), HWDevID: d.Hardware.HWDevID, Name: d.Name,
		Manufacturer: d.Manufacturer, Model: d.Model, Serial: d.Hardware.Serial, OSVersion: d.OSVersion,
	})
	agent.mdm.Origin, agent.mdm.Remote = p.origin, p.person.Source.String()
	if err := agent.speak(ctx, who, "enrollment of a computer", func() error { return agent.mdm.Enroll(ctx, agent.login) }); err != nil {
		return err
	}
	row, err := p.computer(ctx, who, agent)
	if err != nil {
		return err
	}
	agent.id, agent.name, agent.requires, agent.missing = row.ID, d.Name, row.Missing, row.Missing
	agent.said, agent.ever, agent.silent, agent.state = map[device.Fact]bool{}, false, false, device.Pending
	p.tally.count("enrolled by signing in")
	return p.compareInvitation(ctx, who, false)
}

// next accepts for a computer, as a program does that has pages of its own.
func (p *player) next(ctx context.Context, who string, a *agent, route, to string, form url.Values) (next nextStep, err error) {
	header := p.browse(a.device.UserAgent)
	header.Set("Accept", "application/json")
	header.Set("Origin", originOf(p.root))
	form.Set("platform", string(device.Windows))
	form.Set("ownership", string(a.device.Ownership))
	got, err := p.do(ctx, call{method: http.MethodPost, url: to, route: route, header: header, body: form, want: []string{"200"}, who: who})
	if err != nil {
		return next, err
	}
	if err := got.decode(&next); err != nil {
		p.tally.unexpected(who, "POST "+route, "the next step in JSON", "something else")
		return next, errStopped
	}
	return next, nil
}

// computer is the row of the device that this person signed in with.
func (p *player) computer(ctx context.Context, who string, a *agent) (slot, error) {
	name, invitation := a.device.Name, p.invitation
	if a.bySelf {
		invitation = ""
	}
	query := url.Values{"page_size": {"500"}, "q": {name}}
	var page struct {
		Slots []slot `json:"slots"`
	}
	if _, err := p.admin.ask(ctx, who, http.MethodGet, "/slots", "/slots?"+query.Encode(), nil, &page, "200"); err != nil {
		return slot{}, err
	}
	var found []slot
	for _, row := range page.Slots {
		if row.Kind == "device" && row.Invitation == invitation {
			found = append(found, row)
		}
	}
	if len(found) != 1 {
		p.tally.unexpected(who, "GET /slots", "one device of the person", fmt.Sprint(len(found)))
		return slot{}, errStopped
	}
	return found[0], nil
}

// speak does something in the protocol of Windows, and notes an error.
func (a *agent) speak(ctx context.Context, who, what string, do func() error) error {
	p := a.player
	select {
	case p.client.slots <- struct{}{}:
		defer func() { <-p.client.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.tally.request()
	err := do()
	switch refused := new(windowsclient.StatusError); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case a.ownLife && errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		p.tally.count("devices deleted by others")
		a.state = gone
		return nil
	}
	said := "no answer: " + kindOf(err)
	if fault := new(windowsclient.Fault); errors.As(err, &fault) {
		said = "fault " + fault.Subcode + " " + fault.Type
	} else if refused := new(windowsclient.StatusError); errors.As(err, &refused) {
		said = fmt.Sprint(refused.Status)
	}
	p.tally.unexpected(who, what, "an answer", said)
	return errStopped
}

// repeatSignIn asks for the certificate once more, as if the answer had been lost.
func (a *agent) repeatSignIn(ctx context.Context, who string) error {
	if a.mdm == nil {
		return a.repeatEnroll(ctx, who)
	}
	a.player.tally.count("lost answers asked for again")
	if err := a.speak(ctx, who, "a repeated request for a certificate", func() error { return a.mdm.Request(ctx, a.login) }); err != nil {
		return err
	}
	row, err := a.player.computer(ctx, who, a)
	if err == nil && row.ID != a.id {
		a.player.tally.unexpected(who, "the device after a repeated request", "the same", "another one")
	}
	return err
}

// session is the device asking for work; in its first, it tells what it is.
func (a *agent) session(ctx context.Context, who string) error {
	if a.mdm == nil {
		return a.finish(ctx, who)
	}
	err := a.speak(ctx, who, "a session of a computer", func() error { _, err := a.mdm.Sync(ctx); return err })
	if err != nil || a.state == gone {
		return err
	}
	if a.silent {
		a.player.tally.count("came back from silence")
	}
	a.player.tally.count("sessions of computers")
	for _, f := range []device.Fact{device.ManagementProfile, device.InventoryReceived} {
		a.said[f] = true
	}
	a.silent, a.ever, a.missing = false, true, nil
	if a.state == device.Pending {
		a.state = device.Active
	}
	return nil
}

// signOut is the person removing the account in the settings.
func (a *agent) signOut(ctx context.Context, who string) error {
	err := a.speak(ctx, who, "the goodbye of a computer", func() error { _, err := a.mdm.Leave(ctx); return err })
	if err != nil {
		return err
	}
	a.state, a.silent = device.Unenrolled, false
	a.player.tally.count("devices left")
	return nil
}
