// Package nodes knows which servers run on one database, and with which keys, so
// that a key is not made current before everybody has it.
package nodes

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/enrollkit/refserver/internal/database"
)

const (
	beatEvery = 5 * time.Second
	lookEvery = 200 * time.Millisecond // at this node's own keys
	deadAfter = 15 * time.Second       // without a beat; a clock may be 5 s off
)

// Node is one running server.
type Node struct {
	ID        string
	StartedAt time.Time
	Keys      []uint32 // of its ring, the current one first
}

// Has reports whether the node has a key, and Current whether it is its current one.
func (n Node) Has(key uint32) (has, current bool) {
	for i, k := range n.Keys {
		if k == key {
			return true, i == 0
		}
	}
	return false, false
}

// NewID mints the id of a node.
func NewID() string { return "node_" + strings.ToLower(rand.Text()[:12]) }

// Run tells the others of this node until ctx ends, at once when its keys are
// others. keys returns those of its ring at the moment.
func Run(ctx context.Context, db *database.DB, id string, keys func() []uint32) error {
	started := time.Now()
	pace := time.NewTicker(lookEvery)
	defer pace.Stop()
	var told []uint32
	var at time.Time
	for {
		if now := keys(); !slices.Equal(now, told) || time.Since(at) >= beatEvery {
			// A beat that fails is made up for by the next.
			if Beat(ctx, db, Node{id, started, now}) == nil {
				told = now
			}
			at = time.Now()
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = db.Exec(last, `DELETE FROM ref_nodes WHERE id = ?`, id) // or it is dead in a while
			return nil
		case <-pace.C:
		}
	}
}

// Beat notes that a node is there.
func Beat(ctx context.Context, db *database.DB, n Node) error {
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	var ids []string
	for _, k := range n.Keys {
		ids = append(ids, strconv.FormatUint(uint64(k), 10))
	}
	now := time.Now()
	return db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		_, err := c.Exec(ctx, `INSERT INTO ref_nodes (id, started_at, seen_at, keys) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, keys = excluded.keys`,
			n.ID, n.StartedAt.UnixMicro(), now.UnixMicro(), strings.Join(ids, ","))
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `DELETE FROM ref_nodes WHERE seen_at < ?`, now.Add(-24*time.Hour).UnixMicro())
		return err
	})
}

// Alive returns the nodes that were heard of lately, the oldest first.
func Alive(ctx context.Context, db *database.DB) (list []Node, err error) {
	err = db.Rows(ctx, `SELECT id, started_at, keys FROM ref_nodes WHERE seen_at > ? ORDER BY started_at, id`,
		[]any{time.Now().Add(-deadAfter).UnixMicro()}, func(row database.Scanner) error {
			var n Node
			var started int64
			var keys string
			if err := row.Scan(&n.ID, &started, &keys); err != nil {
				return err
			}
			n.StartedAt = time.UnixMicro(started).UTC()
			for id := range strings.SplitSeq(keys, ",") {
				if key, err := strconv.ParseUint(id, 10, 32); err == nil {
					n.Keys = append(n.Keys, uint32(key))
				}
			}
			list = append(list, n)
			return nil
		})
	return list, err
}
