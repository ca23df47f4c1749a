package events_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/events"
)

// sampleEvent is an event of the type that has everything an event can have.
func sampleEvent(tb testing.TB, typ events.Type) events.Event {
	tb.Helper()
	d := fullSample(tb, typ)
	subject := "s-1"
	for _, name := range []string{"order_id", "shipment_id"} {
		if id, ok := object(tb, d)[name].(string); ok {
			subject = id
		}
	}
	e := events.New("acme", "urn:acme:test", "evt-1", subject, d)
	e.RecordedAt = e.Time.Add(time.Minute)
	e.IngestedAt = e.Time.Add(time.Minute + 250*time.Millisecond)
	e.CorrelationID, e.CausationID, e.TraceParent, e.DataSchema = "corr", "cause", "trace", "urn:schema"
	return e
}

// sameEvent compares what events say, not the text that their data had.
func sameEvent(a, b events.Event) string {
	return cmp.Diff(a, b, cmpopts.IgnoreFields(events.Event{}, "Body"), cmpopts.EquateEmpty())
}

func TestEveryTypeSurvivesBothModes(t *testing.T) {
	t.Parallel()
	eachType(t, func(t *testing.T, typ events.Type) {
		want := sampleEvent(t, typ)
		m, err := events.Encode(want)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		got, err := events.Decode(m)
		if err != nil {
			t.Fatalf("Decode in binary mode: %v", err)
		}
		if diff := sameEvent(want, got); diff != "" {
			t.Errorf("binary mode (-want +got):\n%s", diff)
		}

		doc, err := json.Marshal(want)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		if err := schema(t, "envelope").Validate(tree(t, doc)); err != nil {
			t.Errorf("structured mode %s breaks the schema: %v", doc, err)
		}
		got, err = events.Decode(structured(m.Key, doc))
		if err != nil {
			t.Fatalf("Decode in structured mode: %v", err)
		}
		if diff := sameEvent(want, got); diff != "" {
			t.Errorf("structured mode (-want +got):\n%s", diff)
		}
	})
}

