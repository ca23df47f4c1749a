package ops

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Readiness is the list of a command's checks. The zero value has none and is
// ready. It is a [prometheus.Collector] of waybill_ready, one series per check.
type Readiness struct {
	mu     sync.Mutex
	checks map[string]*Check
}

// Check says whether one component can do its work.
type Check struct {
	mu     sync.Mutex
	status Status
}

// Status is what a check says.
type Status struct {
	OK     bool      `json:"ok"`
	Detail string    `json:"detail,omitempty"` // for people
	Since  time.Time `json:"since"`            // when OK last changed
}

// Report is what /readyz answers.
type Report struct {
	Ready  bool              `json:"ready"`
	Checks map[string]Status `json:"checks"`
}

// Check returns the check of that name. A new one is not ok.
func (r *Readiness) Check(name string) *Check {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.checks[name]
	if !ok {
		c = &Check{status: Status{Detail: "starting", Since: time.Now()}}
		if r.checks == nil {
			r.checks = map[string]*Check{}
		}
		r.checks[name] = c
	}
	return c
}

// Set says how things are. On a nil Check it does nothing, so that a component
// works without anybody asking.
func (c *Check) Set(ok bool, detail string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.OK != ok {
		c.status.Since = time.Now()
	}
	c.status.OK, c.status.Detail = ok, detail
}

// Status returns what was set last.
func (c *Check) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Report reads all checks.
func (r *Readiness) Report() Report {
	r.mu.Lock()
	checks := maps.Clone(r.checks)
	r.mu.Unlock()

	report := Report{Ready: true, Checks: make(map[string]Status, len(checks))}
	for name, c := range checks {
		status := c.Status()
		report.Checks[name] = status
		report.Ready = report.Ready && status.OK
	}
	return report
}

// Describe implements [prometheus.Collector].
func (r *Readiness) Describe(ch chan<- *prometheus.Desc) { ch <- readyDesc() }

// Collect implements [prometheus.Collector].
func (r *Readiness) Collect(ch chan<- prometheus.Metric) {
	report := r.Report()
	for _, name := range slices.Sorted(maps.Keys(report.Checks)) {
		value := 0.0
		if report.Checks[name].OK {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(readyDesc(), prometheus.GaugeValue, value, name)
	}
}

func readyDesc() *prometheus.Desc {
	return prometheus.NewDesc("waybill_ready", "Whether a component can do its work.", []string{"check"}, nil)
}
