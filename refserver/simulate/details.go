package simulate

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"example.com/enrollkit/device"
)

// maxDetails is for how many people the details of devices are read.
const maxDetails = 300

// detail is the part of GET /devices/{id} that is compared.
type detail struct {
	State    string               `json:"state"`
	Missing  []device.Fact        `json:"missing"`
	Facts    map[device.Fact]bool `json:"facts"`
	Hardware device.Hardware      `json:"hardware"`
}

// details compares the detail of each device with its account.
func (s *simulation) details(ctx context.Context, who string) (list []Unexpected, err error) {
	var mu sync.Mutex
	err = s.each(s.players[:min(len(s.players), maxDetails)], func(p *player) error {
		for _, a := range p.agents {
			if a.id == "" || p.lost {
				continue
			}
			differ := func(what, want, got string) {
				if want == got {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				list = append(list, Unexpected{Where: p.person.Story + ": the end", What: what + " in GET /devices/{id}", Want: want, Got: got})
			}
			if err := a.detail(ctx, who, differ); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func (a *agent) detail(ctx context.Context, who string, differ func(what, want, got string)) error {
	want := "200"
	if a.state == gone {
		want = "404 not_found"
	}
	var d detail
	_, err := a.player.admin.ask(ctx, who, http.MethodGet, "/devices/{id}", "/devices/"+url.PathEscape(a.id), nil, &d, want)
	if err != nil || a.state == gone {
		return err
	}
	if !a.silent || d.State != string(device.Unresponsive) {
		differ("state", string(a.state), d.State)
	}
	if a.speaks() && !slices.Equal(d.Missing, a.missing) {
		differ("missing", fmt.Sprint(a.missing), fmt.Sprint(d.Missing))
	}
	for f, value := range a.said {
		if a.state != device.Unenrolled && d.Facts[f] != value {
			differ("fact "+string(f), fmt.Sprint(value), fmt.Sprint(d.Facts[f]))
		}
	}
	if d.Hardware != a.device.Hardware {
		differ("hardware", "as enrolled", "another")
	}
	return nil
}
