package ingest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/ingest"
)

const olistFile = "../../../shared/data/olist/olist_orders_dataset.csv"

func olist(t testing.TB) ingest.CSV {
	t.Helper()
	m, err := ingest.LoadMapping("../../examples/olist.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return ingest.CSV{Mapping: m.WithTenant("demo"), Now: noon}
}

// realOrders is the file of real orders, which is not part of the repository.
func realOrders(t testing.TB) *ingest.File {
	t.Helper()
	if _, err := os.Stat(olistFile); errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the file of real orders is missing: %s", olistFile)
		}
		t.Skipf("the file of real orders is missing: %s", olistFile)
	}
	return &ingest.File{Name: olistFile}
}

const olistHead = `"order_id","customer_id","order_status","order_purchase_timestamp","order_approved_at","order_delivered_carrier_date","order_delivered_customer_date","order_estimated_delivery_date"` + "\n"

func TestOlistRowsBecomeEvents(t *testing.T) {
	o := intake(t, olist(t), ingest.IntakeConfig{Pipeline: ingest.PipelineConfig{Lanes: 1}}, file(t, "orders.csv", olistHead+
		// In the summer of São Paulo, with two hours to UTC; promised for its winter.
		`a1,"c1",delivered,2018-02-10 10:00:00,2018-02-10 10:30:00,2018-02-12 09:00:00,2018-02-20 21:25:13,2018-03-01 00:00:00`+"\n"+
		// Cancelled after the hand-over, before it was delivered.
		`b2,c2,canceled,2018-01-26 21:34:08,2018-01-26 21:58:39,2018-01-29 22:33:25,,2018-02-22 00:00:00`+"\n"+
		// Cancelled before it was approved.
		`d3,c3,canceled,2018-06-01 08:00:00,,,,2018-06-20 00:00:00`+"\n"))
	if o.err != nil {
		t.Fatalf("Run: %v %v", o.err, o.problems)
	}
	var got []string
	for _, e := range o.log {
		doc := string(e.Body)
		if e.Type() != events.TypeOrderPlaced && e.Type() != events.TypeShipmentCreated {
			doc = ""
		}
		got = append(got, strings.Join([]string{e.Key(), string(e.ID), string(e.Type()), e.OccurredAt().Format(time.RFC3339), doc}, " "))
	}
	want := []string{
		`demo|a1 a1-placed order.placed.v1 2018-02-10T10:00:00-02:00 {"occurred_at":"2018-02-10T10:00:00-02:00","tz_source":"location","order_id":"a1","number":"a1","channel":"olist","currency":"BRL","customer_ref":"c1","lines":[{"line_id":"1","qty":1}],"promised_window":{"end":"2018-03-01T00:00:00-03:00","time_precision":"day"}}`,
		`demo|a1 a1-confirmed order.confirmed.v1 2018-02-10T10:30:00-02:00 `,
		`demo|a1-1 a1-created shipment.created.v1 2018-02-12T09:00:00-02:00 {"occurred_at":"2018-02-12T09:00:00-02:00","tz_source":"location","shipment_id":"a1-1","direction":"outbound","parcels":[{"parcel_id":"1"}],"contents":[{"order_id":"a1","line_id":"1","qty":1,"parcel_id":"1"}]}`,
		`demo|a1-1 a1-picked-up shipment.picked_up.v1 2018-02-12T09:00:00-02:00 `,
		`demo|a1-1 a1-delivered shipment.delivered.v1 2018-02-20T21:25:13-03:00 `,
		`demo|b2 b2-placed order.placed.v1 2018-01-26T21:34:08-02:00 {"occurred_at":"2018-01-26T21:34:08-02:00","tz_source":"location","order_id":"b2","number":"b2","channel":"olist","currency":"BRL","customer_ref":"c2","lines":[{"line_id":"1","qty":1}],"promised_window":{"end":"2018-02-22T00:00:00-03:00","time_precision":"day"}}`,
		`demo|b2 b2-confirmed order.confirmed.v1 2018-01-26T21:58:39-02:00 `,
		`demo|b2-1 b2-created shipment.created.v1 2018-01-29T22:33:25-02:00 {"occurred_at":"2018-01-29T22:33:25-02:00","tz_source":"location","shipment_id":"b2-1","direction":"outbound","parcels":[{"parcel_id":"1"}],"contents":[{"order_id":"b2","line_id":"1","qty":1,"parcel_id":"1"}]}`,
		`demo|b2-1 b2-picked-up shipment.picked_up.v1 2018-01-29T22:33:25-02:00 `,
		`demo|b2 b2-cancelled order.cancelled.v1 2018-01-29T22:33:26-02:00 `,
		`demo|d3 d3-placed order.placed.v1 2018-06-01T08:00:00-03:00 {"occurred_at":"2018-06-01T08:00:00-03:00","tz_source":"location","order_id":"d3","number":"d3","channel":"olist","currency":"BRL","customer_ref":"c3","lines":[{"line_id":"1","qty":1}],"promised_window":{"end":"2018-06-20T00:00:00-03:00","time_precision":"day"}}`,
		`demo|d3 d3-cancelled order.cancelled.v1 2018-06-01T08:00:01-03:00 `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// date is the day in the offset given.
func date(t time.Time) string { return t.Format(time.DateOnly) }

func TestOlistFileHasWhatIsKnownOfIt(t *testing.T) {
	o := intake(t, olist(t), ingest.IntakeConfig{}, realOrders(t))
	if o.err != nil {
		t.Fatalf("Run: %v %v", o.err, o.problems)
	}
	types := map[events.Type]int{}
	promised, handed, delivered := map[string]time.Time{}, map[string]time.Time{}, map[string]time.Time{}
	orders := map[string]bool{}
	late, cancelledAfter, deliveredAnyway := 0, 0, 0
	for _, e := range o.log {
		types[e.Type()]++
		order := strings.TrimSuffix(e.Subject, "-1")
		switch d := e.Data.(type) {
		case *events.OrderPlaced:
			orders[order] = true
			promised[order] = d.PromisedWindow.End
		case *events.PickedUp:
			handed[order] = e.Time
		case *events.Delivered:
			delivered[order] = e.OccurredAt()
		}
	}
	for order, at := range delivered {
		if date(at) > date(promised[order]) {
			late++
		}
	}
	for _, e := range o.log {
		if e.Type() != events.TypeOrderCancelled {
			continue
		}
		if at, ok := handed[e.Subject]; ok && at.Before(e.Time) {
			cancelledAfter++
			if _, ok := delivered[e.Subject]; ok {
				deliveredAnyway++
			}
		}
	}
	want := map[events.Type]int{
		events.TypeOrderPlaced: 4071, events.TypeOrderConfirmed: 4063, events.TypeOrderCancelled: 20,
		events.TypeShipmentCreated: 4011, events.TypePickedUp: 4011, events.TypeDelivered: 3965,
	}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("events by type (-want +got):\n%s", diff)
	}
	got := []int{len(orders), len(delivered), late, cancelledAfter, deliveredAnyway, o.result.Published, o.result.Skipped}
	if diff := cmp.Diff([]int{4071, 3965, 274, 3, 1, 20141, 0}, got); diff != "" {
		t.Errorf("orders, delivered, late, cancelled after hand-over, of them delivered, published, skipped (-want +got):\n%s", diff)
	}
}

// said is everything that an event says, by its identity.
func said(t *testing.T, log []events.Event) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, e := range log {
		doc, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		all[string(e.Source)+" "+string(e.ID)+" "+e.Subject] = string(doc)
	}
	return all
}

