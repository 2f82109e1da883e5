package applemdm

import (
	"crypto/tls"

	"github.com/micromdm/nanomdm/push"
)

// PushThrough lets a test be Apple's push service.
func (s *Server) PushThrough(to push.PushProvider) { s.pusher = &pusher{topic: s.topic, to: to} }

// TopicOf is the topic that a push certificate would give the server.
func TopicOf(cert *tls.Certificate, topic string) (string, error) {
	p, err := newPusher(cert, topic)
	if err != nil {
		return "", err
	}
	return p.topic, nil
}
