package enrollment

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/invitation"
)

// passwordsKept is how many one-time passwords before the one that is shown are
// still told from wrong ones, so that a device can ask again for an answer that
// was lost while others came in after it.
const passwordsKept = 32

// passwordNonce numbers an invitation's one-time passwords. It is longer than the
// random nonce of a one-time login, so that no two derive the same.
const passwordNonce = "enrollkit/invitation/password/"

// invitationData is what an invitation's row keeps beside its credential.
type invitationData struct {
	Used int `json:"used"` // one-time passwords of this generation that admitted a device
}

// invitationDataOf reads it; a row without has none used.
func invitationDataOf(cred Credential) (data invitationData, err error) {
	if cred.Data == nil {
		return data, nil
	}
	if err := json.Unmarshal(cred.Data, &data); err != nil {
		return data, fmt.Errorf("enrollment: invitation's credential: %w", err)
	}
	return data, nil
}

// invitationPassword derives the one-time password of a number, from 1, under a
// key. It is in no row: the address, the PIN's generation and the number make it.
func invitationPassword(ring *credentials.Keyring, key uint32, cred Credential, number int) (credentials.Secret, error) {
	nonce := binary.BigEndian.AppendUint64([]byte(passwordNonce), uint64(number))
	return credentials.OneTimePassword(ring, key, cred.Site, cred.Owner, cred.Generation, nonce)
}

// shownPassword is the one that admits the next device.
func (s *Service) shownPassword(cred Credential) (credentials.Secret, error) {
	data, err := invitationDataOf(cred)
	if err != nil {
		return credentials.Secret{}, err
	}
	ring := s.keys()
	return invitationPassword(ring, ring.Current(), cred, data.Used+1)
}

// passwordNumber says which of an invitation's one-time passwords this is; 0:
// none. It may have been shown under any key of the ring, and every one is
// compared, in constant time.
func (s *Service) passwordNumber(cred Credential, password credentials.Secret) (number int, err error) {
	data, err := invitationDataOf(cred)
	if err != nil {
		return 0, err
	}
	ring := s.keys()
	for n := max(1, data.Used+1-passwordsKept); n <= data.Used+1; n++ {
		for _, key := range ring.IDs() {
			made, err := invitationPassword(ring, key, cred, n)
			if err != nil {
				return 0, err
			}
			if made.Equal(password) {
				number = n
			}
		}
	}
	return number, nil
}

// proveAddress is prove for an invitation's address and one-time password. It is a
// guess as one at the PIN is, counted before it is compared, on counters of its own.
func (s *Service) proveAddress(ctx context.Context, l Login, address string, password credentials.Secret) (proof, error) {
	c, refund, err := s.guess(ctx, guess{
		name: "one_time", address: address, host: l.Host, source: l.Source, password: true,
		right: func(c *candidate) (bool, error) {
			var err error
			c.password, err = s.passwordNumber(c.cred, password)
			return c.password > 0, err
		},
	})
	return proof{site: c.site, cred: c.cred, refund: refund, inv: c.inv, password: c.password}, err
}

// passwordStands says whether a grant's password is the one that admits the next
// device, and locks its row.
func (u *unit) passwordStands(ctx context.Context, g Grant) (Credential, invitationData, error) {
	cred, err := u.Credentials().Get(ctx, g.Site, g.Invitation, KindInvitation)
	if errors.Is(err, ErrNotFound) || err == nil && cred.Generation != g.Generation {
		return cred, invitationData{}, ErrCredentialRefused // erased, or a new PIN's
	}
	if err != nil {
		return cred, invitationData{}, err
	}
	data, err := invitationDataOf(cred)
	if err == nil && g.password != data.Used+1 {
		err = &refusal{ErrLoginUsed}
	}
	return cred, data, err
}

// passwordOpens is passwordStands, and whether the invitation admits anybody. One
// whose places are taken lets its own devices come back, and which device this is
// is not known before it enrolls: EnrollManaged decides.
func (u *unit) passwordOpens(ctx context.Context, g Grant) error {
	if _, _, err := u.passwordStands(ctx, g); err != nil {
		return err
	}
	inv, err := u.Invitations().Get(ctx, g.Site, g.Invitation)
	if errors.Is(err, ErrNotFound) {
		return ErrCredentialRefused
	}
	if err != nil {
		return err
	}
	if err := inv.Usable(u.now, true); err != nil {
		return &refusal{err}
	}
	return nil
}

// usePassword uses a grant's password up: from now on the next one is shown.
func (u *unit) usePassword(ctx context.Context, g Grant) error {
	cred, data, err := u.passwordStands(ctx, g)
	if err != nil {
		return err
	}
	data.Used++
	if cred.Data, err = json.Marshal(data); err != nil {
		return err
	}
	return u.Credentials().Put(ctx, cred)
}

// passwordTriesLeft is how many wrong passwords an invitation still takes.
func (u *unit) passwordTriesLeft(ctx context.Context, inv invitation.Invitation) (int, error) {
	limit := credentials.PasswordBudgetLimit(inv.Site, inv.ID, inv.PINGeneration)
	counters, err := u.Counters().Get(ctx, limit.Key)
	if err != nil {
		return 0, err
	}
	return counters[0].Left(limit, u.now), nil
}
