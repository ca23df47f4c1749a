package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/internal/scenario"
)

// config is what the flags say.
type config struct {
	events     int
	shipments  int
	core       bool
	seed       uint64
	duplicates float64
	late       float64

	rounds      int
	workers     int
	batchEvents int
	oracle      bool
	arms        []string
	poison      int

	watermillEvents int
	batchedEvents   int

	kill        bool
	latency     time.Duration
	latencyRate float64

	brokers    string
	kafka      bool
	statements bool
	profile    string
	dir        string
	timeout    time.Duration
}

func parse(args []string) (*config, error) {
	var c config
	f := flag.NewFlagSet("projector", flag.ContinueOnError)
	f.IntVar(&c.events, "events", 1_000_000, "how many events")
	f.IntVar(&c.shipments, "shipments", 100_000, "how many shipments may be under way at once: the more, the fewer events of a batch share one")
	f.BoolVar(&c.core, "core", false, "leave out whatever an order and its parcels can do without, instead of the full vocabulary")
	f.Uint64Var(&c.seed, "seed", 1, "of the simulated histories")
	f.Float64Var(&c.duplicates, "duplicates", 0.01, "share of events that are published twice")
	f.Float64Var(&c.late, "late", 0.005, "share of scans that come one to three days late")
	f.IntVar(&c.poison, "poison", 5, "how many records that are no events lie among them")
	f.IntVar(&c.rounds, "rounds", 5, "how often every arm runs; the figures are medians")
	f.IntVar(&c.workers, "workers", 2, "workers of every arm")
	f.IntVar(&c.batchEvents, "batch-events", 5000, "most events of a batch")
	f.BoolVar(&c.oracle, "oracle", true, "count wrong rows against a fold by a single thread")
	f.BoolVar(&c.kill, "kill", true, "run the pipeline once more, kill -9 it in the middle, and go on")
	f.DurationVar(&c.latency, "latency", 20*time.Second, "how long to measure from publishing to commit in thin traffic; 0: not at all")
	f.Float64Var(&c.latencyRate, "latency-rate", 1000, "events per second of that")
	f.IntVar(&c.watermillEvents, "watermill-events", 20_000, "how many of the events the arm watermill gets, which takes them one by one")
	f.IntVar(&c.batchedEvents, "watermill-batched-events", 200_000, "how many the arms get that batch by hand")
	armList := f.String("arms", "pipeline,rebuild,sql,copy,watermill,watermill-batched,watermill-early",
		"which arms to run; sql repeats the batches of the pipeline, rebuild its timeline")
	f.StringVar(&c.brokers, "brokers", "", "`HOST:PORT,...` of a Kafka to use; it gets two topics of its own, which stay")
	f.BoolVar(&c.kafka, "kafka", false, "start one node of Apache Kafka with scripts/kafka instead of the embedded broker")
	f.BoolVar(&c.statements, "statements", false, "list the database's time by statement (pg_stat_statements; costs some)")
	f.StringVar(&c.profile, "profile", "", "`FILE` for a processor profile of the pipeline's last round")
	f.StringVar(&c.dir, "dir", "", "where the private Postgres is made; defaults to a temporary directory")
	f.DurationVar(&c.timeout, "timeout", 75*time.Minute, "end of the run, come what may")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	c.arms = strings.Split(*armList, ",")
	return &c, c.check(f.Args())
}

func (c *config) check(rest []string) error {
	var all []error
	if len(rest) > 0 {
		all = append(all, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	for name, n := range map[string]int{"events": c.events, "shipments": c.shipments, "rounds": c.rounds, "workers": c.workers, "batch-events": c.batchEvents,
		"watermill-events": c.watermillEvents, "watermill-batched-events": c.batchedEvents} {
		if n < 1 {
			all = append(all, fmt.Errorf("-%s: %d is less than 1", name, n))
		}
	}
	for _, arm := range c.arms {
		if arm != rebuilding && !slices.Contains(orders[0], arm) {
			all = append(all, fmt.Errorf("-arms: there is no arm %q", arm))
		}
	}
	for _, arm := range []string{"sql", "rebuild"} {
		if slices.Contains(c.arms, arm) && !slices.Contains(c.arms, "pipeline") {
			all = append(all, fmt.Errorf("-arms: %s needs the pipeline, of which it repeats what it can", arm))
		}
	}
	if c.poison < 0 || c.latency < 0 || !(c.latencyRate > 0) {
		all = append(all, errors.New("-poison, -latency: less than 0, or -latency-rate: not above"))
	}
	if c.kafka && c.brokers != "" {
		all = append(all, errors.New("-kafka and -brokers exclude each other"))
	}
	return errors.Join(all...)
}

// What an average order is like; the number of shipments under way follows from
// it and need not be exact.
const (
	shipmentsPerOrder = 1.2
	shipmentLife      = 100 * time.Hour
)

// story is which histories are told.
func (c *config) story() scenario.Config {
	rates := scenario.DefaultRates()
	rates.Resend, rates.Copy, rates.Late, rates.Reorder = c.duplicates, 0, c.late, 0
	s := scenario.Config{
		Seed: c.seed, Tenant: "bench", Rates: rates, Vocabulary: scenario.Full,
		Every: max(time.Millisecond, time.Duration(float64(shipmentLife)*shipmentsPerOrder/float64(c.shipments))),
	}
	if c.core {
		s.Vocabulary = scenario.Core
	}
	return s
}

// eventsOf is how many events an arm gets.
func (c *config) eventsOf(arm string) int {
	switch arm {
	case "watermill":
		return min(c.events, c.watermillEvents)
	case "watermill-batched", "watermill-early":
		return min(c.events, c.batchedEvents)
	}
	return c.events
}

// overwrites says whether an arm writes statuses only, the last one wins.
func overwrites(arm string) bool { return strings.HasPrefix(arm, "watermill") }

func (c *config) brokerList() []string { return strings.Split(c.brokers, ",") }
