package main

import (
	"fmt"
	"io"
	"math"

	"github.com/waybill-io/waybill/bench/internal/report"
)

// figures are the medians of an arm, of an event.
type figures struct {
	Ns       float64 `json:"ns"`
	Allocs   float64 `json:"allocs"`
	Bytes    float64 `json:"bytes"`
	ToDecode float64 `json:"ratio_decode"` // of times, median of the ratios within the rounds
	ToNaive  float64 `json:"ratio_last_status_wins"`
}

// result is the last line.
type result struct {
	Apply     figures `json:"apply"`
	Refold    figures `json:"refold_of_40"`
	FoldOrder figures `json:"fold_order"`
	Decode    figures `json:"decode"`
	Hash      figures `json:"content_hash"`
	Naive     figures `json:"last_status_wins"`

	Events        int               `json:"events"`
	FactsPerOrder float64           `json:"facts_per_order"`
	Orders        int               `json:"orders"`
	Shipments     int               `json:"shipments"`
	Applies       int               `json:"facts_applied"`
	Rounds        int               `json:"rounds"`
	Conditions    report.Conditions `json:"conditions"`
}

func newResult(cfg config, l *load, taken map[string][]cost, c report.Conditions) result {
	of := func(name string) figures { return figuresOf(taken[name], taken[decode], taken[lastWins]) }
	facts := 0
	for _, o := range l.orders {
		facts += len(o.facts)
	}
	return result{
		Apply: of(applyOne), Refold: of(refold), FoldOrder: of(foldOrder), Decode: of(decode), Hash: of(hashing), Naive: of(lastWins),
		Events: len(l.messages), FactsPerOrder: round(float64(facts) / float64(len(l.orders))), Orders: len(l.orders), Shipments: len(l.ships),
		Applies: l.applies, Rounds: cfg.rounds, Conditions: c,
	}
}

// figuresOf takes ratios within the rounds: what disturbs the machine for a
// while disturbs both.
func figuresOf(its, decoded, naive []cost) figures {
	median := func(of func(i int) float64) float64 {
		all := make([]float64, len(its))
		for i := range its {
			all[i] = of(i)
		}
		return round(report.Median(all))
	}
	return figures{
		Ns:       median(func(i int) float64 { return its[i].ns }),
		Allocs:   median(func(i int) float64 { return its[i].allocs }),
		Bytes:    median(func(i int) float64 { return its[i].bytes }),
		ToDecode: median(func(i int) float64 { return its[i].ns / decoded[i].ns }),
		ToNaive:  median(func(i int) float64 { return its[i].ns / naive[i].ns }),
	}
}

func round(v float64) float64 { return math.Round(v*1e3) / 1e3 }

// table prints the arms side by side.
func (r *result) table(out io.Writer, arms []arm) {
	by := map[string]figures{decode: r.Decode, hashing: r.Hash, lastWins: r.Naive, applyOne: r.Apply, refold: r.Refold, foldOrder: r.FoldOrder}
	fmt.Fprintf(out, "\n%-18s %10s %8s %8s %10s %10s\n", "per event", "ns", "allocs", "bytes", "to decode", "to naive")
	for _, a := range arms {
		f := by[a.name]
		fmt.Fprintf(out, "%-18s %10.0f %8.1f %8.0f %10.2f %10.1f\n", a.name, f.Ns, f.Allocs, f.Bytes, f.ToDecode, f.ToNaive)
	}
}
