package scenario_test

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

func generator(t testing.TB, cfg scenario.Config) *scenario.Generator {
	t.Helper()
	g, err := scenario.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return g
}

func encode(t testing.TB, e events.Event) events.Message {
	t.Helper()
	m, err := events.Encode(e)
	if err != nil {
		t.Fatalf("Encode(%s %s): %v", e.Type(), e.ID, err)
	}
	return m
}

// wire is everything that a record carries.
func wire(t testing.TB, e events.Event) []byte {
	m := encode(t, e)
	doc := slices.Concat(m.Key, []byte{'\n'}, m.Value, []byte{'\n'})
	for _, h := range m.Headers {
		doc = fmt.Appendf(doc, "%s=%s\n", h.Key, h.Value)
	}
	return doc
}

// identity is what tells two events apart.
type identity struct {
	stream events.Stream
	source events.Source
	id     events.EventID
}

func identityOf(e events.Event) identity { return identity{e.Stream(), e.Source, e.ID} }

func TestTheSameSeedTellsTheSameBytes(t *testing.T) {
	cfg := scenario.Config{Seed: 42, Orders: 100, Rates: scenario.DefaultRates()}
	var runs [3][]byte
	for i := range runs {
		if i == 2 {
			cfg.Seed = 43
		}
		for e := range generator(t, cfg).Events() {
			runs[i] = append(runs[i], wire(t, e)...)
		}
	}
	if !bytes.Equal(runs[0], runs[1]) {
		t.Error("two runs of one seed differ")
	}
	if bytes.Equal(runs[0], runs[2]) {
		t.Error("two seeds tell the same")
	}
}

func TestSeedsShareNoIdentity(t *testing.T) {
	seen := map[identity]bool{}
	for seed := range uint64(20) {
		mine := map[identity]bool{}
		for e := range generator(t, scenario.Config{Seed: seed, Orders: 40, Rates: scenario.DefaultRates()}).Events() {
			id := identityOf(e)
			if seen[id] {
				t.Fatalf("seed %d tells %v, as another seed does", seed, id)
			}
			mine[id] = true
		}
		maps.Copy(seen, mine)
	}
}

