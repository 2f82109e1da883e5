package fault

import (
	"slices"
	"sync/atomic"
)

// balancer sends each hand to the node it went to last, but to none that leaves.
type balancer struct {
	bases   []string
	leaving atomic.Value // string: the node to avoid, empty for none
}

func (b *balancer) choose(last string) string {
	if last == b.leaving.Load() {
		return b.next(last)
	}
	return last
}

func (b *balancer) next(base string) string {
	return b.bases[(slices.Index(b.bases, base)+1)%len(b.bases)]
}
