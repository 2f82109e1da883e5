package windowsmdm

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"example.com/enrollkit/refserver/internal/authority"
)

// How long the listener's certificate lives, and when it is replaced.
const (
	listenerLife  = 90 * 24 * time.Hour
	listenerRenew = 60 * 24 * time.Hour
	lookFor       = 2 * time.Second
)

// ownCertificate is the listener's certificate, of the server's own authority. Each
// node has one in memory. It is replaced after two thirds of its life, and when the
// authority has a new root: devices that enroll from then on trust that one alone.
type ownCertificate struct {
	authority *authority.Authority
	name      string // host or address
	now       func() time.Time
	log       *slog.Logger

	mu   sync.Mutex
	cert *tls.Certificate
	made time.Time
}

// get returns the certificate of the moment. While the database is away that is the
// one from before.
func (o *ownCertificate) get(ctx context.Context) (*tls.Certificate, error) {
	o.mu.Lock()
	cert, made := o.cert, o.made
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	fresh := false
	var err error
	if cert != nil && o.now().Before(made.Add(listenerRenew)) {
		fresh, err = o.authority.SignedBy(ctx, cert.Leaf)
	}
	if fresh {
		return cert, nil
	}
	if err == nil {
		var next *tls.Certificate
		if next, err = o.authority.Server(ctx, []string{o.name}, listenerLife); err == nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.cert, o.made = next, o.now()
			return next, nil
		}
	}
	if cert == nil {
		return nil, err
	}
	o.log.WarnContext(ctx, "windows: the listener's certificate could not be looked at", "error", err)
	return cert, nil
}
