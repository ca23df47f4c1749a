package events_test

import (
	"bytes"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
)

// longest is far above what the longest record takes, under the race detector
// and on a busy machine.
const longest = 2 * time.Second

func FuzzDecode(f *testing.F) {
	for _, bad := range badBodies() {
		if len(bad.body) > 8<<10 {
			continue // the tables try the large ones; the fuzzer would only carry them
		}
		f.Add([]byte("acme|o-1"), []byte(bad.body), string(bad.typ), true)
		f.Add([]byte("acme|o-1"), []byte(bad.body), "", false)
	}
	for _, typ := range events.Types() {
		m, err := events.Encode(sampleEvent(f, typ))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Key, m.Value, string(typ), true)
		doc, err := json.Marshal(sampleEvent(f, typ))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Key, doc, "", false)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, typ string, binary bool) {
		m := structured(key, value)
		if binary {
			m = record(t, events.Type(typ), value)
			m.Key = key
		}
		began := time.Now()
		e, err := events.Decode(m)
		if took := time.Since(began); took > longest {
			t.Errorf("Decode of %d bytes took %s", len(value), took)
		}
		if err != nil {
			if events.CodeOf(err) == "" {
				t.Errorf("Decode = %v, want an events.Error", err)
			}
			return
		}
		checkAccepted(t, e)
	})
}

// checkAccepted holds an accepted event against everything that is promised of
// one.
func checkAccepted(t *testing.T, e events.Event) {
	t.Helper()
	first, err := events.Encode(e)
	if err != nil {
		t.Fatalf("Encode of an accepted event: %v", err)
	}
	again, err := events.Decode(first)
	if err != nil {
		t.Fatalf("Decode of an encoded event: %v", err)
	}
	if diff := sameEvent(e, again); diff != "" {
		t.Errorf("encoded and decoded (-first +again):\n%s", diff)
	}
	second, err := events.Encode(again)
	if err != nil || !bytes.Equal(first.Value, second.Value) || !bytes.Equal(first.Key, second.Key) {
		t.Errorf("Encode gives %q|%q, then %q|%q (%v)", first.Key, first.Value, second.Key, second.Value, err)
	}
	if !utf8.Valid(first.Value) || bytes.Contains(first.Value, []byte{0}) {
		t.Errorf("the body is no text that Postgres takes: %q", first.Value)
	}

	e.Body = nil // as the Go type says it
	typed, err := events.Encode(e)
	if err != nil {
		t.Fatalf("Encode by the Go type: %v", err)
	}
	fromType, err := events.Decode(typed)
	if err != nil {
		t.Fatalf("Decode of what the Go type says: %v", err)
	}
	if diff := sameEvent(e, fromType); diff != "" {
		t.Errorf("through the Go type (-first +again):\n%s", diff)
	}
	if err := schema(t, string(e.Type())).Validate(tree(t, first.Value)); err != nil {
		t.Errorf("Go accepts what the schema refuses: %v\n%s", err, first.Value)
	}
	if _, err := again.ContentHash(); err != nil {
		t.Errorf("ContentHash of an accepted event: %v", err)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, typ := range []events.Type{events.TypeDeparted, events.TypeOrderPlaced} {
		m, err := events.Encode(sampleEvent(b, typ))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(typ), func(b *testing.B) {
			b.SetBytes(int64(len(m.Value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := events.Decode(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
