package simulate

import (
	"context"

	"example.com/enrollkit/device"
)

// resend mails the invitation again. The credentials stay.
func (p *player) resend(ctx context.Context, who string, _ Act) error {
	if _, err := p.admin.change(ctx, who, p.invitation, "send"); err != nil {
		return err
	}
	p.tally.count("invitations sent again")
	before := p.codes
	if err := p.learnCodes(ctx, who); err != nil {
		return err
	}
	if p.codes != before {
		p.tally.unexpected(who, "credentials after sending again", "as before", "others")
	}
	return nil
}

// inviteAnew replaces the invitation.
func (p *player) inviteAnew(ctx context.Context, who string, _ Act) error {
	body := p.person.Invite.body(p.invitee)
	body.IfActive = "replace"
	var made inviteAnswer
	if _, err := p.admin.ask(ctx, who, "POST", "/invitations", "/invitations", body, &made, "201"); err != nil {
		return err
	}
	if len(made.Results) != 1 || made.Results[0].Replaced != p.invitation {
		p.tally.unexpected(who, "replaced of POST "+apiPath+"/invitations", "the invitation before", "another one or none")
		return errStopped
	}
	old := *p
	p.tally.count("invitations replaced")
	p.invited(made.Results[0].Invitation, p.person.Invite)
	if err := p.learnCodes(ctx, who); err != nil {
		return err
	}
	p.over, old.state = old.token, deactivated
	return old.compareInvitation(ctx, who, false)
}

// newPIN makes a new PIN. The link stays.
func (p *player) newPIN(ctx context.Context, who string, _ Act) error {
	if _, err := p.admin.change(ctx, who, p.invitation, "new-pin"); err != nil {
		return err
	}
	p.tally.count("PINs renewed")
	before := p.codes
	if err := p.learnCodes(ctx, who); err != nil {
		return err
	}
	if p.codes.URL != before.URL || p.codes.PIN == before.PIN {
		p.tally.unexpected(who, "credentials after a new PIN", "another PIN alone", "something else")
	}
	return nil
}

// deactivate ends the invitation. Its devices live on.
func (p *player) deactivate(ctx context.Context, who string, _ Act) error {
	if _, err := p.admin.change(ctx, who, p.invitation, "deactivate"); err != nil {
		return err
	}
	p.tally.count("invitations deactivated")
	p.over, p.state = p.token, deactivated
	return p.compareInvitation(ctx, who, false)
}

// renew nudges the user of an unfinished device.
func (p *player) renew(ctx context.Context, who string, a Act) error {
	p.tally.count("devices renewed")
	return p.admin.command(ctx, who, p.agents[a.Device].id, "renew")
}

// remove tells the device to go.
func (p *player) remove(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device]
	if err := p.admin.command(ctx, who, agent.id, "remove"); err != nil {
		return err
	}
	p.tally.count("devices told to go")
	agent.state = device.Leaving
	return nil
}

// delete forgets the device.
func (p *player) delete(ctx context.Context, who string, a Act) error {
	agent := p.agents[a.Device]
	if err := p.admin.forget(ctx, who, agent.id); err != nil {
		return err
	}
	p.tally.count("devices deleted")
	agent.state = gone
	return nil
}
