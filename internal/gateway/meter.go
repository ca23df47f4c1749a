package gateway

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/fanout"
)

const prefix = "waybill_ws_"

// Meter is a fanout.Meter that keeps metrics, and has those of the gateway. Make
// it first, give it to the hub's Config and then to New.
type Meter struct {
	registerer prometheus.Registerer
	counters   map[fanout.Counter]*prometheus.CounterVec
	timings    map[fanout.Timing]prometheus.Histogram
	closes     *prometheus.CounterVec
	auth       *prometheus.CounterVec
	hurried    *prometheus.CounterVec
	origins    prometheus.Counter

	found atomic.Pointer[map[series]prometheus.Counter]
	mu    sync.Mutex // one at a time adds to found
}

// NewMeter registers the metrics with r; nil keeps them to itself. It panics
// when they are registered already.
func NewMeter(r prometheus.Registerer) *Meter {
	if r == nil {
		r = prometheus.NewRegistry()
	}
	m := &Meter{registerer: r}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	m.counters = map[fanout.Counter]*prometheus.CounterVec{
		fanout.CountFrames:       vec("frames_sent_total", "Frames written, by type.", "type"),
		fanout.CountBytes:        vec("bytes_sent_total", "Bytes of messages written."),
		fanout.CountConflated:    vec("conflated_total", "Rows that a newer one replaced before they were sent."),
		fanout.CountResets:       vec("resets_total", "Subscriptions that started over, by code.", "code"),
		fanout.CountResumes:      vec("resumes_total", "Positions that clients came back with, by outcome.", "outcome"),
		fanout.CountSnapshots:    vec("snapshots_total", "Snapshots read."),
		fanout.CountSnapshotRows: vec("snapshot_rows_total", "Rows of snapshots."),
		fanout.CountSlow:         vec("slow_total", "What was done about slow clients, by action.", "action"),
		fanout.CountTickFailures: vec("tick_failures_total", "Reads of the change feed that failed."),
		fanout.CountSubscribes:   vec("subscribes_total", "Requests to subscribe, by outcome.", "outcome"),
	}
	m.closes = vec("closes_total", "Connections that ended, by code.", "code")
	m.hurried = vec("handshakes_refused_total", "Handshakes refused because too many came, of one address or in all.", "limit")
	m.auth = vec("auth_failures_total", "Tokens that were refused, by reason.", "reason")
	m.origins = prometheus.NewCounter(prometheus.CounterOpts{
		Name: prefix + "origin_refused_total", Help: "Handshakes refused for their Origin."})
	r.MustRegister(m.origins)
	m.timings = map[fanout.Timing]prometheus.Histogram{
		fanout.TimeTick:         m.histogram("tick_seconds", "Time of a read of the change feed, applied."),
		fanout.TimeSnapshot:     m.histogram("snapshot_seconds", "Time of reading a snapshot."),
		fanout.TimeRefresh:      m.histogram("refresh_seconds", "Time of reading counts, a timeline or the alerts anew."),
		fanout.TimeCommitToSend: m.histogram("commit_to_send_seconds", "Time from the commit of the newest row of a delta until it is written."),
	}
	return m
}

func (m *Meter) histogram(name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: prefix + name, Help: help, Buckets: prometheus.ExponentialBucketsRange(0.001, 10, 17)})
	m.registerer.MustRegister(h)
	return h
}

// Count implements [fanout.Meter].
func (m *Meter) Count(c fanout.Counter, label string, n int) {
	if n == 0 {
		return
	}
	if one := m.one(series{c, label}); one != nil {
		one.Add(float64(n))
	}
}

// series names one counter among those of a kind.
type series struct {
	counter fanout.Counter
	label   string
}

// one finds a counter without asking for it by its labels each time, which would
// cost as much as what it counts. Found ones are kept in a map that does not change.
func (m *Meter) one(s series) prometheus.Counter {
	found := m.found.Load()
	if found != nil {
		if one := (*found)[s]; one != nil {
			return one
		}
	}
	v := m.counters[s.counter]
	if v == nil {
		return nil
	}
	var one prometheus.Counter
	if s.label == "" {
		one = v.WithLabelValues()
	} else {
		one = v.WithLabelValues(s.label)
	}
	m.keep(s, one)
	return one
}

func (m *Meter) keep(s series, one prometheus.Counter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[series]prometheus.Counter{s: one}
	if found := m.found.Load(); found != nil {
		maps.Copy(next, *found)
	}
	m.found.Store(&next)
}

// Observe implements [fanout.Meter].
func (m *Meter) Observe(t fanout.Timing, d time.Duration) {
	if h := m.timings[t]; h != nil {
		h.Observe(d.Seconds())
	}
}

// watch registers the gauges of a hub.
func (m *Meter) watch(hub *fanout.Hub) { m.registerer.MustRegister(gauges{hub}) }

// watchStreams registers the gauge of event streams.
func (m *Meter) watchStreams(n *atomic.Int64) {
	m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "streams", Help: "Of the connections, those that are event streams (SSE).",
	}, func() float64 { return float64(n.Load()) }))
}

// WatchRevocations registers the age of what is known to be revoked.
func (m *Meter) WatchRevocations(age func() time.Duration) {
	m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "revocations_age_seconds", Help: "How long ago it was read what is revoked.",
	}, func() float64 { return age().Seconds() }))
}

// gauges reads the hub once for every scrape.
type gauges struct{ hub *fanout.Hub }

func gaugeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (g gauges) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, out) }

// Collect implements [prometheus.Collector].
func (g gauges) Collect(out chan<- prometheus.Metric) {
	s := g.hub.Stats()
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	send(gaugeDesc("connections", "Connections that said hello."), float64(s.Connections))
	send(gaugeDesc("groups", "Groups of subscriptions that share deltas."), float64(s.Groups))
	send(gaugeDesc("pending_bytes", "Bytes that wait for clients."), float64(s.PendingBytes))
	send(gaugeDesc("feed_lag_seconds", "Age of the newest read of the change feed, when it is late."), s.FeedLag)
	subscriptions := gaugeDesc("subscriptions", "Subscriptions, by topic.", "topic")
	for topic, n := range s.Subscriptions {
		send(subscriptions, float64(n), string(topic))
	}
}

func codeLabel(code fanout.CloseCode) string { return strconv.Itoa(int(code)) }