// madeUp is a file like the real one.
func madeUp(t *testing.T, rows int) *ingest.File {
	var b strings.Builder
	b.WriteString(olistHead)
	for i := range rows {
		fmt.Fprintf(&b, "o%d,c%d,delivered,2018-02-10 10:00:00,2018-02-10 10:30:00,2018-02-12 09:00:00,2018-02-20 21:25:13,2018-03-01 00:00:00\n", i, i)
	}
	return file(t, "orders.csv", b.String())
}

func TestARunThatWasCutShortIsMadeGoodByAnother(t *testing.T) {
	f := madeUp(t, 400)
	cfg := ingest.IntakeConfig{Pipeline: ingest.PipelineConfig{Batch: 50}}
	whole := intake(t, olist(t), cfg, f)
	if whole.err != nil {
		t.Fatal(whole.err)
	}
	cut := &recorder{}
	dead := errors.New("killed")
	cut.refuse = func([]events.Event) error {
		if len(cut.log) > 700 {
			return dead
		}
		return nil
	}
	result, err := ingest.NewIntake(olist(t), cut, cfg).Run(t.Context(), []*ingest.File{{Name: f.Name}})
	if !errors.Is(err, dead) {
		t.Fatalf("the run ended with %v", err)
	}
	if result.Published != len(cut.log) {
		t.Errorf("%d events are counted as published, %d are in the log", result.Published, len(cut.log))
	}
	again := intake(t, olist(t), cfg, f)
	if again.err != nil {
		t.Fatal(again.err)
	}
	want := said(t, whole.log)
	both := said(t, cut.log)
	for id, doc := range both {
		if want[id] != doc {
			t.Fatalf("%s: the cut run says\n%s\nthe whole one\n%s", id, doc, want[id])
		}
	}
	maps.Copy(both, said(t, again.log))
	if len(want) != 2000 {
		t.Errorf("the file has %d events, want 2,000", len(want))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(both))); diff != "" {
		t.Errorf("events of one run, and of two (-one +two):\n%.2000s", diff)
	}
}
