package events_test

import (
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
)

// fullSample returns data of the type with every field filled in, by
// reflection: a new field is in it without anybody's doing.
func fullSample(tb testing.TB, typ events.Type) events.Data {
	tb.Helper()
	d, err := events.NewData(typ)
	if err != nil {
		tb.Fatalf("NewData(%s): %v", typ, err)
	}
	f := &filler{}
	f.fill(reflect.ValueOf(d).Elem(), "")
	switch d := d.(type) {
	case *events.ShipmentCreated:
		d.ParcelID = "" // a shipment is created with its parcels
	case *events.ETAChanged:
		d.Class = events.Estimated
	}
	return d
}

// filler gives every id another value.
type filler struct{ n int }

func (f *filler) fill(v reflect.Value, name string) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))
		if name == "End" {
			*x = x.Add(8 * time.Hour)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i), name)
		}
	case reflect.String:
		v.SetString(f.text(v.Type(), name))
	case reflect.Int64:
		v.SetInt(2)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(fmt.Sprintf("no sample value for field %s of kind %s", name, v.Kind()))
	}
}

func (f *filler) text(t reflect.Type, name string) string {
	known := map[reflect.Type]string{
		reflect.TypeFor[events.Class]():          "ACT",
		reflect.TypeFor[events.TZSource]():       "zone_code",
		reflect.TypeFor[events.Precision]():      "minute",
		reflect.TypeFor[events.SCAC]():           "CPCC",
		reflect.TypeFor[events.TrackingNumber](): "7035114477138472",
		reflect.TypeFor[events.Decimal]():        "-12.345678",
		reflect.TypeFor[events.StreamKind]():     "order",
		reflect.TypeFor[events.Direction]():      "transfer",
		reflect.TypeFor[events.HandedTo]():       "neighbour",
		reflect.TypeFor[events.Party]():          "customs",
		reflect.TypeFor[events.CancelScope]():    "lines",
	}
	if s, ok := known[t]; ok {
		return s
	}
	switch name {
	case "Currency":
		return "EUR"
	case "Severity":
		return "critical"
	case "Provider":
		return "model"
	case "Reason":
		return "incorrect_data"
	}
	f.n++
	return "v:" + strconv.Itoa(f.n)
}

// minimalSample takes away from the full sample whatever the Go type can do
// without, one property after the other.
func minimalSample(tb testing.TB, typ events.Type) map[string]any {
	tb.Helper()
	least := object(tb, fullSample(tb, typ))
	for _, key := range keys(least) {
		kept := least[key]
		delete(least, key)
		if _, err := decodeData(tb, typ, text(tb, least)); err != nil {
			least[key] = kept
		}
	}
	return least
}

// object returns data as a JSON object.
func object(tb testing.TB, d events.Data) map[string]any {
	tb.Helper()
	doc, err := json.Marshal(d)
	if err != nil {
		tb.Fatalf("marshal %T: %v", d, err)
	}
	members, ok := tree(tb, doc).(map[string]any)
	if !ok {
		tb.Fatalf("%T is not a JSON object: %s", d, doc)
	}
	return members
}

// decodeData reads a body as data of an event that is otherwise in order: its
// subject and its time are what the body says, where the body says something.
func decodeData(tb testing.TB, typ events.Type, body []byte) (events.Event, error) {
	tb.Helper()
	return events.Decode(record(tb, typ, body))
}

// record is a binary-mode record with the body.
func record(tb testing.TB, typ events.Type, body []byte) events.Message {
	tb.Helper()
	var says struct {
		OrderID    any `json:"order_id"`
		ShipmentID any `json:"shipment_id"`
		OccurredAt any `json:"occurred_at"`
	}
	_ = json.Unmarshal(body, &says) // a body that is no object says nothing
	subject := "s-1"
	for _, id := range []any{says.ShipmentID, says.OrderID} {
		if s, ok := id.(string); ok && s != "" {
			subject = s
		}
	}
	at := "2026-03-01T09:00:00Z"
	if s, ok := says.OccurredAt.(string); ok && s != "" {
		if _, err := time.Parse(time.RFC3339, s); err == nil {
			at = s
		}
	}
	return events.Message{
		Key: []byte("acme|" + subject), Value: body, Time: time.Date(2026, 3, 1, 9, 0, 5, 0, time.UTC),
		Headers: []events.Header{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte("evt-1")},
			{Key: "ce_source", Value: []byte("urn:acme:test")},
			{Key: "ce_type", Value: []byte(typ)},
			{Key: "ce_subject", Value: []byte(subject)},
			{Key: "ce_tenantid", Value: []byte("acme")},
			{Key: "ce_time", Value: []byte(at)},
		},
	}
}
