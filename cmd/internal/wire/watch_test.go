package wire_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"
)

// Where operators look, from here.
const (
	dashboardFile = "../../../deploy/grafana/dashboards/waybill.json"
	rulesFile     = "../../../deploy/prometheus/rules.yml"
	runbookFile   = "../../../docs/operations.md"
	runbookURL    = "https://github.com/waybill-io/waybill/blob/main/docs/operations.md#"
)

type dashboard struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type ruleFile struct {
	Groups []struct {
		Name  string  `yaml:"name"`
		Rules []alert `yaml:"rules"`
	} `yaml:"groups"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	body, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatalf("read %s: %v", dashboardFile, err)
	}
	return d
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	body, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var f ruleFile
	if err := yaml.UnmarshalWithOptions(body, &f, yaml.Strict()); err != nil {
		t.Fatalf("read %s: %v", rulesFile, err)
	}
	var all []alert
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// watching are the expressions that operators look at, by where they stand.
func watching(t *testing.T) map[string]string {
	t.Helper()
	exprs := map[string]string{}
	for _, p := range readDashboard(t).Panels {
		for i, target := range p.Targets {
			exprs[fmt.Sprintf("panel %d %s, %d", p.ID, p.Title, i)] = target.Expr
		}
	}
	for _, a := range readAlerts(t) {
		exprs["alert "+a.Alert] = a.Expr
	}
	return exprs
}

var (
	inQuotes   = regexp.MustCompile(`"[^"]*"`)
	metricName = regexp.MustCompile(`\b(?:waybill|process|go)_[a-z0-9_]+(?:\{[^}]*\})?`)
	labelName  = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)`)
	grouping   = regexp.MustCompile(`\b(?:by|ignoring|on|without) \(([^)]*)\)`)
)

// What scraping adds to every series, and what a histogram's have beside their own.
var everywhere = []string{"instance", "job", "le"}

// What the dashboard and the alerts ask for is there, with these labels; and what
// is there is asked for.
func TestDashboardAndAlertsAskForTheMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.refused(t)
	w.produce(t, w.order(t))
	w.wantValues(t, map[string]float64{"waybill_projector_events_total applied": 1}) // and every histogram has a series
	described, gathered := w.described(t), w.gather(t)
	asked := map[string]bool{}
	for where, expr := range watching(t) {
		bare := inQuotes.ReplaceAllString(expr, "")
		names := metricName.FindAllString(bare, -1)
		if len(names) == 0 && !strings.HasPrefix(bare, "up{") {
			t.Errorf("%s asks for no metric: %s", where, expr)
		}
		var labels []string
		for _, selected := range names {
			name, selector, _ := strings.Cut(selected, "{")
			name, problem := resolve(name, described, gathered)
			if problem != "" {
				t.Errorf("%s: %s: %s", where, name, problem)
				continue
			}
			asked[name] = true
			labels = append(labels, described[name]...)
			for _, l := range labelName.FindAllStringSubmatch(selector, -1) {
				if !slices.Contains(slices.Concat(everywhere, described[name]), l[1]) {
					t.Errorf("%s: %s has no label %s, only %q", where, name, l[1], described[name])
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(bare, -1) {
			for l := range strings.SplitSeq(g[1], ", ") {
				if !slices.Contains(slices.Concat(everywhere, labels), l) {
					t.Errorf("%s groups by %s, which no metric of it has: %s", where, l, expr)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(described)) {
		if strings.HasPrefix(name, "waybill_") && !asked[name] {
			t.Errorf("%s is on no panel and in no alert", name)
		}
	}
}

// resolve finds the metric that a series is of.
func resolve(series string, described map[string][]string, gathered map[string]*dto.MetricFamily) (name, problem string) {
	name = series
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(series, suffix)
		if _, known := described[base]; cut && known {
			name = base
		}
	}
	if _, known := described[name]; !known {
		return name, "there is no such metric"
	}
	histogram := gathered[name].GetType() == dto.MetricType_HISTOGRAM
	if histogram != (name != series) {
		return name, series + " is not what a metric of its type has"
	}
	return name, ""
}

func TestPanelsHaveTheirPlaceAndAlertsTheirRunbook(t *testing.T) {
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] {
			t.Errorf("panel %q has the id of another one", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if by := taken[[2]int{x, y}]; by != "" || x >= 24 {
					t.Fatalf("panel %q lies over %q or beyond the edge", p.Title, by)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}

	anchors := headings(t)
	names := map[string]bool{}
	for _, a := range readAlerts(t) {
		if names[a.Alert] || !strings.HasPrefix(a.Alert, "Waybill") {
			t.Errorf("alert %q: want a name of its own that begins with Waybill", a.Alert)
		}
		names[a.Alert] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s has severity %q", a.Alert, a.Labels["severity"])
		}
		if _, err := time.ParseDuration(strings.Replace(a.For, "1d", "24h", 1)); a.For != "" && err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
		anchor, ours := strings.CutPrefix(a.Annotations["runbook_url"], runbookURL)
		if !ours || !anchors[anchor] {
			t.Errorf("%s leads to %q, which is no heading of docs/operations.md", a.Alert, a.Annotations["runbook_url"])
		}
		if a.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", a.Alert)
		}
	}
	if len(names) < 20 {
		t.Errorf("%d alerts were read, want all of them", len(names))
	}
}

// headings are the anchors of the runbook.
func headings(t *testing.T) map[string]bool {
	t.Helper()
	body, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(body), -1) {
		anchor := strings.ToLower(m[1])
		anchor = regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(anchor, "")
		anchors[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return anchors
}
