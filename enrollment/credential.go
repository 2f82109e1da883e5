package enrollment

import (
	"context"
	"strconv"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// newCredential makes an invitation's token and first PIN.
func (u *unit) newCredential(ctx context.Context, by Actor, site Site, inv invitation.Invitation) error {
	set, err := credentials.NewSet(u.s.cfg.Rand, site.Policy.Credentials.PINDigits)
	if err != nil {
		return err
	}
	return u.putCredential(ctx, by, inv, set)
}

// renewPIN replaces the PIN and counts the generation. What was tried on the
// old one is forgotten with it.
func (u *unit) renewPIN(ctx context.Context, by Actor, site Site, inv *invitation.Invitation) error {
	cred, err := u.Credentials().Get(ctx, inv.Site, inv.ID, KindInvitation)
	if err != nil {
		return err
	}
	set, err := u.s.openSet(cred)
	if err != nil {
		return err
	}
	if set.PIN, err = credentials.NewPIN(u.s.cfg.Rand, site.Policy.Credentials.PINDigits); err != nil {
		return err
	}
	if err := u.Counters().Delete(ctx, pinBudgetKey(*inv)); err != nil {
		return err
	}
	inv.PINGeneration++
	return u.putCredential(ctx, by, *inv, set)
}

// putCredential stores a set: a MAC to find the token, one to prove the PIN,
// and the envelope that shows both again.
func (u *unit) putCredential(ctx context.Context, by Actor, inv invitation.Invitation, set credentials.Set) error {
	ring := u.s.cfg.Keyring
	cred := Credential{
		Site: inv.Site, Owner: inv.ID, Kind: KindInvitation, Generation: inv.PINGeneration,
		Index:     ring.MACSecret(credentials.PurposeToken, set.Token),
		Check:     ring.MACSecret(credentials.PurposePIN, set.PIN, pinContext(inv.Site, inv.ID, inv.PINGeneration)...),
		CreatedAt: u.now, CreatedBy: by.ID,
	}
	var err error
	if cred.Sealed, err = ring.SealSet(u.s.cfg.Rand, sealedAt(cred), set); err != nil {
		return err
	}
	return u.Credentials().Put(ctx, cred)
}

// sealedAt is the place a credential's envelope is bound to.
func sealedAt(c Credential) credentials.AAD {
	return credentials.AAD{Site: c.Site, Owner: c.Owner, Kind: string(c.Kind), Generation: c.Generation}
}

// pinContext binds a PIN's MAC to its row, so that equal PINs of two people
// look different and a MAC moved to another row proves nothing.
func pinContext(site, owner string, generation int) []string {
	return []string{site, owner, strconv.Itoa(generation)}
}

// pinBudgetKey is the key of the lifetime budget of an invitation's PIN. The
// key does not depend on the policy.
func pinBudgetKey(inv invitation.Invitation) string {
	return credentials.Policy{}.PINBudgetLimit(inv.Site, inv.ID, inv.PINGeneration).Key
}
