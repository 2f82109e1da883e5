package storetest

import (
	"context"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/invitation"
)

// The groups about people: each counts its calls.
type failingUsers struct {
	enrollment.Users
	*unitOfFailing
}

func (f failingUsers) Lock(ctx context.Context, users ...enrollment.User) (out []enrollment.User, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Users.Lock(ctx, users...)
}

func (f failingUsers) Put(ctx context.Context, users ...enrollment.User) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Users.Put(ctx, users...)
}

func (f failingUsers) Get(ctx context.Context, site string, id string) (out enrollment.User, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Users.Get(ctx, site, id)
}

func (f failingUsers) Outside(ctx context.Context, u enrollment.User) (out enrollment.User, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Users.Outside(ctx, u)
}

type failingInvitations struct {
	enrollment.Invitations
	*unitOfFailing
}

func (f failingInvitations) Create(ctx context.Context, list ...invitation.Invitation) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Invitations.Create(ctx, list...)
}

func (f failingInvitations) Get(ctx context.Context, site string, id string) (out invitation.Invitation, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Invitations.Get(ctx, site, id)
}

func (f failingInvitations) Lock(ctx context.Context, site string, id string) (out invitation.Invitation, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Invitations.Lock(ctx, site, id)
}

func (f failingInvitations) Update(ctx context.Context, list ...invitation.Invitation) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Invitations.Update(ctx, list...)
}

func (f failingInvitations) ByEmail(ctx context.Context, emailKey string, endedAfter time.Time, limit int) (out []invitation.Invitation, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Invitations.ByEmail(ctx, emailKey, endedAfter, limit)
}

func (f failingInvitations) List(ctx context.Context, q enrollment.InvitationQuery) (out []invitation.Invitation, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Invitations.List(ctx, q)
}

type failingCredentials struct {
	enrollment.Credentials
	*unitOfFailing
}

func (f failingCredentials) Put(ctx context.Context, list ...enrollment.Credential) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Credentials.Put(ctx, list...)
}

func (f failingCredentials) Get(ctx context.Context, site string, owner string, kind enrollment.CredentialKind) (out enrollment.Credential, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Credentials.Get(ctx, site, owner, kind)
}

func (f failingCredentials) ByIndex(ctx context.Context, kind enrollment.CredentialKind, macs []credentials.MAC) (out enrollment.Credential, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Credentials.ByIndex(ctx, kind, macs)
}

func (f failingCredentials) List(ctx context.Context, kind enrollment.CredentialKind, after enrollment.Credential, limit int) (out []enrollment.Credential, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Credentials.List(ctx, kind, after, limit)
}

func (f failingCredentials) Delete(ctx context.Context, keys ...enrollment.CredentialKey) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Credentials.Delete(ctx, keys...)
}

type failingCounters struct {
	enrollment.Counters
	*unitOfFailing
}

func (f failingCounters) Get(ctx context.Context, keys ...string) (out []credentials.Counter, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Counters.Get(ctx, keys...)
}

func (f failingCounters) Refund(ctx context.Context, keys ...string) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Counters.Refund(ctx, keys...)
}

func (f failingCounters) Delete(ctx context.Context, keys ...string) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Counters.Delete(ctx, keys...)
}

type failingSightings struct {
	enrollment.Sightings
	*unitOfFailing
}

func (f failingSightings) Note(ctx context.Context, list ...invitation.Sighting) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Sightings.Note(ctx, list...)
}

func (f failingSightings) List(ctx context.Context, site string, invitations ...string) (out []invitation.Sighting, err error) {
	if err = f.fails(); err != nil {
		return out, err
	}
	return f.Sightings.List(ctx, site, invitations...)
}

func (f failingSightings) Delete(ctx context.Context, site string, invitations ...string) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Sightings.Delete(ctx, site, invitations...)
}
