package events

import "strings"

// StreamKind says what a stream is about.
type StreamKind string

// The kinds of streams, as the column events.stream names them.
const (
	OrderStream    StreamKind = "order"
	ShipmentStream StreamKind = "shipment"
	TrackingStream StreamKind = "tracking" // a carrier's number, for whoever knows only that
)

// The topics, by the kind of stream they carry.
const (
	OrdersTopic    = "waybill.orders.v1"
	ShipmentsTopic = "waybill.shipments.v1"
)

const trackingPrefix = "trk:"

// Stream names the thing whose facts belong together. ID is the event's
// subject: an order id, a shipment id, or trk:CARRIER:NUMBER.
type Stream struct {
	Kind StreamKind
	ID   string
}

// TrackingStreamOf returns the stream of a carrier's number.
func TrackingStreamOf(carrier SCAC, number TrackingNumber) Stream {
	return Stream{TrackingStream, trackingPrefix + string(carrier) + ":" + string(number)}
}

// Number splits the id of a tracking stream into carrier and number; both are
// empty for other streams.
func (s Stream) Number() (SCAC, TrackingNumber) {
	rest, ok := strings.CutPrefix(s.ID, trackingPrefix)
	if s.Kind != TrackingStream || !ok {
		return "", ""
	}
	carrier, number, _ := strings.Cut(rest, ":")
	return SCAC(carrier), TrackingNumber(number)
}

// Topic returns the topic that carries the stream.
func (s Stream) Topic() string {
	if s.Kind == OrderStream {
		return OrdersTopic
	}
	return ShipmentsTopic
}

// check refuses an id that its kind cannot have.
func (s Stream) check() *Error {
	if s.Kind == TrackingStream {
		carrier, number := s.Number()
		if !validSCAC(string(carrier)) || !validNumber(string(number)) {
			return refuse(CodeInvalidID, "subject", "want trk:CARRIER:NUMBER in upper case, the number without spaces, dots and hyphens")
		}
		return nil
	}
	if !validID(s.ID) {
		return refuse(CodeInvalidID, "subject", "want 1 to 64 characters of A-Z a-z 0-9 . _ : -")
	}
	if strings.HasPrefix(s.ID, trackingPrefix) {
		return refuse(CodeInvalidID, "subject", "an %s id cannot begin with %q", s.Kind, trackingPrefix)
	}
	return nil
}

// streamOf tells the stream of a type's event from its subject. Retractions
// name the kind of their stream themselves.
func streamOf(d Data, subject string) Stream {
	if r, ok := d.(*Retracted); ok {
		return Stream{r.Stream, subject}
	}
	if !strings.HasPrefix(string(d.Type()), "shipment.") {
		return Stream{OrderStream, subject}
	}
	if strings.HasPrefix(subject, trackingPrefix) {
		return Stream{TrackingStream, subject}
	}
	return Stream{ShipmentStream, subject}
}
