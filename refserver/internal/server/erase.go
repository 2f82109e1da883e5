package server

import (
	"context"
	"errors"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/mailbox"
)

// eraseUser erases a person from what the SDK holds and from what our own tables
// hold beside it: mail in the built-in mailbox, which drops what is still on its
// way to it, and the directory, last, because it says whom a request that is made
// again after a failure is about. What a mail server was given cannot be called
// back, and a list of users that is being imported may bring the person back.
func (s *server) eraseUser(ctx context.Context, by enrollment.Actor, user string) error {
	addresses, err := s.addresses(ctx, by.Site, user)
	if err != nil {
		return err
	}
	if err := s.forgetMail(ctx, by.Site, user, addresses); err != nil {
		return err
	}
	err = s.svc.EraseUser(ctx, by, user)
	unknown := errors.Is(err, enrollment.ErrNotFound) // never invited, and in the directory perhaps
	if err != nil && !unknown {
		return err
	}
	// What was on its way to the mailbox arrived since, or is dropped from now on.
	if err := s.forgetMail(ctx, by.Site, user, addresses); err != nil {
		return err
	}
	gone, err := s.accounts.EraseUser(ctx, by.Site, user, !unknown)
	if err == nil && unknown && !gone {
		return enrollment.ErrNotFound
	}
	return err
}

// addresses are those that mail to a person went to, in the form in which they
// are compared.
func (s *server) addresses(ctx context.Context, site, user string) (map[string]bool, error) {
	addresses := map[string]bool{}
	known, err := s.accounts.Lookup(ctx, site, user)
	if err != nil && !errors.Is(err, enrollment.ErrNotFound) {
		return nil, err
	}
	if key, err := credentials.CanonicalEmail(known.Email); err == nil {
		addresses[key] = true
	}
	err = s.db.Store.View(ctx, func(ctx context.Context, tx enrollment.Tx) error {
		stored, err := tx.Users().Get(ctx, site, user)
		if errors.Is(err, enrollment.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if key, err := credentials.CanonicalEmail(stored.Email); err == nil {
			addresses[key] = true
		}
		list, err := tx.Invitations().List(ctx, enrollment.InvitationQuery{Site: site, Users: []string{user}})
		for _, inv := range list {
			if inv.EmailKey != "" {
				addresses[inv.EmailKey] = true
			}
		}
		return err
	})
	return addresses, err
}

func (s *server) forgetMail(ctx context.Context, site, user string, addresses map[string]bool) error {
	box := s.mailbox
	if box == nil {
		box = mailbox.New(s.db, s.keys) // from when there was no mail server
	}
	return box.Forget(ctx, site, user, addresses)
}
