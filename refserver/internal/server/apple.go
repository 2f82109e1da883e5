package server

import (
	"context"
	"crypto/tls"
	"maps"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/applemdm"
	"example.com/enrollkit/refserver/internal/web"
)

// Apple says how iPhones, iPads and Macs enroll. Its zero value offers them the
// agent from the store, unless the server is on loopback: there everything can be
// tried out, without a push certificate.
type Apple struct {
	On, Off bool
	Topic   string           // of the push certificate; empty: what it says, or a made-up one
	Push    *tls.Certificate // nil: devices are not woken
	Signing *tls.Certificate // of profiles; nil: devices call them unverified
}

// offered reports whether the server manages Apple devices.
func (a Apple) offered(loopback bool) bool {
	return !a.Off && (a.On || a.Push != nil || a.Topic != "" || loopback)
}

// openApple makes the Apple side, if it is offered.
func (s *server) openApple(ctx context.Context) (err error) {
	if !s.Apple.offered(web.IsLoopback(s.public.Hostname())) {
		return nil
	}
	s.apple, err = applemdm.Open(ctx, applemdm.Options{
		Database: s.db, Keyring: func() *credentials.Keyring { return s.keys() }, Now: s.Now, Logger: s.Log,
		Push: s.Apple.Push, Topic: s.Apple.Topic, Signing: s.Apple.Signing,
	})
	if err == nil && !s.apple.CanPush() {
		s.Log.WarnContext(ctx, "no push certificate: Apple devices can be tried out, and nobody can wake them; see -apple-push-certificate")
	}
	return err
}

// platforms are those that the pages offer.
func (s *server) platforms() []enrollment.Platform {
	list, rest := []enrollment.Platform{s.android}, agents{}
	if s.apple != nil {
		list = append(list, s.apple.Platform())
	} else {
		rest = append(rest, device.IOS, device.MacOS)
	}
	if s.windows != nil {
		list = append(list, s.windows.Platform())
	} else {
		rest = append(rest, device.Windows)
	}
	return append(list, rest)
}

// handlers are what the server does about events.
func (s *server) handlers() enrollment.Handlers {
	if s.apple == nil {
		return nil
	}
	return maps.Clone(s.apple.Handlers())
}

// agents are the platforms on which people install the agent from a store.
type agents []device.Platform

// Name is a path segment that nothing is mounted at.
func (agents) Name() string { return "agents" }

// Serves is what has no package of its own.
func (a agents) Serves() []device.Platform { return a }

// NextStep leads to the store.
func (agents) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	agent := o.Site.Agents[o.Platform]
	step := enrollment.NextStep{Platform: o.Platform, Mode: o.Mode, Action: device.InstallAgent, Agent: agent, URL: agent.InstallURL(o.Platform)}
	if agent.OpenURL != "" {
		step.OpenURL = credentials.SecretString(agent.OpenURL)
	}
	return step, nil
}

// QR is the deployment URL.
func (agents) QR(context.Context, enrollment.Offer) (credentials.Secret, error) {
	return credentials.Secret{}, nil
}
