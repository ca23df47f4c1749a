package wire

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// surveyDescs are the metrics of a survey.
type surveyDescs struct {
	lag, waiting, unhandled, parkedKeys, parkedRecords, rows, dead, updates, hot, at, failures *prometheus.Desc
}

func newSurveyDescs() surveyDescs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("waybill_"+name, help, labels, nil)
	}
	return surveyDescs{
		lag:           desc("log_lag_records", "Records of the log that the read model has not applied, by partition, whoever owns it.", "topic", "partition"),
		waiting:       desc("log_waiting_seconds", "How long the oldest record that is not applied has been seen waiting, give or take 10 s; 0 when there is none.", "topic", "partition"),
		unhandled:     desc("dead_letters_unhandled", "Dead letters that nobody has replayed or discarded yet, by class.", "class"),
		parkedKeys:    desc("parked_keys", "Keys whose records wait behind a dead letter."),
		parkedRecords: desc("parked_records", "Records that wait behind a dead letter of their key."),
		rows:          desc("table_rows", "Rows of a table, as the database estimates.", "table"),
		dead:          desc("table_dead_rows", "Dead rows of a table, as the database estimates.", "table"),
		updates:       desc("table_updates_total", "Updated rows of a table.", "table"),
		hot:           desc("table_hot_updates_total", "Updated rows of a table that no index had to be told of.", "table"),
		at:            desc("survey_timestamp_seconds", "When log and tables were last looked at with success.", "part"),
		failures:      desc("survey_failures_total", "Looks at log and tables that failed.", "part"),
	}
}

// Describe implements [prometheus.Collector].
func (s *survey) Describe(out chan<- *prometheus.Desc) {
	d := newSurveyDescs()
	for _, desc := range []*prometheus.Desc{d.lag, d.waiting, d.unhandled, d.parkedKeys, d.parkedRecords, d.rows, d.dead, d.updates, d.hot, d.at, d.failures} {
		out <- desc
	}
}

// Collect implements [prometheus.Collector].
func (s *survey) Collect(out chan<- prometheus.Metric) {
	d, r := newSurveyDescs(), s.report(time.Now())
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	counter := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, v, labels...)
	}
	for part, b := range r.lag {
		gauge(d.lag, float64(b.records), part.Topic, strconv.Itoa(int(part.ID)))
		gauge(d.waiting, b.waiting.Seconds(), part.Topic, strconv.Itoa(int(part.ID)))
	}
	for class, n := range r.letters {
		gauge(d.unhandled, float64(n), class)
	}
	if r.parked != nil {
		gauge(d.parkedKeys, float64(r.parked.keys))
		gauge(d.parkedRecords, float64(r.parked.records))
	}
	for _, t := range r.tables {
		gauge(d.rows, float64(t.Rows), t.Name)
		gauge(d.dead, float64(t.Dead), t.Name)
		counter(d.updates, float64(t.Updates), t.Name)
		counter(d.hot, float64(t.HotUpdates), t.Name)
	}
	for part, at := range map[string]time.Time{"log": r.lagAt, "tables": r.tablesAt} {
		if !at.IsZero() {
			gauge(d.at, float64(at.Unix()), part)
		}
	}
	for part, n := range r.failures {
		counter(d.failures, float64(n), part)
	}
}
