// Package live tells open pages that something changed in their site, so that
// they fetch it again: with server-sent events, at most so many at once. What it
// says comes from asking the database, once for all pages of this node; a signal
// from the node that made the change only makes it ask sooner.
package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.com/enrollkit/refserver/internal/database"
)

const (
	askEvery = time.Second
	soon     = 200 * time.Millisecond // between questions after a signal
	soonFor  = 1500 * time.Millisecond
	beat     = 15 * time.Second // keeps proxies from giving up an idle stream
	life     = 5 * time.Minute  // of one stream; the browser comes again by itself
	maxAll   = 1000             // streams of this node
	maxSite  = 100              // of one site
)

// ErrFull refuses a stream: the page looks from time to time instead.
var ErrFull = errors.New("live: too many streams")

// Hub is the streams of one node. Make one with [New].
type Hub struct {
	db *database.DB

	mu      sync.Mutex
	pages   map[string]map[chan int64]bool // by site
	all     int
	last    map[string]int64 // of the sites with pages
	stopped bool
}

// New returns a hub without streams.
func New(db *database.DB) *Hub {
	return &Hub{db: db, pages: map[string]map[chan int64]bool{}, last: map[string]int64{}}
}

// Version returns a number that grows with every change of a site that its
// journal knows of.
func (h *Hub) Version(ctx context.Context, site string) (int64, error) {
	versions, err := h.versions(ctx, []string{site})
	return versions[site], err
}

// versions reads how far each site's journal has come. The number is the
// sequencer's, so nothing that commits late is behind it.
func (h *Hub) versions(ctx context.Context, sites []string) (map[string]int64, error) {
	args := make([]any, len(sites))
	for i, s := range sites {
		args[i] = s
	}
	found := map[string]int64{}
	err := h.db.Rows(ctx, `SELECT site, last FROM enroll_site_sequences WHERE site IN (?`+strings.Repeat(", ?", len(sites)-1)+`)`, args,
		func(row database.Scanner) error {
			var site string
			var last int64
			err := row.Scan(&site, &last)
			found[site] = last
			return err
		})
	return found, err
}

// Run asks until ctx ends, and then ends every stream.
func (h *Hub) Run(ctx context.Context) error {
	changed, stop := h.db.Signals.Watch(database.Devices)
	defer stop()
	defer h.end()
	var soonUntil time.Time
	for {
		h.ask(ctx)
		pace := askEvery
		if time.Now().Before(soonUntil) {
			pace = soon
		}
		timer := time.NewTimer(pace)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-changed:
			soonUntil = time.Now().Add(soonFor)
			select { // not more often than soon, however many signals there are
			case <-ctx.Done():
			case <-time.After(soon):
			}
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (h *Hub) ask(ctx context.Context) {
	h.mu.Lock()
	sites := make([]string, 0, len(h.pages))
	for site := range h.pages {
		sites = append(sites, site)
	}
	h.mu.Unlock()
	if len(sites) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	versions, err := h.versions(ctx, sites)
	if err != nil {
		return // asked again in a second
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for site, version := range versions {
		if version == h.last[site] || h.pages[site] == nil {
			continue
		}
		h.last[site] = version
		for page := range h.pages[site] {
			select {
			case <-page: // what it has not taken is of no use any more
			default:
			}
			page <- version
		}
	}
}

func (h *Hub) join(site string) (page chan int64, leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.all >= maxAll || len(h.pages[site]) >= maxSite {
		return nil, nil, ErrFull
	}
	page = make(chan int64, 1)
	if h.pages[site] == nil {
		h.pages[site] = map[chan int64]bool{}
	}
	h.pages[site][page] = true
	h.all++
	if version, known := h.last[site]; known {
		page <- version
	}
	return page, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.pages[site][page] {
			return
		}
		delete(h.pages[site], page)
		h.all--
		if len(h.pages[site]) == 0 {
			delete(h.pages, site)
			delete(h.last, site)
		}
	}, nil
}

// Streams returns how many pages listen.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

// end closes every stream.
func (h *Hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	for site, pages := range h.pages {
		for page := range pages {
			close(page)
		}
		delete(h.pages, site)
	}
	h.all = 0
}

// Serve streams the versions of a site until the page is closed. It returns
// [ErrFull] before it has answered anything.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, site string) error {
	page, leave, err := h.join(site)
	if err != nil {
		return err
	}
	defer leave()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	beats := time.NewTicker(beat)
	defer beats.Stop()
	over := time.NewTimer(life)
	defer over.Stop()
	text := "retry: 2000\n\n"
	for {
		// A page that takes nothing is not waited for longer than the next beat.
		_ = out.SetWriteDeadline(time.Now().Add(2 * beat))
		if _, err := fmt.Fprint(w, text); err != nil || out.Flush() != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-over.C:
			return nil
		case <-beats.C:
			text = ":\n\n"
		case version, open := <-page:
			if !open {
				return nil
			}
			text = fmt.Sprintf("event: changed\nid: %d\ndata: %d\n\n", version, version)
		}
	}
}
