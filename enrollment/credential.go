package enrollment

import (
	"context"
	"strconv"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// newCredential makes an invitation's token and first PIN.
func (u *unit) newCredential(by Actor, site Site, inv invitation.Invitation) (Credential, error) {
	set, err := credentials.NewSet(u.s.cfg.Rand, site.Policy.Credentials.PINDigits)
	if err != nil {
		return Credential{}, err
	}
	return u.credential(by, inv, set)
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
	if err := u.Counters().Delete(ctx, triesKeys(*inv)...); err != nil {
		return err
	}
	inv.PINGeneration++
	if cred, err = u.credential(by, *inv, set); err != nil {
		return err
	}
	return u.Credentials().Put(ctx, cred)
}

// credential is a set as it is stored: a MAC to find the token, one to prove the
// PIN, and the envelope that shows both again.
func (u *unit) credential(by Actor, inv invitation.Invitation, set credentials.Set) (Credential, error) {
	cred := Credential{
		Site: inv.Site, Owner: inv.ID, Kind: KindInvitation, Generation: inv.PINGeneration,
		CreatedAt: u.now, CreatedBy: by.ID,
	}
	err := u.sealSet(&cred, set)
	return cred, err
}

// sealSet fills in what finds, proves and shows a set.
func (u *unit) sealSet(cred *Credential, set credentials.Set) (err error) {
	cred.Index = u.ring.MACSecret(credentials.PurposeToken, set.Token)
	cred.Check = u.ring.MACSecret(credentials.PurposePIN, set.PIN, pinContext(cred.Site, cred.Owner, cred.Generation)...)
	cred.Sealed, err = u.ring.SealSet(u.s.cfg.Rand, sealedAt(*cred), set)
	return err
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

// triesKeys are the keys of the lifetime budgets of an invitation's PIN and of its
// passwords. They do not depend on the policy.
func triesKeys(inv invitation.Invitation) []string {
	return []string{
		credentials.Policy{}.PINBudgetLimit(inv.Site, inv.ID, inv.PINGeneration).Key,
		credentials.PasswordBudgetLimit(inv.Site, inv.ID, inv.PINGeneration).Key,
	}
}
