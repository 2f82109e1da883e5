package simulate

import (
	"context"
	"slices"
	"time"

	"example.com/enrollkit/device"
)

// crucial is the fact that this device loses when it loses one.
func (a *agent) crucial() device.Fact {
	for _, f := range []device.Fact{device.Permissions, device.WorkProfile, device.AdminRights} {
		if slices.Contains(a.requires, f) {
			return f
		}
	}
	return device.AgentInstalled
}

// lose takes a permission from the agent.
func (a *agent) lose(ctx context.Context, who string) error {
	a.player.tally.count("permissions lost")
	return a.send(ctx, who, reportBody{Facts: map[device.Fact]bool{a.crucial(): false}})
}

// regain gives it back.
func (a *agent) regain(ctx context.Context, who string) error {
	a.player.tally.count("permissions regained")
	return a.send(ctx, who, reportBody{Facts: map[device.Fact]bool{a.crucial(): true}})
}

// goSilent begins a silence, which the next message ends.
func (a *agent) goSilent(context.Context, string) error {
	a.silent = true
	a.player.tally.count("went silent")
	return nil
}

// unenroll is the device leaving by itself.
func (a *agent) unenroll(ctx context.Context, who string) error {
	if a.mdm != nil {
		return a.signOut(ctx, who)
	}
	if _, err := a.player.do(ctx, a.call("/device/v1/unenroll", who, a.token, nil, "204")); err != nil {
		return err
	}
	a.state, a.silent = device.Unenrolled, false
	a.player.tally.count("devices left")
	return nil
}

// farewell is a message that was under way when the device left. It is taken,
// and changes nothing.
func (a *agent) farewell(ctx context.Context, who string) error {
	if err := a.send(ctx, who, a.prove(device.AgentInstalled)); err != nil {
		return err
	}
	return a.checkIn(ctx, who)
}

// useOldToken shows the token of an earlier generation.
func (a *agent) useOldToken(ctx context.Context, who string) error {
	a.player.tally.count("old tokens refused")
	_, err := a.player.do(ctx, a.call("/device/v1/checkin", who, a.oldToken, map[string]int64{"seq": 0}, "401 device_token_refused"))
	return err
}

// afterDelete is an agent that does not know yet that its device was deleted.
func (a *agent) afterDelete(ctx context.Context, who string) error {
	a.player.tally.count("told that they are gone")
	for path, body := range map[string]any{
		"/device/v1/checkin":  map[string]int64{"seq": a.seq + 1},
		"/device/v1/report":   reportBody{Seq: a.seq + 2, Facts: map[device.Fact]bool{device.AgentInstalled: true}},
		"/device/v1/unenroll": nil,
	} {
		if _, err := a.player.do(ctx, a.call(path, who, a.token, body, "410 device_gone")); err != nil {
			return err
		}
	}
	_, err := a.player.do(ctx, a.call("/device/v1/enroll", who, "", a.request, "410 device_gone"))
	return err
}

// liveOn keeps the person's devices alive until the time is up: they check in,
// tell news, lose permissions and regain them, go silent and come back.
func (p *player) liveOn(ctx context.Context, until time.Time) error {
	const who = "living on"
	for {
		pause := hours(2) + time.Duration(p.rng.Int64N(int64(hours(6))))
		if left := time.Until(until); !until.IsZero() && p.o.real(pause) > left {
			return sleep(ctx, left)
		}
		if err := sleep(ctx, p.o.real(pause)); err != nil {
			return err
		}
		for _, a := range p.agents {
			if !a.speaks() {
				continue
			}
			a.ownLife = true
			if err := a.liveABit(ctx, who); err != nil {
				return err
			}
			if a.state == device.Leaving {
				if err := a.unenroll(ctx, who); err != nil {
					return err
				}
			}
		}
	}
}

// liveABit is one thing that happens to a device.
func (a *agent) liveABit(ctx context.Context, who string) error {
	luck := a.player.rng.IntN(100)
	switch {
	case a.mdm != nil && luck >= 5:
		return a.session(ctx, who)
	case a.mdm != nil:
		return a.goSilent(ctx, who)
	case a.silent && luck < 70:
		return nil
	case a.state == device.Impaired && luck < 50:
		return a.regain(ctx, who)
	case a.state == device.Active && luck < 4:
		return a.lose(ctx, who)
	case a.state == device.Active && luck < 9:
		return a.goSilent(ctx, who)
	case luck < 35:
		return a.send(ctx, who, a.prove(device.InventoryReceived))
	}
	return a.checkIn(ctx, who)
}
