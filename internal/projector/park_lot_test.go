package projector_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
)

// lot is a store in memory in which records wait.
type lot struct {
	*memory
	parked   map[projector.ParkedKey]int64
	waiting  []projector.Record
	conflict string // the id of an event that is another one than the stored
}

func newLot() *lot { return &lot{memory: newMemory(), parked: map[projector.ParkedKey]int64{}} }

func (l *lot) Claim(ctx context.Context, owner, cluster string, parts []projector.Partition) (map[projector.Partition]projector.Claim, error) {
	claims, err := l.memory.Claim(ctx, owner, cluster, parts)
	for part, c := range claims {
		c.Parked = map[string]int64{}
		for k, head := range l.parked {
			if k.Partition == part {
				c.Parked[k.Key] = head
			}
		}
		claims[part] = c
	}
	return claims, err
}

func (l *lot) Apply(ctx context.Context, b projector.Batch) (projector.Applied, error) {
	parks := map[projector.ParkedKey]int64{}
	for _, p := range b.Poison {
		if p.Parks {
			parks[projector.ParkedKey{Partition: p.Partition, Key: string(p.Key)}] = p.Offset
		}
	}
	for _, p := range b.Parked {
		k := projector.ParkedKey{Partition: p.Partition, Key: string(p.Key)}
		_, before := l.parked[k]
		if _, now := parks[k]; !before && !now {
			return projector.Applied{}, &projector.UnparkedError{Keys: []projector.ParkedKey{k}}
		}
	}
	for _, e := range b.Events {
		if string(e.ID) == l.conflict && b.Park.Covers(e.Record) {
			return projector.Applied{}, &projector.ConflictError{Poison: []projector.Poison{{Record: *e.Record, Code: "id_conflict"}}}
		}
	}
	applied, err := l.memory.Apply(ctx, b)
	if err != nil {
		return applied, err
	}
	for k, head := range parks {
		if _, known := l.parked[k]; known {
			return applied, fmt.Errorf("%v is parked already", k)
		}
		l.parked[k] = head
	}
	for _, p := range b.Parked {
		l.waiting = append(l.waiting, p.Record)
	}
	return applied, nil
}

// offsets of records, by partition.
func offsets(records []projector.Record) string {
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf("%d@%d", r.Partition.ID, r.Offset))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (l *lot) letters() string {
	var all []projector.Record
	for _, p := range l.poison {
		all = append(all, p.Record)
	}
	return offsets(all)
}

// of makes a message about an order.
func of(t testing.TB, order, id string) events.Message {
	t.Helper()
	e := events.New("t", "urn:test", events.EventID(id), order, &events.OrderConfirmed{
		OrderFact: events.OrderFact{OrderID: events.OrderID(order), Fact: events.Fact{OccurredAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
	})
	m, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// broken is a message about an order that nobody can read.
func broken(t testing.TB, order string) events.Message {
	m := of(t, order, "broken")
	m.Value = []byte("{")
	return m
}

// live runs a projector on the store until it has nothing left to do.
func (l *lot) live(t *testing.T, b *broker, park string, reg prometheus.Registerer) {
	t.Helper()
	var cfg projector.Config
	if err := cfg.Park.UnmarshalText([]byte(park)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg.Owner, cfg.Metrics = "test", projector.NewMetrics(reg)
	done := make(chan error, 1)
	go func() { done <- projector.New(b, l, cfg, slog.New(slog.DiscardHandler)).Run(ctx) }()
	synctest.Wait()
	stop()
	if err := <-done; err != nil {
		t.Fatalf("Run = %v", err)
	}
}

// holds fails the test unless just these are letters, wait and were applied.
func (l *lot) holds(t *testing.T, letters, waiting string, applied ...string) {
	t.Helper()
	if got := l.letters(); got != letters {
		t.Errorf("dead letters %q, want %q", got, letters)
	}
	if got := offsets(l.waiting); got != waiting {
		t.Errorf("waiting %q, want %q", got, waiting)
	}
	if diff := cmp.Diff(applied, l.ids()); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
}