func TestEveryTypeOfTheVocabularyAppears(t *testing.T) {
	got := map[events.Type]bool{}
	for e := range generator(t, scenario.Config{Seed: 1, Orders: 3000, Rates: scenario.DefaultRates()}).Events() {
		got[e.Type()] = true
	}
	if diff := cmp.Diff(events.Types(), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

func TestCoreLeavesTheRestOut(t *testing.T) {
	got := map[events.Type]bool{}
	cfg := scenario.Config{Seed: 1, Orders: 2000, Rates: scenario.DefaultRates(), Vocabulary: scenario.Core}
	for e := range generator(t, cfg).Events() {
		got[e.Type()] = true
	}
	want := []events.Type{
		"order.cancelled.v1", "order.confirmed.v1", "order.placed.v1",
		"shipment.arrived.v1", "shipment.created.v1", "shipment.delivered.v1", "shipment.delivery_attempted.v1",
		"shipment.departed.v1", "shipment.eta_changed.v1", "shipment.exception_opened.v1", "shipment.exception_resolved.v1",
		"shipment.out_for_delivery.v1", "shipment.picked_up.v1", "shipment.tracking_assigned.v1",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

// Whatever is told can be written and read, and says the same afterwards.
func TestEveryEventSurvivesTheCodec(t *testing.T) {
	for _, vocabulary := range []scenario.Vocabulary{scenario.Full, scenario.Core} {
		rates := scenario.DefaultRates()
		rates.Skew = 0.05
		g := generator(t, scenario.Config{Seed: 7, Rates: rates, Vocabulary: vocabulary})
		for i := range 250 {
			for _, e := range g.Order(i) {
				m := encode(t, e)
				back, err := events.Decode(m)
				if err != nil {
					t.Fatalf("Decode(%s): %v", m.Value, err)
				}
				if got, want := wire(t, back), wire(t, e); !bytes.Equal(got, want) {
					t.Fatalf("order %d: read back\n%s\nwant\n%s", i, got, want)
				}
			}
		}
	}
}

func TestOneIdentitySaysOneThing(t *testing.T) {
	said := map[identity][]byte{}
	again := 0
	for e := range generator(t, scenario.Config{Seed: 3, Orders: 500, Rates: scenario.DefaultRates()}).Events() {
		doc := wire(t, e)
		if first, ok := said[identityOf(e)]; ok {
			again++
			if !bytes.Equal(first, doc) {
				t.Fatalf("%v says\n%s\nand\n%s", identityOf(e), first, doc)
			}
		}
		said[identityOf(e)] = doc
	}
	if again == 0 {
		t.Error("nothing arrived twice, so nothing was checked")
	}
}

// An order alone is told as it is told among the others.
func TestAnOrderAloneIsItsPartOfTheWhole(t *testing.T) {
	cfg := scenario.Config{Seed: 5, Orders: 60, Rates: scenario.DefaultRates()}
	cfg.Rates.Shared, cfg.Rates.Relink = 0.2, 0.2
	g := generator(t, cfg)
	whole := map[identity][]byte{}
	for e := range g.Events() {
		whole[identityOf(e)] = wire(t, e)
	}
	parts := map[identity][]byte{}
	for i := range cfg.Orders {
		own := g.Order(i)
		if len(own) == 0 {
			t.Fatalf("Order(%d) is empty", i)
		}
		for _, e := range own {
			parts[identityOf(e)] = wire(t, e)
		}
	}
	if diff := cmp.Diff(whole, parts); diff != "" {
		t.Errorf("the whole and its parts (-whole +parts):\n%.2000s", diff)
	}
	if got := g.Order(cfg.Orders); got != nil {
		t.Errorf("Order(%d) of %d tells %d events", cfg.Orders, cfg.Orders, len(got))
	}
	if got, want := len(scenario.Order(5, 1)), 2; got < want {
		t.Errorf("Order(5, 1) tells %d events, want at least %d", got, want)
	}
}

func TestHistoriesWithoutNoiseArriveAsTheyAreKnown(t *testing.T) {
	var last time.Time
	seen := map[identity]bool{}
	for e := range generator(t, scenario.Config{Seed: 9, Orders: 500}).Events() {
		if e.IngestedAt.Before(last) {
			t.Fatalf("%s arrives at %s, after one of %s", e.ID, e.IngestedAt, last)
		}
		last = e.IngestedAt
		if seen[identityOf(e)] {
			t.Fatalf("%v arrives twice", identityOf(e))
		}
		seen[identityOf(e)] = true
		if e.RecordedAt.Before(e.Time) || e.IngestedAt.Before(e.RecordedAt) {
			t.Fatalf("%s %s: happened %s, recorded %s, ingested %s", e.Type(), e.ID, e.Time, e.RecordedAt, e.IngestedAt)
		}
	}
}

func TestEveryParcelEnds(t *testing.T) {
	g := generator(t, scenario.Config{Seed: 11, Rates: scenario.DefaultRates()})
	for i := range 3000 {
		b := newBoard()
		for _, e := range g.Order(i) {
			b.see(e)
		}
		if b.open() > 0 {
			t.Errorf("order %d: nothing ends %v", i, b.left)
		}
	}
}

func TestAnOrderIsOrdinary(t *testing.T) {
	var n, size, ships int
	cfg := scenario.Config{Seed: 1, Orders: 500, Rates: scenario.DefaultRates(), Vocabulary: scenario.Core}
	for e := range generator(t, cfg).Events() {
		m := encode(t, e)
		n++
		size += len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			size += len(h.Key) + len(h.Value) + 2
		}
		if e.Type() == events.TypeShipmentCreated {
			ships++
		}
	}
	t.Logf("%d events, %d bytes each, %.1f per shipment", n, size/n, float64(n)/float64(ships))
	if mean := size / n; mean < 500 || mean > 700 {
		t.Errorf("an event has %d bytes on average, want about 600", mean)
	}
	if per := float64(n) / float64(ships); per < 9 || per > 13 {
		t.Errorf("%.1f events per shipment, want about 10", per)
	}
}

// Orders that are done with are forgotten.
func TestMemoryStaysFlat(t *testing.T) {
	g := generator(t, scenario.Config{Seed: 2, Rates: scenario.DefaultRates()})
	const every, rounds = 60_000, 5
	var heaps []uint64
	n := 0
	for range g.Events() {
		if n++; n%every == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			heaps = append(heaps, m.HeapAlloc>>20)
		}
		if n == every*rounds {
			break
		}
	}
	t.Logf("MiB in use: %v", heaps)
	if last := heaps[rounds-1]; last > 100 || last > heaps[1]+20 {
		t.Errorf("memory grows with the number of orders, or is above 100 MiB: %v", heaps)
	}
}

func TestConfigNamesEveryProblem(t *testing.T) {
	rates := scenario.DefaultRates()
	rates.Late, rates.Copy = -0.1, 1.5
	_, err := scenario.New(scenario.Config{Orders: -1, Every: -time.Second, Prefix: strings.Repeat("x", 17), Rates: rates})
	if err == nil {
		t.Fatal("New accepts it")
	}
	for _, want := range []string{"orders", "every", "prefix", "Late", "Copy"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want a word on %s", err, want)
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	for name, v := range map[string]scenario.Vocabulary{"full": scenario.Full, "core": scenario.Core} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			g := generator(b, scenario.Config{Seed: 1, Rates: scenario.DefaultRates(), Vocabulary: v})
			n := 0
			for range g.Events() {
				if n++; n >= b.N {
					break
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
