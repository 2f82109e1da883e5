package applemdm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/micromdm/nanomdm/cryptoutil"
	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/push"
	"github.com/micromdm/nanomdm/push/nanopush"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

// pusher wakes devices through Apple's push service.
type pusher struct {
	topic string
	to    push.PushProvider
}

// How long a device may take to come online, and a push to be handed over.
const (
	pushLife = 7 * 24 * time.Hour
	pushFor  = 10 * time.Second
)

// newPusher reads the topic of a push certificate; one that was given has to be
// the same.
func newPusher(cert *tls.Certificate, topic string) (*pusher, error) {
	if len(cert.Certificate) == 0 {
		return nil, errors.New("applemdm: no push certificate")
	}
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, errors.New("applemdm: the push certificate is malformed")
	}
	own, err := cryptoutil.TopicFromCert(parsed)
	if err != nil {
		return nil, errors.New("applemdm: this is no push certificate of Apple's: it has no topic")
	}
	if topic != "" && topic != own {
		return nil, errors.New("applemdm: the topic is another than that of the push certificate")
	}
	to, err := nanopush.NewFactory(nanopush.WithExpiration(pushLife)).NewPushProvider(cert)
	if err != nil {
		return nil, fmt.Errorf("applemdm: push: %w", err)
	}
	return &pusher{topic: own, to: to}, nil
}

// wake asks a device to connect. It is never waited for: a device also connects
// by itself, in a while.
func (s *Server) wake(ctx context.Context, from apple.Sender) {
	if s.pusher == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushFor)
		defer cancel()
		if err := s.pushTo(ctx, from); err != nil {
			s.log.WarnContext(ctx, "apple: a device was not woken", "site", from.Site, "enrollment", from.Enrollment)
		}
	}()
}

func (s *Server) pushTo(ctx context.Context, from apple.Sender) error {
	row, err := s.rows.get(ctx, from.Site, from.Enrollment)
	if err != nil || !row.enabled {
		return err
	}
	answers, err := s.pusher.to.Push(ctx, []*mdm.Push{{PushMagic: row.secrets.Magic, Token: row.secrets.Token, Topic: row.secrets.Topic}})
	for _, a := range answers {
		err = errors.Join(err, a.Err)
	}
	return err
}

// wakeDevice is wake for a device by its id, as a handler of its events.
func (s *Server) wakeDevice(ctx context.Context, site, device string) error {
	if s.pusher == nil {
		return nil
	}
	var id string
	err := s.db.Row(ctx, `SELECT id FROM ref_apple_enrollments WHERE site = ? AND device = ? AND enabled = 1 ORDER BY changed_at DESC LIMIT 1`,
		[]any{site, device}, &id)
	if errors.Is(err, enrollment.ErrNotFound) {
		return nil
	}
	if err == nil {
		s.wake(ctx, apple.Sender{Site: site, Enrollment: id})
	}
	return err
}
