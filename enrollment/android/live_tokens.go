package android

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const (
	// maxTokens bounds how many tokens are remembered.
	maxTokens = 1000
	// remembered is how long a token is shown to who accepts again, as long as nobody
	// has used it: a form is sent twice, or by a finger that is not sure. It is short,
	// since what another system knows of a token's use is heard late.
	remembered = time.Minute
	// makeTime bounds how long somebody waits for a token of another system.
	makeTime = 20 * time.Second
)

// liveTokens remembers the tokens that were made a moment ago: who accepts again,
// and twice at once, gets the same one from the process that made it.
type liveTokens struct {
	mu  sync.Mutex
	all map[string]*liveToken // by what gave the grant, its generation and the mode
}

// liveToken is one of them, or one to be.
type liveToken struct {
	lock  chan struct{} // of one; held while it is made, and given up waiting for
	token madeToken
	until time.Time // from when on it is remembered no more
}

// madeToken is a token with what it carries.
type madeToken struct {
	Token
	grant enrollment.Grant // which it carries
	end   time.Time
}

// owner is what gave a grant.
func owner(g enrollment.Grant) string {
	if g.Invitation != "" {
		return g.Site + "\x00" + g.Invitation + "\x00"
	}
	return g.Site + "\x00login/" + g.User + "\x00"
}

// get returns the token of what gave a grant, or has one made. One that has been
// used is not shown again, whichever process has heard of it.
func (l *liveTokens) get(ctx context.Context, g enrollment.Grant, m device.Mode, now time.Time,
	used func(context.Context, enrollment.Grant) (bool, error), create func(context.Context) (madeToken, error)) (madeToken, error) {
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	t := l.of(owner(g)+strconv.Itoa(g.Generation)+"\x00"+string(m), now)
	select {
	case t.lock <- struct{}{}:
		defer func() { <-t.lock }()
	case <-ctx.Done():
		return madeToken{}, ctx.Err()
	}
	if now.Before(t.until) {
		if over, err := used(ctx, t.token.grant); err != nil || !over {
			return t.token, err
		}
	}
	made, err := create(ctx)
	if err != nil {
		return madeToken{}, err
	}
	// Not for longer than half of its life, or it ends while it is read.
	t.token, t.until = made, now.Add(min(remembered, made.end.Sub(now)/2))
	return made, nil
}

// of returns a place for a token. When there are too many, those that are over
// make room, and all of them if none is.
func (l *liveTokens) of(key string, now time.Time) *liveToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.all[key]; t != nil {
		return t
	}
	if len(l.all) >= maxTokens {
		maps.DeleteFunc(l.all, func(_ string, t *liveToken) bool {
			select {
			case t.lock <- struct{}{}:
				defer func() { <-t.lock }()
				return !now.Before(t.until)
			default:
				return false // being made
			}
		})
	}
	if l.all == nil || len(l.all) >= maxTokens {
		l.all = map[string]*liveToken{}
	}
	t := &liveToken{lock: make(chan struct{}, 1)}
	l.all[key] = t
	return t
}
