package projector

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Metrics counts what a projector does. Every label has a bounded set of values:
// what is not among them counts as "other".
type Metrics struct {
	events    *prometheus.CounterVec // type, outcome
	letters   *prometheus.CounterVec // class
	anomalies *prometheus.CounterVec // kind
	zones     *prometheus.CounterVec // source
	refolds   prometheus.Counter
	changes   prometheus.Counter

	size    prometheus.Histogram
	seconds prometheus.Histogram
	stages  *prometheus.HistogramVec // stage
	steps   *prometheus.HistogramVec // step
	age     prometheus.Histogram
	newest  prometheus.Gauge

	retries  *prometheus.CounterVec // class
	fenced   prometheus.Counter
	panics   prometheus.Counter
	claims   prometheus.Counter
	assigned prometheus.Gauge
	position *prometheus.GaugeVec   // topic, partition
	halts    *prometheus.CounterVec // reason
	standing *prometheus.GaugeVec   // topic, partition, reason
	halted   prometheus.Gauge
}

// other is the label of whatever has none of its own.
const other = "other"

// The stages of a batch, and how long they take: from a millisecond to the
// timeout of a statement, and beyond.
const (
	stageGather      = "gather"      // from the first record to the full batch
	stageDecode      = "decode"      // of all records
	stageTransaction = "transaction" // all statements, without the commit
	stageCommit      = "commit"
)

var secondsBuckets = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}

// The labels that are there from the beginning, so that the first of its kind is
// an increase. None of them is ever written.
var (
	reasons      = []string{"log_gap", "other_log", "corrupt_log", string(codeUpgrade), "flood", classKills}
	retryClasses = []string{"connection", "conflict", "timeout", "resources", other}
	kinds        = []tracking.Anomaly{
		tracking.ClockSkew, tracking.SecondCreate, tracking.Regression, tracking.MovedAfterCancel,
		tracking.Misplaced, tracking.AssignmentReplaced, tracking.RetractionStands, AnomalyCopy, AnomalyUnmatched, other,
	}
	zones   = []events.TZSource{events.TZOffset, events.TZZoneCode, events.TZLocation, events.TZAssumedUTC, events.TZUnknown, other}
	classes = []string{
		string(events.CodeMalformed), string(events.CodeDuplicateKey), string(events.CodeTrailing), string(events.CodeInvalidUTF8), string(events.CodeControlChar),
		string(events.CodeTooDeep), string(events.CodeTooLarge), string(events.CodeUnknownField), string(events.CodeSchema),
		string(events.CodeInvalidID), string(events.CodeUnknownType), string(events.CodeNullValue), string(events.CodeEmpty),
		string(events.CodeNullKey), string(events.CodeKeyMismatch), string(events.CodeBadHeaders), string(events.CodeTenant),
		string(codeWrongPartition), string(codeUpgrade), classConstraint, classPanic, classKills, classConflict, classUndecodable, other,
	}
)

// NewMetrics registers the metrics; with nil they are kept but not shown.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{}
	f := factory{promauto.With(reg)}
	m.makeOutcomes(f)
	m.makeTimes(f)
	m.makePartitions(f)
	return m
}

func (m *Metrics) makeOutcomes(f factory) {
	m.events = f.counters("events_total", "Records by type and outcome: applied, late (applied, but its stream knew something newer), duplicate, conflict (other contents under a stored identity), dead_letter or parked (it waits behind a dead letter of its key).", "type", "outcome")
	m.letters = f.counters("dead_letters_total", "Records that became dead letters, by class.", "class")
	m.anomalies = f.counters("anomalies_total", "What folds found odd about timeline entries, by kind; counted when it is first marked.", "kind")
	m.zones = f.counters("time_zones_total", "Applied events by where their time zone is from.", "source")
	m.refolds = f.counter("refolds_total", "Streams folded from their history.")
	m.changes = f.counter("changes_total", "Entities that clients were told of.")
	for _, class := range classes {
		m.letters.WithLabelValues(class)
	}
	for _, kind := range kinds {
		m.anomalies.WithLabelValues(string(kind))
	}
	for _, source := range zones {
		m.zones.WithLabelValues(string(source))
	}
}