func structured(key, doc []byte) events.Message {
	return events.Message{Key: key, Value: doc, Headers: []events.Header{
		{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")},
	}}
}

func TestEnvelopeExamplesParse(t *testing.T) {
	for i, example := range schema(t, "envelope").Examples {
		if err := schema(t, "envelope").Validate(example); err != nil {
			t.Errorf("example %d breaks its own schema: %v", i, err)
		}
		e, err := events.Parse(text(t, example), time.Time{})
		if err != nil {
			t.Errorf("example %d: Parse: %v", i, err)
			continue
		}
		if _, err := json.Marshal(e); err != nil {
			t.Errorf("example %d: Marshal: %v", i, err)
		}
	}
}

// The envelope's schema and Parse give the same verdict, whatever happens to an
// event.
func TestParseAndSchemaGiveTheSameVerdict(t *testing.T) {
	s := schema(t, "envelope")
	for _, example := range s.Examples {
		for _, m := range mutations(example, "data") { // its fields have their own test
			doc := m.apply(example)
			_, inGo := events.Parse(text(t, doc), time.Time{})
			bySchema := s.Validate(doc)
			if (inGo == nil) == (bySchema == nil) || bySchema == nil && crossField(inGo) {
				continue
			}
			t.Errorf("%s: Parse says %v\nschema says %v\nof %s", m.name, inGo, bySchema, text(t, doc))
		}
	}
}

// crossField reports a refusal because two fields do not fit: no schema can say
// that.
func crossField(err error) bool {
	for _, what := range []string{"is another instant", "is not the event's subject"} {
		if strings.Contains(err.Error(), what) {
			return true
		}
	}
	return false
}

func TestSchemaKnowsEveryTypeByName(t *testing.T) {
	got := []events.Type{}
	for _, v := range schema(t, "envelope").Properties["type"].Enum.Values {
		got = append(got, events.Type(v.(string)))
	}
	if diff := cmp.Diff(events.Types(), got); diff != "" {
		t.Errorf("types in the envelope's schema (-Types +schema):\n%s", diff)
	}
}

func TestDecodeRefusesBadRecordsByName(t *testing.T) {
	good := func() events.Message { return record(t, events.TypePickedUp, []byte(`{"shipment_id":"s-1"}`)) }
	if _, err := events.Decode(good()); err != nil {
		t.Fatalf("the record that the cases change is bad itself: %v", err)
	}
	doc, err := json.Marshal(sampleEvent(t, events.TypePickedUp))
	if err != nil {
		t.Fatal(err)
	}
	header := func(key, value string) func(*events.Message) {
		return func(m *events.Message) {
			for i := range m.Headers {
				if m.Headers[i].Key == key {
					m.Headers[i].Value = []byte(value)
					return
				}
			}
			m.Headers = append(m.Headers, events.Header{Key: key, Value: []byte(value)})
		}
	}
	also := func(key, value string) func(*events.Message) {
		return func(m *events.Message) {
			m.Headers = append(m.Headers, events.Header{Key: key, Value: []byte(value)})
		}
	}
	subject := func(s string) func(*events.Message) {
		return func(m *events.Message) {
			m.Key, m.Value = []byte("acme|"+s), []byte(`{}`)
			header("ce_subject", s)(m)
		}
	}
	tests := []struct {
		name   string
		change func(*events.Message)
		want   events.Code
	}{
		{"tombstone", func(m *events.Message) { m.Value = nil }, events.CodeNullValue},
		{"empty value", func(m *events.Message) { m.Value = []byte{} }, events.CodeEmpty},
		{"no key", func(m *events.Message) { m.Key = nil }, events.CodeNullKey},
		{"empty key", func(m *events.Message) { m.Key = []byte{} }, events.CodeKeyMismatch},
		{"key of another order", func(m *events.Message) { m.Key = []byte("acme|s-2") }, events.CodeKeyMismatch},
		{"key of another tenant", func(m *events.Message) { m.Key = []byte("umbrella|s-1") }, events.CodeKeyMismatch},
		{"data of another shipment", func(m *events.Message) { m.Value = []byte(`{"shipment_id":"s-2"}`) }, events.CodeSchema},
		{"65 headers", func(m *events.Message) {
			for i := range 65 {
				also(fmt.Sprint("x-", i), "")(m)
			}
		}, events.CodeBadHeaders},
		{"10,000 headers", func(m *events.Message) { m.Headers = make([]events.Header, 10_000) }, events.CodeBadHeaders},
		{"1 MiB header", also("x-big", strings.Repeat("x", 1<<20)), events.CodeBadHeaders},
		{"17 KiB in names", also(strings.Repeat("x", 17<<10), ""), events.CodeBadHeaders},
		{"tenant twice", also("ce_tenantid", "umbrella"), events.CodeBadHeaders},
		{"tenant twice, once empty", func(m *events.Message) {
			m.Headers = append([]events.Header{{Key: "ce_tenantid"}}, m.Headers...)
		}, events.CodeBadHeaders},
		{"content type in two spellings", also("Content-Type", "application/json"), events.CodeBadHeaders},
		{"header that is no UTF-8", header("ce_correlationid", "a\xff"), events.CodeBadHeaders},
		{"header with NUL", header("ce_correlationid", "a\x00"), events.CodeBadHeaders},
		{"other CloudEvents version", header("ce_specversion", "0.3"), events.CodeBadHeaders},
		{"time without zone", header("ce_time", "2026-03-01T09:00:00"), events.CodeBadHeaders},
		{"time with a comma", header("ce_time", "2026-03-01T09:00:00,5Z"), events.CodeBadHeaders},
		{"no tenant", header("ce_tenantid", ""), events.CodeInvalidID},
		{"tenant with a bar", header("ce_tenantid", "acme|x"), events.CodeInvalidID},
		{"no source", header("ce_source", ""), events.CodeInvalidID},
		{"source with a space", header("ce_source", "urn: x"), events.CodeInvalidID},
		{"no id", header("ce_id", ""), events.CodeInvalidID},
		{"recorded in 1999", header("ce_recordedtime", "1999-01-01T00:00:00Z"), events.CodeSchema},
		{"ingested in 2200", header("ce_ingestedtime", "2200-01-01T00:00:00Z"), events.CodeSchema},
		{"endless correlation", header("ce_correlationid", strings.Repeat("x", 1025)), events.CodeSchema},
		{"no type", header("ce_type", ""), events.CodeUnknownType},
		{"no subject", subject(""), events.CodeInvalidID},
		{"number in lower case", subject("trk:CPCC:1z9"), events.CodeInvalidID},
		{"number without a carrier", subject("trk:1Z9"), events.CodeInvalidID},
		{"number with a hyphen", subject("trk:CPCC:1Z-9"), events.CodeInvalidID},
		{"tenants differ", func(m *events.Message) {
			*m = structured(m.Key, doc)
			also("ce_tenantid", "umbrella")(m)
		}, events.CodeTenant},
		{"structured without a value", func(m *events.Message) { *m = structured(m.Key, []byte(`{}`)) }, events.CodeSchema},
		{"structured with an unknown attribute", func(m *events.Message) {
			*m = structured(m.Key, bytes.Replace(doc, []byte(`{`), []byte(`{"surprise":1,`), 1))
		}, events.CodeUnknownField},
		{"an order that is called like a number", func(m *events.Message) {
			*m = record(t, events.TypeOrderConfirmed, []byte(`{"order_id":"trk:CPCC:1Z9"}`))
		}, events.CodeInvalidID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := good()
			tt.change(&m)
			if _, err := events.Decode(m); events.CodeOf(err) != tt.want {
				t.Errorf("Decode = %v, want code %s", err, tt.want)
			}
		})
	}
}

