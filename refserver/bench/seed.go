package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// serial numbers everything that is made in this process, so that nobody meets
// anybody.
var serial atomic64

// invitations makes n active invitations straight through the store and returns
// their tokens.
func (w *world) invitations(ctx context.Context, n int) ([]credentials.Secret, error) {
	const chunk = 500
	tokens := make([]credentials.Secret, 0, n)
	now := time.Now().UTC()
	for len(tokens) < n {
		err := w.store.Update(ctx, func(ctx context.Context, tx enrollment.Tx) error {
			var (
				users []enrollment.User
				invs  []invitation.Invitation
				creds []enrollment.Credential
				slots []enrollment.Slot
				made  []credentials.Secret
			)
			for range min(chunk, n-len(tokens)) {
				i := serial.next()
				id, user := fmt.Sprintf("inv_%026d", i), fmt.Sprintf("user%08d", i)
				u, _ := w.Lookup(ctx, site, user)
				u.EmailKey = u.Email
				set, err := credentials.NewSet(rand.Reader, credentials.DefaultPINDigits)
				if err != nil {
					return err
				}
				token := w.ring.MACSecret(credentials.PurposeToken, set.Token)
				users, made = append(users, u), append(made, set.Token)
				invs = append(invs, invitation.Invitation{
					Site: site, ID: id, User: user, Email: u.Email, EmailKey: u.Email, Name: u.Name,
					State: invitation.Sent, SentAt: now, CreatedAt: now, PINGeneration: 1, Version: 1,
				})
				creds = append(creds, enrollment.Credential{
					Site: site, Owner: id, Kind: enrollment.KindInvitation, Generation: 1, Index: token, Check: token, CreatedAt: now,
				})
				slots = append(slots, enrollment.Slot{
					Site: site, ID: id, Kind: enrollment.SlotInvitation, State: string(invitation.Sent), Invitation: id,
					User: user, UserName: u.Name, Email: u.Email, CreatedAt: now,
				})
			}
			if err := tx.Users().Put(ctx, users...); err != nil {
				return err
			}
			if err := tx.Invitations().Create(ctx, invs...); err != nil {
				return err
			}
			if err := tx.Credentials().Put(ctx, creds...); err != nil {
				return err
			}
			if err := tx.Slots().Put(ctx, slots...); err != nil {
				return err
			}
			tokens = append(tokens, made...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// enrolled takes in n devices and returns their tokens.
func (w *world) enrolled(ctx context.Context, n int) ([]credentials.Secret, error) {
	tokens, err := w.invitations(ctx, n)
	if err != nil {
		return nil, err
	}
	err = parallel(ctx, 8, n, func(ctx context.Context, i int) error {
		out, err := w.svc.Enroll(ctx, android(tokens[i], fmt.Sprintf("%026d", serial.next())))
		tokens[i] = out.Token
		return err
	})
	return tokens, err
}

// complete is the report of a device that has everything that its mode needs.
func complete(seq int64) enrollment.Report {
	return enrollment.Report{Seq: seq, Facts: map[device.Fact]bool{
		device.AgentInstalled: true, device.WorkProfile: true, device.Permissions: true, device.InventoryReceived: true,
	}}
}
