package enrollment

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Service is the flows of enrollment over one Storage. Make it with [New]; it
// is safe for concurrent use and starts nothing by itself: call [Service.Run]
// in one goroutine of each process that should deliver and sweep.
type Service struct {
	store Storage
	cfg   Config
	wake  chan struct{} // tells Run that the outbox has something; shared by With
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
	return &Service{store: store, cfg: cfg.withDefaults(), wake: make(chan struct{}, 1)}, nil
}

// With returns the same Service over another Storage, usually one that rides in
// the embedder's own transaction.
func (s *Service) With(store Storage) *Service {
	other := *s
	other.store = store
	return &other
}

// Check compares the key ring with the canaries in the store, and leaves one
// for each key that has none. A wrong or incomplete ring would turn every right
// PIN into a wrong one, so call it before serving and do not serve on an error.
// The error wraps credentials.ErrWrongKey or credentials.ErrUnknownKey.
func (s *Service) Check(ctx context.Context) error {
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		stored, err := tx.Credentials().List(ctx, KindCanary, Credential{}, maxKeys)
		if err != nil {
			return err
		}
		known := map[uint32]bool{}
		for _, c := range stored {
			if err := s.cfg.Keyring.CheckCanary(c.Check); err != nil {
				return fmt.Errorf("enrollment: key ring, key %s: %w", c.Owner, err)
			}
			known[c.Check.KeyID] = true
		}
		for _, mac := range s.cfg.Keyring.Canaries() {
			if known[mac.KeyID] {
				continue
			}
			err := tx.Credentials().Put(ctx, Credential{
				Owner: strconv.FormatUint(uint64(mac.KeyID), 10), Kind: KindCanary,
				Check: mac, CreatedAt: s.now(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// maxKeys is more keys than any ring has seen.
const maxKeys = 1000

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
