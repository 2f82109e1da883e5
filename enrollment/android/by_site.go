package android

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// BySite is an enrollment.Platform, and an enrollhttp.Mounter, for a product of
// whose sites some manage their Android devices by an agent of their own and some
// by another system. Make it with [NewBySite]; it is safe for concurrent use.
type BySite struct {
	own     *Platform
	managed *Managed
	by      func(enrollment.Site) bool
}

var _ enrollment.Platform = (*BySite)(nil)

// NewBySite returns a platform that does for each site what managed does if by says
// so, and what own does otherwise. by is asked for each person and has to answer
// from memory; a site that changes its mind changes it for whoever accepts next.
// Notifications go to managed itself.
func NewBySite(own *Platform, managed *Managed, by func(enrollment.Site) bool) (*BySite, error) {
	if own == nil || managed == nil || by == nil {
		return nil, errors.New("android: BySite is of two platforms and a choice")
	}
	return &BySite{own, managed, by}, nil
}

// Name is [Name].
func (b *BySite) Name() string { return Name }

// Serves is Android.
func (b *BySite) Serves() []device.Platform { return []device.Platform{device.Android} }

// CheckMode refuses what neither of the two takes, since it is not asked for a site;
// NextStep refuses what the site's does not.
func (b *BySite) CheckMode(m device.Mode, c enrollment.Claim) error { return b.own.CheckMode(m, c) }

// NextStep is that of the site's platform.
func (b *BySite) NextStep(ctx context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	if b.by(o.Site) {
		return b.managed.NextStep(ctx, o)
	}
	return b.own.NextStep(ctx, o)
}

// QR is that of the site's platform.
func (b *BySite) QR(ctx context.Context, o enrollment.Offer) (credentials.Secret, error) {
	if b.by(o.Site) {
		return b.managed.QR(ctx, o)
	}
	return b.own.QR(ctx, o)
}

// Handler answers what either of the two has given out.
func (b *BySite) Handler(svc *enrollment.Service) http.Handler {
	own, managed := b.own.Handler(svc), b.managed.Handler(svc)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/"+linkFile) {
			managed.ServeHTTP(w, r)
			return
		}
		own.ServeHTTP(w, r)
	})
}
