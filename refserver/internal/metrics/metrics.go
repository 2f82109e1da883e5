// Package metrics counts what the server does, for Prometheus: requests by the
// pattern of their route, what the Service tells its Observer, the database and
// its pool, the process. No label holds an id, a path or anything personal.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/web"
)

// Metrics is a registry of its own. Make one with [New].
type Metrics struct {
	registry *prometheus.Registry

	requests *prometheus.HistogramVec
	verbs    *prometheus.HistogramVec
	retries  prometheus.Counter
	tries    *prometheus.CounterVec
	messages *prometheus.CounterVec
	backlog  *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	swept    *prometheus.CounterVec
}

// Node is what is asked of a node whenever somebody collects.
type Node struct {
	Ready func() bool
	// Up reports whether the database answers, Skew how far this machine's
	// clock is ahead of it.
	Up   func() bool
	Skew func() time.Duration
	// Streams is how many pages listen to changes.
	Streams func() int
	Pool    *pgxpool.Pool // nil: there is none
}

// buckets of durations in seconds: a page is quick from 5 ms to 100 ms.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New returns metrics without a value.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "enrollkit_http_request_duration_seconds", Help: "How long requests took.", Buckets: buckets,
		}, []string{"method", "route", "status"}),
		verbs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "enrollkit_verb_duration_seconds", Help: "How long verbs of the Service took.", Buckets: buckets,
		}, []string{"verb", "outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "enrollkit_unit_retries_total", Help: "How often a unit of work was run again.",
		}),
		tries: counter("enrollkit_credential_tries_total", "Tries at guessable credentials.", "credential", "outcome"),
		messages: counter("enrollkit_outbox_attempts_total",
			"Attempts at messages of the outbox, by what became of them.", "kind", "status"),
		backlog: gauge("enrollkit_backlog", "What waits in the outbox, and events without a place in their journal.", "queue"),
		oldest:  gauge("enrollkit_backlog_oldest_seconds", "How long the oldest of a backlog has been waiting.", "queue"),
		swept:   counter("enrollkit_sweep_changes_total", "Rows that the sweeper changed.", "step", "outcome"),
	}
	m.registry.MustRegister(m.requests, m.verbs, m.retries, m.tries, m.messages, m.backlog, m.oldest, m.swept,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// Watch adds what is asked of the node.
func (m *Metrics) Watch(n Node) {
	ask := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	ask("enrollkit_ready", "1 if requests should come to this node.", func() float64 { return one(n.Ready()) })
	ask("enrollkit_database_up", "1 if the database answered when last asked.", func() float64 { return one(n.Up()) })
	ask("enrollkit_clock_skew_seconds", "How far this machine's clock is ahead of the database's.", func() float64 { return n.Skew().Seconds() })
	ask("enrollkit_live_streams", "Pages that listen to changes.", func() float64 { return float64(n.Streams()) })
	if n.Pool == nil {
		return
	}
	for _, p := range []struct {
		name, help string
		value      func(*pgxpool.Stat) float64
	}{
		{"enrollkit_pool_connections_max", "Connections that the pool may have.", func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) }},
		{"enrollkit_pool_connections", "Connections that the pool has.", func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) }},
		{"enrollkit_pool_connections_in_use", "Connections that are in use.", func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) }},
	} {
		ask(p.name, p.help, func() float64 { return p.value(n.Pool.Stat()) })
	}
	for _, p := range []struct {
		name, help string
		value      func(*pgxpool.Stat) float64
	}{
		{"enrollkit_pool_acquires_total", "Connections taken from the pool.", func(s *pgxpool.Stat) float64 { return float64(s.AcquireCount()) }},
		{"enrollkit_pool_waits_total", "Connections that were waited for.", func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) }},
		{"enrollkit_pool_wait_seconds_total", "How long connections were waited for.", func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() }},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: p.name, Help: p.help}, func() float64 { return p.value(n.Pool.Stat()) }))
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Request counts one request.
func (m *Metrics) Request(s web.Seen) {
	m.requests.WithLabelValues(s.Method, s.Route, status(s.Status)).Observe(s.Took.Seconds())
}

// status is that of an answer as a label.
func status(code int) string {
	if code < 100 || code > 599 {
		return "other"
	}
	return string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
}

// Observe is an [enrollment.Observer].
func (m *Metrics) Observe(_ context.Context, s enrollment.Signal) {
	switch s.Kind {
	case enrollment.SignalVerb:
		m.verbs.WithLabelValues(s.Name, s.Outcome).Observe(s.Took.Seconds())
	case enrollment.SignalRetry:
		m.retries.Add(float64(s.N))
	case enrollment.SignalTry:
		m.tries.WithLabelValues(s.Name, s.Outcome).Add(float64(s.N))
	case enrollment.SignalMessage:
		m.messages.WithLabelValues(s.Name, s.Outcome).Add(1)
	case enrollment.SignalOutbox:
		m.waiting("outbox", s)
	case enrollment.SignalJournal:
		m.waiting("journal", s)
	case enrollment.SignalSweep:
		m.swept.WithLabelValues(s.Name, s.Outcome).Add(float64(s.N))
	}
}

func (m *Metrics) waiting(queue string, s enrollment.Signal) {
	m.backlog.WithLabelValues(queue).Set(float64(s.N))
	m.oldest.WithLabelValues(queue).Set(s.Age.Seconds())
}

// Handler answers collectors.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
