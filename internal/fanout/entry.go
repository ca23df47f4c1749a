package fanout

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/events"
)

// EntryRow is an entry of a timeline on the wire.
type EntryRow struct {
	// Shown is the topic that it is shown in: Timeline or Alerts.
	Shown    Topic
	Stream   events.Stream
	Source   events.Source
	ID       events.EventID
	Type     events.Type
	Shipment events.ShipmentID // whose timeline an alert is from; "" for none
	Order    events.OrderID
	JSON     jsontext.Value // the entry as the read API has it
}

// Topic says what it is a row of.
func (r *EntryRow) Topic() Topic { return r.Shown }

// Key is the identity as it stands on the wire: [stream, stream id, source, id].
func (r *EntryRow) Key() string {
	key := append(quote(string(r.Stream.Kind)), ',')
	key = append(append(key, quote(r.Stream.ID)...), ',')
	key = append(append(key, quote(string(r.Source))...), ',')
	return "[" + string(append(key, quote(string(r.ID))...)) + "]"
}

// MarshalJSON returns the entry.
func (r *EntryRow) MarshalJSON() ([]byte, error) { return r.JSON, nil }

// StatusName is empty: an entry has none.
func (r *EntryRow) StatusName() string { return "" }

// Field knows type, source, shipment and order.
func (r *EntryRow) Field(name string) (Value, bool) {
	switch name {
	case "type":
		return text(r.Type), true
	case "source":
		return text(r.Source), true
	case "shipment":
		return text(r.Shipment), true
	case "order":
		return text(r.Order), true
	}
	return Value{}, false
}
