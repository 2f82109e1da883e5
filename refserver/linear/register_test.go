package linear_test

import (
	"fmt"
	"sync"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/linear"
)

// shelf is what the clients know of each register: the secrets by which they
// enroll, also those of old.
type shelf struct {
	mu   sync.Mutex
	list map[string][]held
}

type held struct {
	id     string
	secret credentials.Secret
}

func (s *shelf) put(register string, h held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[string][]held{}
	}
	s.list[register] = append(s.list[register], h)
}

// pick returns one of the latest few, mostly the latest.
func (s *shelf) pick(c *client, register string) (held, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list[register]
	if len(list) == 0 {
		return held{}, false
	}
	back := max(0, c.rand.IntN(5)-2)
	return list[max(0, len(list)-1-back)], true
}

func TestTheInvitationOfAUserIsOneRegister(t *testing.T) {
	everyStore(t, func(t *testing.T, w *world) {
		const users = 8
		known := &shelf{}
		w.work(callsEach(t), func(c *client, i int) {
			user := fmt.Sprintf("user-%d", c.rand.IntN(users))
			c.invitationCall(known, user, i)
		})
		w.check(linear.Register())
	})
}

// invitationCall makes one call about the invitation of a user.
func (c *client) invitationCall(known *shelf, user string, i int) {
	in := linear.Input{Register: "acme/" + user}
	h, found := known.pick(c, user)
	switch n := c.rand.IntN(10); {
	case n < 3 || !found:
		in.Op = linear.Send
		call := c.begin(in)
		result, err := c.svc.Invite(c.Context(), c.by, enrollment.InviteRequest{User: user})
		if err != nil {
			c.failed("invite", err)
			return
		}
		call.End(linear.Output{OK: true, ID: result.Invitation})
		revealed, err := c.svc.Reveal(c.Context(), c.by, result.Invitation)
		if err != nil {
			return // replaced already
		}
		token, err := credentials.ParseDeploymentURL(revealed.URL.Reveal())
		if err != nil {
			c.failed("reveal", err)
			return
		}
		known.put(user, held{result.Invitation, token})
	case n < 5:
		in.Op, in.ID = linear.Deactivate, h.id
		call := c.begin(in)
		if _, err := c.svc.Deactivate(c.Context(), c.by, h.id); err != nil {
			c.failed("deactivate", err)
			return
		}
		call.End(linear.Output{OK: true})
	case n < 8:
		in.Op, in.ID = linear.Enroll, h.id
		call := c.begin(in)
		_, err := c.svc.Enroll(c.Context(), enrollment.EnrollRequest{
			EnrollmentID: c.name("enrollment", i), Credential: enrollment.Presented{Token: h.secret},
			Device: enrollment.Claim{Platform: device.Android},
		})
		switch enrollment.Code(err) {
		case "":
			call.End(linear.Output{OK: true})
		case "invitation_deactivated":
			call.End(linear.Output{})
		default:
			c.failed("enroll", err)
		}
	default:
		in.Op = linear.Active
		call := c.begin(in)
		page, err := c.svc.Invitations(c.Context(), c.by, enrollment.InvitationsQuery{
			User: user, States: []invitation.State{invitation.Created, invitation.Sent, invitation.Opened},
		})
		if err != nil || len(page.Invitations) > 1 {
			c.failed(fmt.Sprintf("%d active invitations", len(page.Invitations)), err)
			return
		}
		out := linear.Output{OK: true}
		if len(page.Invitations) == 1 {
			out.ID = page.Invitations[0].ID
		}
		call.End(out)
	}
}

func TestTheCompanyPasscodeOfASiteIsOneRegister(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			const sites = 4
			w := worldWith(t, 1000, s.open(t)...) // old ones are wrong ones; here they lock nothing
			known := &shelf{}
			w.work(callsEach(t), func(c *client, i int) {
				c.passcodeCall(known, fmt.Sprintf("site-%d", c.rand.IntN(sites)), i)
			})
			w.check(linear.Register())
		})
	}
}

// passcodeCall makes one call about the passcode of a site.
func (c *client) passcodeCall(known *shelf, site string, i int) {
	by := enrollment.Actor{Site: site, ID: "adm"}
	in := linear.Input{Register: site}
	h, found := known.pick(c, site)
	switch n := c.rand.IntN(10); {
	case n < 2 || !found:
		in.Op = linear.Send
		call := c.begin(in)
		passcode, detail, err := c.svc.GeneratePasscode(c.Context(), by)
		if err != nil {
			c.failed("generate", err)
			return
		}
		id := fmt.Sprint("generation ", detail.Generation)
		call.End(linear.Output{OK: true, ID: id})
		known.put(site, held{id, passcode})
	case n < 3:
		in.Op = linear.Disable
		call := c.begin(in)
		if _, err := c.svc.DisablePasscode(c.Context(), by); err != nil {
			c.failed("disable", err)
			return
		}
		call.End(linear.Output{OK: true})
	case n < 8:
		in.Op, in.ID = linear.Enroll, h.id
		call := c.begin(in)
		if mailed, ok := c.knock(site, c.name("user", i), h.secret); ok {
			call.End(linear.Output{OK: mailed})
		}
	default:
		in.Op = linear.Active
		call := c.begin(in)
		detail, err := c.svc.Passcode(c.Context(), by)
		if err != nil {
			c.failed("passcode", err)
			return
		}
		out := linear.Output{OK: true}
		if detail.Status == enrollment.PasscodeActive {
			out.ID = fmt.Sprint("generation ", detail.Generation)
		}
		call.End(out)
	}
}
