package simulate

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strings"

	"example.com/enrollkit/credentials"
)

// player plays one person, the devices in their hands, and the administrator
// and the mail scanner as far as they deal with that person. One goroutine has
// it at a time.
type player struct {
	*simulation
	person  Person
	rng     *rand.Rand // for what the plan leaves open
	ids     *rand.Rand // enrollment ids
	invitee invitee

	invitation string // its id
	state      string // in which it is expected to be
	token      string
	root       string // of what stands beside /i/{token}
	codes      codes
	over       string // the token of an invitation that is over
	accept     string // where the form of the page goes
	agents     []*agent
	lost       bool // the story broke off, so nothing is expected any more
}

func newPlayer(s *simulation, person Person) *player {
	p := &player{
		simulation: s, person: person,
		rng: stream(s.o.Seed, person.N, "play"), ids: stream(s.o.Seed, person.N, "enrollments "+s.o.Label),
	}
	for _, d := range person.Devices {
		p.agents = append(p.agents, newAgent(p, d))
	}
	return p
}

// The states of an invitation, as the wire names them.
const (
	created     = "created"
	sent        = "sent"
	opened      = "opened"
	deactivated = "deactivated"
)

// invited notes the invitation that the player has from now on.
func (p *player) invited(id string, how Invite) {
	p.invitation, p.state = id, sent
	if how.Unsent {
		p.state = created
	}
}

// learnCodes gets the credentials and takes the link apart as an agent does.
func (p *player) learnCodes(ctx context.Context, who string) error {
	shown, err := p.admin.reveal(ctx, who, p.invitation)
	if err != nil {
		return err
	}
	base, token, err := credentials.SplitDeploymentURL(shown.URL)
	if err != nil {
		p.tally.unexpected(who, "url of POST "+apiPath+"/invitations/{id}/credentials", "a deployment URL", "something else")
		return errStopped
	}
	if _, err := credentials.ParsePIN(shown.PIN); err != nil {
		p.tally.unexpected(who, "pin of POST "+apiPath+"/invitations/{id}/credentials", "a PIN", "something else")
		return errStopped
	}
	p.codes, p.token, p.root = shown, token.Reveal(), p.origin+strings.TrimSuffix(base.Path, "/")
	return nil
}

// originOf is the scheme and the host of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// play does every act of the plan.
func (p *player) play(ctx context.Context) error {
	for _, act := range p.person.Acts {
		if err := sleep(ctx, p.o.real(act.After)); err != nil {
			return err
		}
		p.o.Logger.DebugContext(ctx, "act", "person", p.person.N, "story", p.person.Story, "do", string(act.Do), "with", act.With, "device", act.Device)
		if err := verbs[act.Do](p, ctx, p.person.Story+": "+string(act.Do), act); err != nil {
			return err
		}
	}
	return nil
}

// verbs is how each act is done. An error ends the story; it is errStopped if
// the answer was not foreseen, and otherwise the end of ctx.
var verbs map[Verb]func(p *player, ctx context.Context, who string, a Act) error

func init() {
	agentOf := func(do func(*agent, context.Context, string) error) func(*player, context.Context, string, Act) error {
		return func(p *player, ctx context.Context, who string, a Act) error { return do(p.agents[a.Device], ctx, who) }
	}
	verbs = map[Verb]func(*player, context.Context, string, Act) error{
		Fetch: (*player).fetch, Open: (*player).open, OpenCut: (*player).openCut, OpenOver: (*player).openOver,
		Accept: (*player).acceptInvitation, MistypePIN: (*player).mistypePIN,
		Enroll: (*player).enroll, Refused: (*player).refused, EnrollAgain: (*player).enrollAgain,

		SignIn: (*player).signIn, RepeatSignIn: agentOf((*agent).repeatSignIn), Session: agentOf((*agent).session),

		RepeatEnroll: agentOf((*agent).repeatEnroll), StaleEnroll: agentOf((*agent).staleEnroll),
		ReportOne: agentOf((*agent).reportOne), Finish: agentOf((*agent).finish),
		Repeat: agentOf((*agent).repeatReport), Late: agentOf((*agent).lateReport),
		CheckIn: agentOf((*agent).checkIn), Lose: agentOf((*agent).lose), Regain: agentOf((*agent).regain),
		Silence: agentOf((*agent).goSilent), Unenroll: agentOf((*agent).unenroll), Farewell: agentOf((*agent).farewell),
		OldToken: agentOf((*agent).useOldToken), AfterDelete: agentOf((*agent).afterDelete),

		Resend: (*player).resend, InviteAnew: (*player).inviteAnew, NewPIN: (*player).newPIN, Deactivate: (*player).deactivate,
		Renew: (*player).renew, Remove: (*player).remove, Delete: (*player).delete,
	}
}
