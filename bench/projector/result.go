package main

import (
	"fmt"
	"math"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// result is the last line.
type result struct {
	EventsPerS  float64 `json:"events_per_s"`
	SQLPerS     float64 `json:"sql_only_per_s"`
	CopyPerS    float64 `json:"copy_per_s"`
	RatioSQL    float64 `json:"ratio_sql"`
	RatioCopy   float64 `json:"ratio_copy"`
	WrongRows   int     `json:"wrong_rows"`     // of the pipeline, in all rounds; -1 without oracle
	WrongRowsQL int     `json:"wrong_rows_sql"` // of the SQL-only arm
	RSSMiB      float64 `json:"rss_mib"`
	CPUPerM     float64 `json:"consumer_cpu_s_per_million"`
	PgCPUPerM   float64 `json:"postgres_cpu_s_per_million"`
	WALPerEvent float64 `json:"wal_bytes_per_event"`
	Hot         float64 `json:"hot_ratio"`
	Batches     int     `json:"batches"`
	BatchSize   float64 `json:"mean_batch"`
	Refolds     float64 `json:"refolds_per_event"`
	Late        float64 `json:"late_share"`
	Duplicates  float64 `json:"duplicate_share"`

	Events      int               `json:"events"`
	EventBytes  int64             `json:"event_bytes"`
	Orders      int               `json:"orders,omitempty"`
	Shipments   int               `json:"shipments,omitempty"`
	UnderWay    int               `json:"shipments_under_way_at_most"`
	Vocabulary  string            `json:"vocabulary"`
	Rounds      int               `json:"rounds"`
	Workers     int               `json:"workers"`
	BatchEvents int               `json:"batch_events"`
	Broker      string            `json:"broker"`
	Postgres    string            `json:"postgres"`
	Statements  bool              `json:"pg_stat_statements"`
	Conditions  report.Conditions `json:"conditions"`
}

// median is the median over the rounds of what of says of an arm.
func (b *bench) median(arm string, of func(taken) float64) float64 {
	var all []float64
	for _, t := range b.taken[arm] {
		all = append(all, of(t))
	}
	return report.Median(all)
}

func rate(t taken) float64 { return t.perSecond() }

// ratio is the median of the ratios within the rounds: what disturbs the machine
// for a while disturbs both.
func (b *bench) ratio(arm string) float64 {
	var all []float64
	for i, t := range b.taken["pipeline"] {
		if i < len(b.taken[arm]) {
			all = append(all, t.perSecond()/b.taken[arm][i].perSecond())
		}
	}
	return report.Median(all)
}

func (b *bench) wrong(arm string) (n int) {
	if b.truth == nil {
		return -1
	}
	for _, t := range b.taken[arm] {
		n += t.wrong
	}
	return n
}

func (b *bench) result(c report.Conditions) result {
	of := func(what func(taken) float64) float64 { return round(b.median("pipeline", what)) }
	share := func(count func(taken) int) float64 {
		return round(b.median("pipeline", func(t taken) float64 { return float64(count(t)) / float64(t.Events) }))
	}
	perMillion := func(what func(taken) float64) float64 {
		return of(func(t taken) float64 { return what(t) / float64(t.Events) * 1e6 })
	}
	r := result{
		EventsPerS: of(rate), SQLPerS: round(b.median("sql", rate)), CopyPerS: round(b.median("copy", rate)),
		RatioSQL: round(b.ratio("sql")), RatioCopy: round(b.ratio("copy")),
		WrongRows: b.wrong("pipeline"), WrongRowsQL: b.wrong("sql"),
		RSSMiB: of(func(t taken) float64 { return t.PeakMiB }), Hot: of(func(t taken) float64 { return t.hot }),
		CPUPerM: perMillion(func(t taken) float64 { return t.CPU }), PgCPUPerM: perMillion(func(t taken) float64 { return t.pgCPU }),
		WALPerEvent: of(func(t taken) float64 { return float64(t.wal) / float64(t.Events) }),
		Batches:     int(of(func(t taken) float64 { return float64(t.Batches) })),
		BatchSize:   of(func(t taken) float64 { return float64(t.Events) / float64(t.Batches) }),
		Refolds:     share(func(t taken) int { return t.Refolds }), Late: share(func(t taken) int { return t.Late }),
		Duplicates: share(func(t taken) int { return t.Duplicates }),
		Events:     b.load.events, EventBytes: b.load.bytes / int64(max(1, b.load.events)),
		Orders: b.truth.rows("orders"), Shipments: b.truth.rows("shipments"), UnderWay: b.cfg.shipments,
		Vocabulary: "full", Rounds: b.cfg.rounds, Workers: b.cfg.workers, BatchEvents: b.cfg.batchEvents,
		Broker: b.broker.kind, Postgres: b.server.version, Statements: b.cfg.statements, Conditions: c,
	}
	if b.cfg.core {
		r.Vocabulary = "core"
	}
	return r
}

// round keeps four significant decimals, enough for a ratio.
func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// table prints the medians of all arms side by side.
func (b *bench) table() {
	fmt.Fprintf(b.out, "\n%-9s %10s %8s %8s %8s %9s %8s %8s %8s %7s %6s\n",
		"arm", "events/s", "batches", "cpu s/M", "pg s/M", "WAL B/ev", "refolds", "commit s", "in store", "peakMiB", "wrong")
	for _, arm := range b.cfg.arms {
		m := func(of func(taken) float64) float64 { return b.median(arm, of) }
		perM := func(of func(taken) float64) float64 {
			return m(func(t taken) float64 { return of(t) / float64(t.Events) * 1e6 })
		}
		fmt.Fprintf(b.out, "%-9s %10.0f %8.0f %8.1f %8.1f %9.0f %8.0f %8.1f %8.1f %7.0f %6d\n", arm, m(rate),
			m(func(t taken) float64 { return float64(t.Batches) }), perM(func(t taken) float64 { return t.CPU }),
			perM(func(t taken) float64 { return t.pgCPU }), m(func(t taken) float64 { return float64(t.wal) / float64(t.Events) }),
			m(func(t taken) float64 { return float64(t.Refolds) }), m(func(t taken) float64 { return t.Commit }),
			m(func(t taken) float64 { return t.Applying }), m(func(t taken) float64 { return t.PeakMiB }), b.wrong(arm))
	}
	fmt.Fprintf(b.out, "ratio to SQL alone %.2f, to COPY %.2f\n", b.ratio("sql"), b.ratio("copy"))
}
