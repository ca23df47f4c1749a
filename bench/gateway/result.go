package main

import (
	"fmt"
	"io"
	"math"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// result is the last line. Fields of arms that did not run are zero.
type result struct {
	FramesPerS    float64 `json:"frames_per_s"`
	HubFramesPerS float64 `json:"hub_frames_per_s"`
	RatioBareHub  float64 `json:"ratio_bare_hub"`
	FastP99       float64 `json:"fast_p99_ms"`
	HubFastP99    float64 `json:"hub_fast_p99_ms"`

	// The hub when nobody waits but for room in its queues.
	HeapedFramesPerS float64 `json:"hub_heaped_frames_per_s"`
	HeapedCPU        float64 `json:"hub_heaped_cpu_s_per_million"`
	HeapedP99        float64 `json:"hub_heaped_p99_ms"`

	// At the pace of Paced frames a second.
	Paced  float64 `json:"paced_frames_per_s"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	HubP99 float64 `json:"hub_p99_ms"`

	// Seconds of the server's processor per million frames, as fast as it goes
	// and at the pace.
	CPU           float64 `json:"cpu_s_per_million"`
	HubCPU        float64 `json:"hub_cpu_s_per_million"`
	CPURatio      float64 `json:"cpu_ratio_bare_hub"`
	CPUPaced      float64 `json:"cpu_s_per_million_paced"`
	HubCPUPaced   float64 `json:"hub_cpu_s_per_million_paced"`
	CPUPacedRatio float64 `json:"cpu_ratio_bare_hub_paced"`
	FrameBytes    float64 `json:"frame_bytes"`

	IdleConnKiB    float64 `json:"idle_conn_kib"`
	HubIdleConnKiB float64 `json:"hub_idle_conn_kib"`

	SlowP99      float64 `json:"slow_p99_ms"`
	SlowAloneP99 float64 `json:"slow_alone_p99_ms"`
	SlowRatio    float64 `json:"slow_p99_ratio"`

	StormLive      float64 `json:"storm_live_s"`
	StormSnapshots int64   `json:"storm_snapshot_queries"`
	StormResumed   int64   `json:"storm_resumed"`

	CommitP50   float64       `json:"commit_to_client_p50_ms"`
	CommitP99   float64       `json:"commit_to_client_p99_ms"`
	Commit      report.Spread `json:"commit_to_client"`
	CommitRate  float64       `json:"changes_per_s"`
	Compared    int           `json:"rows_compared"`
	GatewayCPU  float64       `json:"commit_gateway_cores"`
	PostgresCPU float64       `json:"commit_postgres_cores"`

	FlatFrom float64 `json:"flat_rss_mib_from"`
	FlatTo   float64 `json:"flat_rss_mib_to"`

	// Of all arms: frames whose p was not the position of their client, resets
	// and lost connections that nobody should have had, rows that differ from the
	// database in the end.
	Gaps      int64 `json:"gaps"`
	Resets    int64 `json:"resets"`
	Losses    int64 `json:"lost_connections"`
	WrongRows int   `json:"wrong_rows"`

	Conditions report.Conditions `json:"conditions"`
}

// to rounds a figure to so many digits behind the point.
func to(digits int, x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	f := math.Pow10(digits)
	return math.Round(x*f) / f
}

func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%-52s %12s %12s %8s\n", "", "gateway", "bare hub", "ratio")
	for _, l := range []struct {
		name            string
		ours, hub, rate float64
	}{
		{"frames/s, as fast as it goes", r.FramesPerS, r.HubFramesPerS, r.RatioBareHub},
		{"p99 of these, ms", r.FastP99, r.HubFastP99, to(2, r.FastP99/r.HubFastP99)},
		{"server's processor, s per million frames", r.CPU, r.HubCPU, r.CPURatio},
		{fmt.Sprintf("the same at %.0f frames/s", r.Paced), r.CPUPaced, r.HubCPUPaced, r.CPUPacedRatio},
		{fmt.Sprintf("p99 at %.0f frames/s, ms", r.Paced), r.P99, r.HubP99, to(2, r.P99/r.HubP99)},
		{"memory of an idle connection, KiB", r.IdleConnKiB, r.HubIdleConnKiB, to(2, r.IdleConnKiB/r.HubIdleConnKiB)},
		{"p99 beside slow clients and without, ms", r.SlowP99, r.SlowAloneP99, r.SlowRatio},
	} {
		fmt.Fprintf(w, "%-52s %12.2f %12.2f %8.2f\n", l.name, l.ours, l.hub, l.rate)
	}
	fmt.Fprintf(w, "the hub with full queues: %.0f frames/s, %.2f s per million, p99 %.1f ms\n", r.HeapedFramesPerS, r.HeapedCPU, r.HeapedP99)
	fmt.Fprintf(w, "storm: live again after %.2f s, %d snapshots read, %d resumed\n", r.StormLive, r.StormSnapshots, r.StormResumed)
	fmt.Fprintf(w, "commit to client at %.0f changes/s: p50 %.1f, p99 %.1f, max %.1f ms; %d rows compared, %d wrong\n",
		r.CommitRate, r.Commit.P50, r.Commit.P99, r.Commit.Max, r.Compared, r.WrongRows)
	fmt.Fprintf(w, "memory from %.1f to %.1f MiB; %d gaps, %d resets, %d lost connections\n", r.FlatFrom, r.FlatTo, r.Gaps, r.Resets, r.Losses)
}
