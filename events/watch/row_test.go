package watch_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/events/watch"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/schemas"
)

// What is published of a row has a field; of an entry, what the read API has.
func TestRowsHaveEveryPublishedField(t *testing.T) {
	text, err := schemas.WS.ReadFile("ws/common.json")
	if err != nil {
		t.Fatal(err)
	}
	var common struct {
		Defs map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &common); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]any{"shipment": watch.Shipment{}, "order": watch.Order{}, "kpi": watch.KPI{}, "entry": watch.Entry{}} {
		known := fields(row)
		for property := range common.Defs[name].Properties {
			if !known[property] {
				t.Errorf("%T has no field for %q", row, property)
			}
		}
	}
	if len(common.Defs["shipment"].Properties) == 0 || len(common.Defs["order"].Properties) == 0 {
		t.Error("shipment and order are not published")
	}
	known := fields(watch.Entry{})
	for field := range fields(query.Entry{}) {
		if !known[field] {
			t.Errorf("%T has no field for %q of the read API", watch.Entry{}, field)
		}
	}
}

// fields are the names that a structure has in JSON.
func fields(of any) map[string]bool {
	out := make(map[string]bool)
	for field := range reflect.TypeOf(of).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		out[name] = true
	}
	return out
}

func TestARowThatIsOtherwiseIsAnError(t *testing.T) {
	if _, err := watch.Decode[watch.Shipment](watch.Row(`{"id":1}`)); err == nil {
		t.Error("a number was taken for an id")
	}
	type own struct{ Status string }
	if got, err := watch.Decode[own](watch.Row(`{"id":"S-1","status":"lost","more":[]}`)); err != nil || got.Status != "lost" {
		t.Errorf("a type of my own: %+v, %v", got, err)
	}
}