// A record's timestamp counts only where no door has stamped the event, and one
// that nothing can have says nothing.
func TestIngestedTimeComesFromTheDoorThenTheLog(t *testing.T) {
	recorded := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	logged := recorded.Add(5 * time.Second)
	tests := []struct {
		name   string
		header string
		log    time.Time
		want   time.Time
	}{
		{"the door's stamp", "2026-03-01T09:00:01Z", logged, recorded.Add(time.Second)},
		{"the log's timestamp", "", logged, logged},
		{"no timestamp", "", time.Time{}, recorded},
		{"timestamp -1", "", time.UnixMilli(-1), recorded},
		{"timestamp in the year 9999", "", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), recorded},
	}
	for _, tt := range tests {
		m := record(t, events.TypePickedUp, []byte(`{}`))
		m.Time = tt.log
		if tt.header != "" {
			m.Headers = append(m.Headers, events.Header{Key: "ce_ingestedtime", Value: []byte(tt.header)})
		}
		e, err := events.Decode(m)
		if err != nil {
			t.Fatalf("%s: Decode: %v", tt.name, err)
		}
		if !e.IngestedAt.Equal(tt.want) {
			t.Errorf("%s: IngestedAt = %s, want %s", tt.name, e.IngestedAt, tt.want)
		}
	}
}

// Encode refuses what Decode would refuse.
func TestEncodeRefusesWhatCannotBeRead(t *testing.T) {
	tests := []struct {
		name   string
		change func(*events.Event)
		want   events.Code
	}{
		{"no data", func(e *events.Event) { e.Data = nil }, events.CodeSchema},
		{"NUL in data", func(e *events.Event) { e.Data.(*events.PickedUp).Facility = "a\x00" }, events.CodeControlChar},
		{"no UTF-8 in data", func(e *events.Event) { e.Data.(*events.PickedUp).Facility = "a\xff" }, events.CodeInvalidUTF8},
		{"NUL in an attribute", func(e *events.Event) { e.CorrelationID = "a\x00" }, events.CodeControlChar},
		{"no UTF-8 in an attribute", func(e *events.Event) { e.CausationID = "a\xff" }, events.CodeInvalidUTF8},
		{"other subject", func(e *events.Event) { e.Subject = "s-2" }, events.CodeSchema},
		{"other time", func(e *events.Event) { e.Time = e.Time.Add(time.Second) }, events.CodeSchema},
	}
	for _, tt := range tests {
		e := sampleEvent(t, events.TypePickedUp)
		tt.change(&e)
		if _, err := events.Encode(e); events.CodeOf(err) != tt.want {
			t.Errorf("%s: Encode = %v, want code %s", tt.name, err, tt.want)
		}
		if _, err := json.Marshal(e); err == nil {
			t.Errorf("%s: Marshal writes it", tt.name)
		}
	}
}

func TestTrackingSubjectsNameCarrierAndNumber(t *testing.T) {
	want := events.TrackingStreamOf("CPCC", "7035114477138472")
	e := events.New("acme", "urn:acme:cpcc", "evt-1", want.ID, &events.PickedUp{})
	e.Time = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	e.RecordedAt = e.Time
	if err := e.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	if got := e.Stream(); got != want {
		t.Errorf("Stream() = %v, want %v", got, want)
	}
	if carrier, number := e.Stream().Number(); carrier != "CPCC" || number != "7035114477138472" {
		t.Errorf("Number() = %s, %s", carrier, number)
	}
	if e.Key() != "acme|trk:CPCC:7035114477138472" || e.Stream().Topic() != events.ShipmentsTopic {
		t.Errorf("Key() = %s, topic %s", e.Key(), e.Stream().Topic())
	}
}
