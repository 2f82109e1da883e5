package enrollment

import (
	"context"
	"fmt"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/invitation"
)

// openSet opens the envelope of an invitation's credentials. It returns an
// error wrapping [ErrNotFound] once the envelope is destroyed, and
// credentials.ErrNoSealingKey on a node that may not show secrets.
func (s *Service) openSet(cred Credential) (credentials.Set, error) {
	if len(cred.Sealed) == 0 {
		return credentials.Set{}, fmt.Errorf("enrollment: credentials are destroyed: %w", ErrNotFound)
	}
	return s.keys().OpenSet(sealedAt(cred), cred.Sealed)
}

// codesOf returns what an administrator is shown and a mail carries. left is
// how many wrong tries the PIN still has ([unit.pinTriesLeft]); without any it
// is burnt and left out. The QR code says the deployment URL unless the platform of the invitation's mode has a
// payload of its own; an invitation without a mode leads every platform to its
// page.
func (s *Service) codesOf(ctx context.Context, site Site, inv invitation.Invitation, cred Credential, left int) (Codes, error) {
	set, err := s.openSet(cred)
	if err != nil {
		return Codes{}, err
	}
	offer, err := s.offer(site, inv, set.Token)
	if err != nil {
		return Codes{}, err
	}
	codes := Codes{URL: offer.URL}
	if left > 0 {
		codes.PIN = set.PIN
	}
	// Not the platform that somebody once accepted with: the next device may be
	// another one.
	offer.Platform = device.Mode(inv.Mode).Platform()
	codes.QR, err = s.qrPayload(ctx, offer)
	return codes, err
}
