package simulate

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/enrollkit/device"
)

// slot is the part of a row of GET /slots that is compared.
type slot struct {
	Kind       string        `json:"kind"`
	ID         string        `json:"id"`
	State      string        `json:"state"`
	Invitation string        `json:"invitation_id"`
	Platform   string        `json:"platform"`
	Mode       string        `json:"mode"`
	Ownership  string        `json:"ownership"`
	Name       string        `json:"name"`
	Missing    []device.Fact `json:"missing"`
	Conflict   bool          `json:"conflict"`
	User       struct {
		Email string `json:"email"`
	} `json:"user"`
}

const (
	// maxLooks is how often the view is read before a difference counts, and
	// betweenLooks the time between: other people may be at work on the site.
	maxLooks     = 4
	betweenLooks = 250 * time.Millisecond
)

// verify compares the Mobile devices view with what was played, and returns how
// many rows it compared. Before each look those who still speak give a sign of
// life, so that nobody is unresponsive who is not meant to be.
func (s *simulation) verify(ctx context.Context) (int, error) {
	const who = "the end"
	for look := 1; ; look++ {
		if err := s.each(s.players, func(p *player) error { return p.lastSign(ctx, who) }); err != nil {
			return 0, err
		}
		rows, counts, err := s.slots(ctx, who)
		if err != nil {
			return 0, err
		}
		compared, differences := s.differences(rows, counts)
		details, err := s.details(ctx, who)
		if err != nil {
			return 0, err
		}
		differences = append(differences, details...)
		if len(differences) == 0 || look == maxLooks {
			for _, d := range differences {
				s.tally.unexpected(d.Where, d.What, d.Want, d.Got)
			}
			return compared, nil
		}
		if err := sleep(ctx, betweenLooks); err != nil {
			return 0, err
		}
	}
}

// lastSign has every device check in that is not meant to be silent.
func (p *player) lastSign(ctx context.Context, who string) error {
	for _, a := range p.agents {
		if p.lost || !a.speaks() || a.silent {
			continue
		}
		if err := a.checkIn(ctx, who); err != nil {
			return err
		}
	}
	return nil
}

// slots reads the whole view, page by page.
func (s *simulation) slots(ctx context.Context, who string) (rows []slot, counts map[string]int64, err error) {
	query := url.Values{"page_size": {"500"}, "sort": {"name"}}
	for {
		var page struct {
			Slots  []slot           `json:"slots"`
			Counts map[string]int64 `json:"counts"`
			Next   string           `json:"next_page_token"`
		}
		if _, err := s.admin.ask(ctx, who, http.MethodGet, "/slots", "/slots?"+query.Encode(), nil, &page, "200"); err != nil {
			return nil, nil, err
		}
		rows, counts = append(rows, page.Slots...), page.Counts
		if page.Next == "" {
			return rows, counts, nil
		}
		query.Set("page_token", page.Next)
	}
}

// differences compares every row that this simulation made.
func (s *simulation) differences(rows []slot, counts map[string]int64) (compared int, list []Unexpected) {
	byID := map[string][]slot{}
	byState := map[string]int64{}
	for _, row := range rows {
		byID[row.ID] = append(byID[row.ID], row)
		byState[row.State]++
	}
	for state, n := range byState {
		if counts[state] != n {
			list = append(list, Unexpected{Where: "the end", What: "counts of GET /slots, " + state, Want: fmt.Sprint(n), Got: fmt.Sprint(counts[state])})
		}
	}
	for _, p := range s.players {
		if p.lost {
			continue
		}
		differ := func(what, want, got string) {
			if want != got {
				list = append(list, Unexpected{Where: p.person.Story + ": the end", What: what + " in GET /slots", Want: want, Got: got})
			}
		}
		live := false
		for _, a := range p.agents {
			if a.id == "" {
				continue
			}
			live = live || a.live()
			found := byID[a.id]
			compared += len(found)
			if a.state == gone {
				differ("rows of a deleted device", "0", fmt.Sprint(len(found)))
				continue
			}
			differ("rows of a device", "1", fmt.Sprint(len(found)))
			if len(found) == 1 {
				a.differences(found[0], differ)
			}
		}
		want := "0"
		if p.state != deactivated && !live {
			want = "1"
		}
		found := byID[p.invitation]
		compared += len(found)
		differ("rows of an invitation that is "+p.state, want, fmt.Sprint(len(found)))
		if len(found) == 1 {
			differ("kind of an invitation", "invitation", found[0].Kind)
			differ("state of an invitation", p.state, found[0].State)
		}
	}
	return compared, list
}

// differences compares the row of a device.
func (a *agent) differences(row slot, differ func(what, want, got string)) {
	p := a.player
	mode := a.device.Mode
	if mode == "" {
		mode = p.person.Invite.Mode
	}
	if mode.Platform() != a.device.Platform {
		mode = device.DefaultMode(a.device.Platform)
	}
	differ("kind of a device", "device", row.Kind)
	invitation := p.invitation
	if a.bySelf {
		invitation = ""
	}
	differ("invitation_id of a device", invitation, row.Invitation)
	differ("platform of a device", string(a.device.Platform), row.Platform)
	differ("mode of a device", string(mode), row.Mode)
	differ("ownership of a device", string(a.device.Ownership), row.Ownership)
	differ("conflict of a device", "false", fmt.Sprint(row.Conflict))
	if row.Name != a.name {
		differ("name of a device", "as reported", "another one")
	}
	if row.User.Email != p.person.Email {
		differ("address of a device's user", "as invited", "another one")
	}
	switch {
	case a.silent && row.State == string(device.Unresponsive):
	default:
		differ("state of a device", string(a.state), row.State)
	}
	if a.state.Live() && a.state != device.Leaving && !slices.Equal(row.Missing, a.missing) {
		differ("missing of a device", fmt.Sprint(a.missing), fmt.Sprint(row.Missing))
	}
}
