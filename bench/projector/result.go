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
	RatioMill   float64 `json:"ratio_watermill"`
	RatioBatch  float64 `json:"ratio_watermill_batched"`
	RatioEarly  float64 `json:"ratio_watermill_early"` // batched, acked before the commit
	WrongRows   int     `json:"wrong_rows"`            // of the pipeline, in all rounds; -1 without oracle
	WrongKilled int     `json:"wrong_rows_killed"`     // after kill -9 half way
	WrongRowsQL int     `json:"wrong_rows_sql"`
	WrongAgain  int     `json:"wrong_rows_rebuild"`
	WrongMill   string  `json:"wrong_rows_watermill"` // of a round, of how many statuses
	WrongBatch  string  `json:"wrong_rows_watermill_batched"`
	WrongEarly  string  `json:"wrong_rows_watermill_early"`
	MillPerS    float64 `json:"watermill_per_s"`
	BatchPerS   float64 `json:"watermill_batched_per_s"`
	EarlyPerS   float64 `json:"watermill_early_per_s"`
	RebuildPerS float64 `json:"rebuild_per_s"`
	RebuildS    float64 `json:"rebuild_s"` // comparing and swapping included
	RebuildMiB  float64 `json:"rebuild_rss_mib"`
	CommitP50   float64 `json:"commit_p50_ms"` // from publishing, at latency_events_per_s
	CommitP99   float64 `json:"commit_p99_ms"`
	LatencyRate float64 `json:"latency_events_per_s"`
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
	MillEvents  int               `json:"watermill_events"`
	BatchEvts   int               `json:"watermill_batched_events"`
	Poison      int               `json:"poison"`
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
// for a while disturbs both. It is 0 without that arm.
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
	if !b.cfg.oracle {
		return -1
	}
	for _, t := range b.taken[arm] {
		n += t.wrong
	}
	return n
}

// share says how many rows of an arm were wrong in its worst round, of how many.
func (b *bench) share(arm string) string {
	var worst taken
	for _, t := range b.taken[arm] {
		if t.judged > 0 && t.wrong >= worst.wrong {
			worst = t
		}
	}
	if worst.judged == 0 {
		return "not compared"
	}
	return fmt.Sprintf("%d of %d", worst.wrong, worst.judged)
}

func (b *bench) result(c report.Conditions) result {
	of := func(what func(taken) float64) float64 { return round(b.median("pipeline", what)) }
	share := func(count func(taken) int) float64 {
		return round(b.median("pipeline", func(t taken) float64 { return float64(count(t)) / float64(t.Events) }))
	}
	perMillion := func(what func(taken) float64) float64 {
		return of(func(t taken) float64 { return what(t) / float64(t.Events) * 1e6 })
	}
	s := b.stageOf("pipeline")
	r := result{
		EventsPerS: of(rate), SQLPerS: round(b.median("sql", rate)), CopyPerS: round(b.median("copy", rate)),
		RatioSQL: round(b.ratio("sql")), RatioCopy: round(b.ratio("copy")),
		RatioMill: round(b.ratio("watermill")), RatioBatch: round(b.ratio("watermill-batched")), RatioEarly: round(b.ratio("watermill-early")),
		WrongRows: b.wrong("pipeline"), WrongRowsQL: b.wrong("sql"), WrongKilled: b.wrong(killing), WrongAgain: b.wrong(rebuilding),
		WrongMill: b.share("watermill"), WrongBatch: b.share("watermill-batched"), WrongEarly: b.share("watermill-early"),
		MillPerS: round(b.median("watermill", rate)), BatchPerS: round(b.median("watermill-batched", rate)), EarlyPerS: round(b.median("watermill-early", rate)),
		RebuildPerS: round(b.median(rebuilding, rate)), RebuildS: round(b.median(rebuilding, func(t taken) float64 { return t.Seconds })),
		RebuildMiB: round(b.median(rebuilding, func(t taken) float64 { return t.PeakMiB })),
		CommitP50:  b.waits.P50, CommitP99: b.waits.P99, LatencyRate: b.cfg.latencyRate,
		RSSMiB: of(func(t taken) float64 { return t.PeakMiB }), Hot: of(func(t taken) float64 { return t.hot }),
		CPUPerM: perMillion(func(t taken) float64 { return t.CPU }), PgCPUPerM: perMillion(func(t taken) float64 { return t.pgCPU }),
		WALPerEvent: of(func(t taken) float64 { return float64(t.wal) / float64(t.Events) }),
		Batches:     int(of(func(t taken) float64 { return float64(t.Batches) })),
		BatchSize:   of(func(t taken) float64 { return float64(t.Events) / float64(t.Batches) }),
		Refolds:     share(func(t taken) int { return t.Refolds }), Late: share(func(t taken) int { return t.Late }),
		Duplicates: share(func(t taken) int { return t.Duplicates }),
		Events:     s.load.events, EventBytes: s.load.bytes / int64(max(1, s.load.events)), Poison: s.load.poison,
		MillEvents: b.cfg.eventsOf("watermill"), BatchEvts: b.cfg.eventsOf("watermill-batched"),
		Orders: s.rows.rows("orders"), Shipments: s.rows.rows("shipments"), UnderWay: b.cfg.shipments,
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
	fmt.Fprintf(b.out, "\n%-17s %8s %10s %8s %8s %8s %8s %5s %8s %8s %8s %7s  %s\n",
		"arm", "events", "events/s", "batches", "cpu s/M", "pg s/M", "WAL B/ev", "HOT", "refolds", "commit s", "in store", "peakMiB", "wrong rows")
	for _, arm := range []string{"pipeline", killing, "sql", "copy", rebuilding, "watermill", "watermill-batched", "watermill-early"} {
		if len(b.taken[arm]) > 0 {
			b.line(arm)
		}
	}
	fmt.Fprintf(b.out, "ratio to SQL alone %.2f, to COPY %.2f, to Watermill %.1f, batched by hand %.1f, acked before the commit %.1f\n",
		b.ratio("sql"), b.ratio("copy"), b.ratio("watermill"), b.ratio("watermill-batched"), b.ratio("watermill-early"))
	if b.waits.N > 0 {
		fmt.Fprintf(b.out, "publish to commit at %.0f events/s: median %.1f ms, p99 %.1f ms\n", b.cfg.latencyRate, b.waits.P50, b.waits.P99)
	}
}

func (b *bench) line(arm string) {
	m := func(of func(taken) float64) float64 { return b.median(arm, of) }
	perM := func(of func(taken) float64) float64 {
		return m(func(t taken) float64 { return of(t) / float64(t.Events) * 1e6 })
	}
	fmt.Fprintf(b.out, "%-17s %8.0f %10.0f %8.0f %8.1f %8.1f %8.0f %5.2f %8.0f %8.1f %8.1f %7.0f  %s\n", arm,
		m(func(t taken) float64 { return float64(t.Events) }), m(rate),
		m(func(t taken) float64 { return float64(t.Batches) }), perM(func(t taken) float64 { return t.CPU }),
		perM(func(t taken) float64 { return t.pgCPU }), m(func(t taken) float64 { return float64(t.wal) / float64(t.Events) }),
		m(func(t taken) float64 { return t.hot }), m(func(t taken) float64 { return float64(t.Refolds) }),
		m(func(t taken) float64 { return t.Commit }), m(func(t taken) float64 { return t.Applying }),
		m(func(t taken) float64 { return t.PeakMiB }), b.share(arm))
}
