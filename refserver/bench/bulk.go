package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/bench/floor"
)

// rowByRow is how many invitations are made one row after another, which is
// slow, to know the rate.
const rowByRow = 2000

// runBulk invites many people who were never invited before, then a part of them
// again, in requests of [enrollment.MaxInvites], each with its mail. The COPY
// floor makes its credentials too.
func (b *bench) runBulk(ctx context.Context) error {
	var rows [][]string
	for _, system := range b.systems {
		err := b.on(ctx, system, func(w *world) error {
			if err := w.inhabit(ctx); err != nil {
				return err
			}
			n := b.bulk
			if system == "sqlite" { // there is no COPY to hold it against, and no target
				n /= 10
			}
			people := make([]string, n)
			for i := range people {
				people[i] = fmt.Sprintf("user%08d", serial.next())
			}
			var floorRate float64
			show := func(name string, n int, took time.Duration) (perFloor float64) {
				rate := float64(n) / took.Seconds()
				if floorRate == 0 {
					floorRate = rate
				}
				rows = append(rows, []string{system, name, fmt.Sprint(n), fmt.Sprintf("%.0f", rate), times(floorRate / rate)})
				return floorRate / rate
			}
			if w.pool != nil {
				began := time.Now()
				list, err := w.bulk(n)
				if err != nil {
					return err
				}
				if err := floor.Copy(ctx, w.pool, list); err != nil {
					return err
				}
				show("floor: COPY, one transaction", n, time.Since(began))
			}
			first, err := w.inviteAll(ctx, people)
			if err != nil {
				return err
			}
			fresh := show("ours, nobody invited before", n, first)
			people = people[:max(n/5, min(n, enrollment.MaxInvites))] // the rate is what counts
			again, err := w.inviteAll(ctx, people)
			if err != nil {
				return err
			}
			repeated := show("ours, all invited again", len(people), again)
			began := time.Now()
			list, err := w.bulk(min(rowByRow, n))
			if err != nil {
				return err
			}
			for at := 0; at < len(list); at += enrollment.MaxInvites {
				if err := w.floors[0].InviteMany(ctx, list[at:min(at+enrollment.MaxInvites, len(list))]); err != nil {
					return err
				}
			}
			slow := show("floor: row by row, 1000 a transaction", len(list), time.Since(began))
			if w.pool != nil {
				b.judge(10, "bulk invite of new users", "<= 1.5 x COPY", times(fresh), fresh <= 1.5)
				b.judge(10, "bulk invite, all re-invited", "<= 2.75 x COPY", times(repeated), repeated <= 2.75)
				b.judge(10, "bulk invite against row by row", ">= 4 x faster", times(slow/fresh), slow/fresh >= 4)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	b.table("bulk invite", []string{"database", "way", "invitations", "per second", "time : COPY's"}, rows)
	return nil
}

func (w *world) inviteAll(ctx context.Context, people []string) (time.Duration, error) {
	began := time.Now()
	for at := 0; at < len(people); at += enrollment.MaxInvites {
		var r enrollment.InviteManyRequest
		for _, user := range people[at:min(at+enrollment.MaxInvites, len(people))] {
			r.Invites = append(r.Invites, enrollment.InviteRequest{User: user, Send: true})
		}
		results, err := w.svc.InviteMany(ctx, admin, r)
		if err != nil {
			return 0, err
		}
		if n := enrollment.CountInvites(results); n.Created != len(r.Invites) {
			return 0, fmt.Errorf("invited %d of %d", n.Created, len(r.Invites))
		}
	}
	return time.Since(began), nil
}

// bulk makes n invitations for the floor, with their credentials.
func (w *world) bulk(n int) ([]floor.Invite, error) {
	list := make([]floor.Invite, n)
	for i := range list {
		s := serial.next()
		id, user := fmt.Sprintf("%026d", s), fmt.Sprintf("user%08d", s)
		set, err := credentials.NewSet(rand.Reader, credentials.DefaultPINDigits)
		if err != nil {
			return nil, err
		}
		sealed, err := w.ring.SealSet(rand.Reader, credentials.AAD{Site: site, Owner: "inv_" + id, Kind: "invitation", Generation: 1}, set)
		if err != nil {
			return nil, err
		}
		list[i] = floor.Invite{
			Site: site, User: user, Name: "Jan Novák", Email: user + "@example.com",
			Invitation: "inv_" + id, Event1: "evt_1" + id, Event2: "evt_2" + id, ID: "log_" + id, By: admin.ID,
			Token: w.ring.MACSecret(credentials.PurposeToken, set.Token).Bytes(),
			PIN:   w.ring.MACSecret(credentials.PurposePIN, set.PIN, site, "inv_"+id, "1").Bytes(), Sealed: sealed, At: micros(),
		}
	}
	return list, nil
}
