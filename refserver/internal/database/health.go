package database

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	probeEvery = 500 * time.Millisecond
	probeFor   = time.Second // two of them end within the time in which a lost database has to show
	// MaxSkew is how far a node's clock may be off the database's.
	MaxSkew = 5 * time.Second
)

// ErrSkew says that this machine's clock is too far off the database's.
var ErrSkew = errors.New("database: this machine's clock is off the database's: set it, by NTP for example")

// Health watches whether the database answers, in the background, so that nobody
// waits for it to find out. Make one with [DB.Health].
type Health struct {
	db    *DB
	now   func() time.Time
	conn  *pgx.Conn // of its own, on PostgreSQL: a pool that is busy is not lost; nil: to be made
	state atomic.Pointer[state]
}

type state struct {
	lost error         // the database does not answer
	skew time.Duration // of this machine's clock
}

// Health returns a watch that believes the database to be there until it has
// looked. A nil clock is the machine's.
func (db *DB) Health(now func() time.Time) *Health {
	if now == nil {
		now = time.Now
	}
	h := &Health{db: db, now: now}
	h.state.Store(&state{})
	return h
}

// Lost returns why the database did not answer when last asked; nil: it did.
func (h *Health) Lost() error { return h.state.Load().lost }

// Skew returns how far this machine's clock is ahead of the database's.
func (h *Health) Skew() time.Duration { return h.state.Load().skew }

// Ready returns why requests should not come here; nil: they should.
func (h *Health) Ready() error {
	s := h.state.Load()
	if s.lost != nil {
		return s.lost
	}
	if s.skew.Abs() > MaxSkew {
		return fmt.Errorf("%w (by %s)", ErrSkew, s.skew.Round(time.Millisecond))
	}
	return nil
}

// Run asks until ctx ends.
func (h *Health) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		h.Look(ctx)
		pause(ctx, probeEvery)
	}
	h.drop()
	return nil
}

// Look asks once. Only one may ask at a time.
func (h *Health) Look(ctx context.Context) {
	asked, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	ask := h.askFile
	if h.db.Shared() {
		ask = h.askServer
	}
	skew, err := ask(asked)
	if err == nil && h.Lost() != nil {
		h.db.forget() // or the first requests would find that they are dead
	}
	if ctx.Err() == nil {
		h.state.Store(&state{lost: err, skew: skew})
	}
	if err != nil {
		h.drop() // which may wait, and everybody knows by now
	}
}

func (h *Health) askFile(ctx context.Context) (time.Duration, error) {
	var version int
	return 0, h.db.Row(ctx, `SELECT max(version) FROM ref_version`, nil, &version)
}

// askServer also compares clocks: the server looked at its own somewhere between
// question and answer.
func (h *Health) askServer(ctx context.Context) (skew time.Duration, err error) {
	if h.conn == nil {
		if h.conn, err = pgx.ConnectConfig(ctx, h.db.pool.Config().ConnConfig); err != nil {
			h.conn = nil
			return 0, err
		}
	}
	var version int
	var clock int64
	before := h.now()
	err = h.conn.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT max(version) FROM ref_version)`).Scan(&clock, &version)
	if err != nil {
		return 0, err
	}
	middle := before.Add(h.now().Sub(before) / 2)
	return middle.Sub(time.UnixMicro(clock)), nil
}

func (h *Health) drop() {
	if h.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeFor)
	defer cancel()
	_ = h.conn.Close(ctx) // it is lost anyway
	h.conn = nil
}