func (m *Metrics) makeTimes(f factory) {
	m.size = f.histogram("batch_records", "Records per batch.", []float64{1, 4, 16, 64, 256, 1024, 2048, 4096, 8192, 16384})
	m.seconds = f.histogram("batch_seconds", "Time from the gathered batch to its last commit.", secondsBuckets)
	m.stages = f.histograms("batch_stage_seconds", "Time of a batch by stage: gather, decode, transaction (without its commit) and commit.", "stage")
	m.steps = f.histograms("transaction_step_seconds", "Time of a transaction by step.", "step")
	m.age = f.histogram("record_to_commit_seconds", "Time from the timestamp of a batch's oldest record to the commit.", secondsBuckets)
	m.newest = f.gauge("last_commit_timestamp_seconds", "When this process last committed a batch, 0 when it has not yet.")
	for _, stage := range []string{stageGather, stageDecode, stageTransaction, stageCommit} {
		m.stages.WithLabelValues(stage)
	}
}

func (m *Metrics) makePartitions(f factory) {
	m.retries = f.counters("retries_total", "Failures that were tried again, by class: connection, conflict (with another transaction), timeout, resources or other.", "class")
	m.fenced = f.counter("fenced_total", "Batches refused because somebody else owns the partition.")
	m.panics = f.counter("panics_total", "Panics that were caught with records in hand.")
	m.claims = f.counter("claims_total", "Partitions that this process took over.")
	m.assigned = f.gauge("assigned_partitions", "Partitions that the group gave this process.")
	m.position = f.gauges("next_offset", "The offset that comes next, of the partitions of this process.", "topic", "partition")
	m.halts = f.counters("halts_total", "Partitions stopped until an operator decides, by reason.", "reason")
	m.standing = f.gauges("partition_halted", "1 for every partition of this process that stands still until an operator decides.", "topic", "partition", "reason")
	m.halted = f.gauge("halted_partitions", "Partitions of this process that stand still until an operator decides.")
	for _, class := range retryClasses {
		m.retries.WithLabelValues(class)
	}
	for _, reason := range reasons {
		m.halts.WithLabelValues(reason)
	}
}

// factory makes metrics of the projector's names.
type factory struct{ promauto.Factory }

const namespace, subsystem = "waybill", "projector"

func (f factory) counter(name, help string) prometheus.Counter {
	return f.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}

func (f factory) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return f.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	return f.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}

func (f factory) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return f.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
}

func (f factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	return f.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets})
}

func (f factory) histograms(name, help, label string) *prometheus.HistogramVec {
	return f.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: secondsBuckets,
	}, []string{label})
}

// batch notes a batch that is applied, whatever it was parted into.
func (m *Metrics) batch(records int, took time.Duration) {
	m.size.Observe(float64(records))
	m.seconds.Observe(took.Seconds())
}

// stage notes how long a stage took.
func (m *Metrics) stage(name string, took time.Duration) {
	m.stages.WithLabelValues(name).Observe(took.Seconds())
}

// applied notes a transaction that was committed just now.
func (m *Metrics) applied(b Batch, a Applied, took time.Duration) {
	m.count(b, a)
	m.refolds.Add(float64(a.Refolds))
	m.changes.Add(float64(a.Changes))
	m.stage(stageTransaction, took-a.Commit)
	m.stage(stageCommit, a.Commit)
	for _, s := range a.Steps {
		m.steps.WithLabelValues(s.Name).Observe(s.Took.Seconds())
	}
	now := time.Now()
	m.newest.Set(float64(now.UnixMilli()) / 1000)
	if oldest := b.oldest(); !oldest.IsZero() {
		m.age.Observe(max(0, now.Sub(oldest).Seconds()))
	}
	for _, move := range b.Advances {
		m.position.WithLabelValues(partitionLabels(move.Partition)...).Set(float64(move.To))
	}
}

