package applemdm

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/smallstep/scep"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
	"example.com/enrollkit/invitation"
	"example.com/enrollkit/refserver/internal/authority"
)

// identityLife is how long certificates are good for. Devices do not renew them by
// themselves.
const identityLife = 10 * 365 * 24 * time.Hour

// sign gives a certificate for a challenge that is good. It is stored before the
// challenge is spent and before anybody gets it, so that what cannot be signed costs
// none, and a device whose answer was lost may ask again with the same key.
func (s *Server) sign(ctx context.Context, m *scep.CSRReqMessage) (*x509.Certificate, error) {
	cert, g, err := s.certify(ctx, m)
	if err == nil {
		return cert, nil
	}
	code := apple.CodeOf(err)
	switch {
	case errors.Is(err, authority.ErrRequest):
		code = "request_malformed"
	case errors.Is(err, authority.ErrAuthorityExpired):
		code = "authority_expired"
	case errors.Is(err, errUnfinished):
		code = "certificates_unfinished"
	}
	s.log.WarnContext(ctx, "apple: no certificate", "code", code, "site", g.Site, "enrollment", g.ID)
	// What is no refusal spends nothing: the device comes back with its challenge.
	switch {
	case !apple.Refused(err) && code == apple.CodeOf(err): // none of those above
		if slot, ok := ctx.Value(outageKey{}).(*error); ok {
			*slot = err
		}
	case g.ID == "": // a challenge that is none
		site, _ := ctx.Value(siteKey{}).(string)
		s.noteContact(ctx, site, apple.ChallengeUse, code)
	default:
		err = errors.Join(err, s.svc.RefuseGrant(ctx, g, apple.ChallengeUse, code))
	}
	return nil, err
}

func (s *Server) certify(ctx context.Context, m *scep.CSRReqMessage) (*x509.Certificate, enrollment.Grant, error) {
	challenge := credentials.SecretString(m.ChallengePassword)
	g, _, err := s.svc.OpenGrant(ctx, apple.ChallengeUse, challenge)
	if err != nil {
		return nil, g, err
	}
	if m.CSR == nil || m.CSR.CheckSignature() != nil {
		return nil, g, authority.ErrRequest
	}
	cert, confirmed, err := s.authority.Claim(ctx, authority.Request{
		Holder: authority.Holder{Site: g.Site, Enrollment: g.ID, Invitation: g.Invitation, User: g.User},
		Public: m.CSR.PublicKey, Life: identityLife,
	}, s.room(g))
	switch {
	case errors.Is(err, authority.ErrOtherKey):
		return nil, g, enrollment.ErrGrantUsed
	case err != nil || confirmed: // the answer was lost on the way, and the challenge still stands
		return cert, g, err
	}
	// One that was spent before was so for this claim, which nobody confirmed any more.
	if _, _, err = s.svc.SpendGrant(ctx, apple.ChallengeUse, challenge, invitation.CertificateIssued); err != nil {
		return nil, g, errors.Join(err, s.authority.Withdraw(context.WithoutCancel(ctx), cert))
	}
	return cert, g, s.authority.Confirm(ctx, cert)
}
