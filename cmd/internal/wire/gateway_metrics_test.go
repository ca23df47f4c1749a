package wire_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The metrics of the live protocol have the names that its design gives them, and
// the runbook describes every metric of the gateway.
func TestTheGatewayHasItsMetricsAndTheRunbookDescribesThem(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	described := w.described(t)
	for name, labels := range map[string]string{
		"connections": "", "subscriptions": "topic", "groups": "", "frames_sent_total": "type", "bytes_sent_total": "", "conflated_total": "",
		"resets_total": "code", "resumes_total": "outcome", "snapshots_total": "", "snapshot_rows_total": "", "slow_total": "action",
		"closes_total": "code", "auth_failures_total": "reason", "origin_refused_total": "", "tick_seconds": "", "snapshot_seconds": "",
		"commit_to_send_seconds": "", "feed_lag_seconds": "", "pending_bytes": "",
	} {
		got, there := described["waybill_ws_"+name]
		if !there || strings.Join(got, ",") != labels {
			t.Errorf("waybill_ws_%s: there %t with labels %q, want labels %q", name, there, got, labels)
		}
	}
	runbook, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(runbook), "Of a gateway, all with the prefix `waybill_ws_`")
	table, _, _ = strings.Cut(table, "\n### ")
	for _, name := range slices.Sorted(maps.Keys(described)) {
		short, ours := strings.CutPrefix(name, "waybill_ws_")
		if !ours {
			continue
		}
		for _, label := range described[name] {
			short += "{" + label + "}"
		}
		if !strings.Contains(table, "`"+short+"`") {
			t.Errorf("docs/operations.md does not describe `%s`", short)
		}
	}
}
