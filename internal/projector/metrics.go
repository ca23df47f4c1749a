package projector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what a projector does.
type Metrics struct {
	events   *prometheus.CounterVec
	retries  prometheus.Counter
	fenced   prometheus.Counter
	halts    *prometheus.CounterVec
	size     prometheus.Histogram
	seconds  prometheus.Histogram
	commit   prometheus.Histogram
	refolds  prometheus.Counter
	changes  prometheus.Counter
	position *prometheus.GaugeVec
	halted   prometheus.Gauge
	panics   prometheus.Counter
}

// NewMetrics registers the metrics; with nil they are kept but not shown.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const ns, sub = "waybill", "projector"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help, Buckets: buckets})
	}
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "events_total",
			Help: "Records by outcome: new, duplicate, late, id_conflict, dead_letter."}, []string{"outcome"}),
		halts: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "halts_total",
			Help: "Partitions stopped until an operator decides, by reason."}, []string{"reason"}),
		position: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: "next_offset",
			Help: "The offset that comes next, by partition."}, []string{"partition"}),
		halted: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: "halted_partitions",
			Help: "Partitions of this process that stand still until an operator decides."}),
		panics:  counter("panics_total", "Panics that were caught with records in hand."),
		retries: counter("retries_total", "Failures that were tried again."),
		fenced:  counter("fenced_total", "Batches refused because somebody else owns the partition."),
		refolds: counter("refolds_total", "Streams folded from their history."),
		changes: counter("changes_total", "Entities that clients were told of."),
		size:    histogram("batch_records", "Records per batch.", prometheus.ExponentialBuckets(1, 4, 8)),
		seconds: histogram("batch_seconds", "From the gathered batch to its commit.", prometheus.ExponentialBuckets(.001, 2, 14)),
		commit:  histogram("commit_seconds", "The commit alone.", prometheus.ExponentialBuckets(.0005, 2, 12)),
	}
	if reg != nil {
		reg.MustRegister(m.events, m.halts, m.position, m.retries, m.fenced, m.refolds, m.changes, m.halted, m.panics, m.size, m.seconds, m.commit)
	}
	return m
}

func (m *Metrics) batch(records int, took time.Duration) {
	m.size.Observe(float64(records))
	m.seconds.Observe(took.Seconds())
}

func (m *Metrics) applied(b Batch, a Applied) {
	count := func(outcome string, n int) { m.events.WithLabelValues(outcome).Add(float64(n)) }
	count("new", a.New)
	count("duplicate", a.Duplicates)
	count("late", a.Late)
	count("id_conflict", a.Conflicts)
	count("dead_letter", len(b.Poison))
	m.refolds.Add(float64(a.Refolds))
	m.changes.Add(float64(a.Changes))
	m.commit.Observe(a.Commit.Seconds())
	for _, move := range b.Advances {
		m.position.WithLabelValues(move.Partition.String()).Set(float64(move.To))
	}
}
