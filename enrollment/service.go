package enrollment

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"example.com/enrollkit/credentials"
)

// Service is the flows of enrollment over one Storage. Make it with [New]; it
// is safe for concurrent use and starts nothing by itself: call [Service.Run]
// in one goroutine of each process that should deliver and sweep.
type Service struct {
	store Storage
	cfg   Config
	wake  chan struct{} // tells Run that the outbox has something; shared by With

	ring     *atomic.Pointer[credentials.Keyring] // shared by With
	retained *atomic.Pointer[time.Time]           // when retention was last looked after; shared by With
}

// New returns a Service over store. It reads nothing yet; see [Service.Check].
func New(store Storage, cfg Config) (*Service, error) {
	if store == nil {
		return nil, errors.New("enrollment: no storage")
	}
	if cfg.Keyring == nil {
		return nil, errors.New("enrollment: no key ring in the config")
	}
	if err := checkPlatforms(cfg.Platforms); err != nil {
		return nil, err
	}
	s := &Service{
		store: store, cfg: cfg.withDefaults(), wake: make(chan struct{}, 1),
		ring: new(atomic.Pointer[credentials.Keyring]), retained: new(atomic.Pointer[time.Time]),
	}
	s.ring.Store(cfg.Keyring)
	return s, nil
}

// With returns the same Service over another Storage, usually one that rides in
// the embedder's own transaction.
func (s *Service) With(store Storage) *Service {
	other := *s
	other.store = store
	return &other
}

// Now is the Service's clock, in UTC and to the microsecond, because databases
// keep no more. What stands around a Service should go by it.
func (s *Service) Now() time.Time { return s.now() }

// now is the time of one unit.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// site asks the embedder for a site, with defaults filled in.
func (s *Service) site(ctx context.Context, id string) (Site, error) {
	if s.cfg.Sites == nil {
		return Site{}, fmt.Errorf("enrollment: no sites in the config: %w", ErrNotFound)
	}
	site, err := s.cfg.Sites.Site(ctx, id)
	if err != nil {
		return Site{}, err
	}
	site.ID = id
	if err := site.Policy.Validate(); err != nil {
		return Site{}, fmt.Errorf("enrollment: policy of a site: %w", err)
	}
	site.Policy = site.Policy.WithDefaults()
	return site, nil
}

// rouse tells Run that there is something to deliver.
func (s *Service) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

var platformName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func checkPlatforms(list []Platform) error {
	seen := map[string]bool{}
	for _, p := range list {
		switch name := p.Name(); {
		case !platformName.MatchString(name):
			return fmt.Errorf("enrollment: platform name %q is not a path segment of lower-case letters, digits and dashes", name)
		case seen[name]:
			return fmt.Errorf("enrollment: two platforms are called %q", name)
		default:
			seen[name] = true
		}
	}
	return nil
}