// count tells what became of the records of a batch.
func (m *Metrics) count(b Batch, a Applied) {
	for fate, n := range a.Fates {
		m.events.WithLabelValues(string(fate.Type), string(fate.Outcome)).Add(float64(n))
	}
	for i := range b.Poison {
		outcome := "dead_letter"
		if b.Poison[i].Code == classConflict {
			outcome = string(OutcomeConflict)
		}
		m.events.WithLabelValues(typeLabel(&b.Poison[i].Record), outcome).Inc()
		m.letters.WithLabelValues(known(b.Poison[i].Code, classes)).Inc()
	}
	for i := range b.Parked {
		m.events.WithLabelValues(typeLabel(&b.Parked[i].Record), "parked").Inc()
	}
	m.letters.WithLabelValues(classConflict).Add(float64(a.Conflicts))
	for kind, n := range a.Anomalies {
		m.anomalies.WithLabelValues(string(known(kind, kinds))).Add(float64(n))
	}
	for source, n := range a.Zones {
		m.zones.WithLabelValues(string(known(source, zones))).Add(float64(n))
	}
}

// given notes the partitions of a new generation.
func (m *Metrics) given(parts int) {
	m.assigned.Set(float64(parts))
	m.position.Reset()
}

// took notes partitions that were claimed.
func (m *Metrics) took(claims map[Partition]Claim) {
	m.claims.Add(float64(len(claims)))
	for part, c := range claims {
		m.position.WithLabelValues(partitionLabels(part)...).Set(float64(c.Next))
	}
}

// halt notes that a partition stands still, one of so many.
func (m *Metrics) halt(e *HaltError, all int) {
	m.move(e.Partition)
	m.halts.WithLabelValues(known(e.Reason, reasons)).Inc()
	m.standing.WithLabelValues(append(partitionLabels(e.Partition), known(e.Reason, reasons))...).Set(1)
	m.halted.Set(float64(all))
}

// unhalt notes that partitions no longer stand still here; so many still do.
func (m *Metrics) unhalt(parts []Partition, all int) {
	for _, part := range parts {
		m.move(part)
	}
	m.halted.Set(float64(all))
}

func (m *Metrics) move(part Partition) {
	at := partitionLabels(part)
	m.standing.DeletePartialMatch(prometheus.Labels{"topic": at[0], "partition": at[1]})
}

// retry notes a failure that is tried again.
func (m *Metrics) retry(err error) { m.retries.WithLabelValues(classOf(err)).Inc() }

// oldest is the earliest timestamp of the batch's records, zero when none has one.
func (b *Batch) oldest() (t time.Time) {
	consider := func(r *Record) {
		if !r.Time.IsZero() && (t.IsZero() || r.Time.Before(t)) {
			t = r.Time
		}
	}
	for i := range b.Events {
		consider(b.Events[i].Record)
	}
	for _, list := range [][]Poison{b.Poison, b.Parked} {
		for i := range list {
			consider(&list[i].Record)
		}
	}
	return t
}

// known is a label's value if it is one of those that are there, else "other".
func known[T ~string](value T, values []T) T {
	if slices.Contains(values, value) {
		return value
	}
	return other
}

// typeLabel is the type that a record's header names, if the vocabulary has it.
func typeLabel(r *Record) string {
	for i := range r.Headers {
		if r.Headers[i].Key != "ce_type" {
			continue
		}
		if _, err := events.NewData(events.Type(r.Headers[i].Value)); err == nil {
			return string(r.Headers[i].Value)
		}
	}
	return other
}

func partitionLabels(p Partition) []string { return []string{p.Topic, strconv.Itoa(int(p.ID))} }
