package applemdm

import (
	"crypto/tls"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/push"
	"github.com/micromdm/nanomdm/service"
)

// before does something before NanoMDM takes a bootstrap token.
type before struct {
	service.CheckinAndCommandService
	do func()
}

func (b before) SetBootstrapToken(r *mdm.Request, m *mdm.SetBootstrapToken) error {
	b.do()
	return b.CheckinAndCommandService.SetBootstrapToken(r, m)
}

// BeforeNanoMDM lets a test come between what the server looked at and what
// NanoMDM writes of it.
func (s *Server) BeforeNanoMDM(do func()) {
	o := s.mdm.(*observer)
	o.CheckinAndCommandService = before{o.CheckinAndCommandService, do}
}

// PushThrough lets a test be Apple's push service.
func (s *Server) PushThrough(to push.PushProvider) { s.pusher = &pusher{topic: s.topic, to: to} }

// TopicOfServer is the topic in profiles.
func TopicOfServer(s *Server) string { return s.topic }

// TopicOf is the topic that a push certificate would give the server.
func TopicOf(cert *tls.Certificate, topic string) (string, error) {
	p, err := newPusher(cert, topic)
	if err != nil {
		return "", err
	}
	return p.topic, nil
}

// SiteOfSCEP is the site in an address.
var SiteOfSCEP = siteOfSCEP
