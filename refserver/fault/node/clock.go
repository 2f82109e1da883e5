//go:build fault

package main

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// clock is the machine's, off by what a file says: a duration such as "-24h".
// It can jump at any moment.
type clock struct {
	path string
	off  atomic.Int64
}

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

// follow reads the file again and again.
func (c *clock) follow(ctx context.Context) {
	for c.path != "" && ctx.Err() == nil {
		if text, err := os.ReadFile(c.path); err == nil {
			if off, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
				c.off.Store(int64(off))
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
