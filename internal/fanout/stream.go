package fanout

import (
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
)

// parseStream reads the filter of a timeline, which says whose it is. The error
// is a BadFilter.
func parseStream(text []byte) (events.Stream, *Error) {
	var f struct {
		F  string `json:"f"`
		Op string `json:"op"`
		V  string `json:"v"`
	}
	err := json.Unmarshal(text, &f, json.RejectUnknownMembers(true))
	switch {
	case err != nil || f.Op != "eq" || f.F != "order" && f.F != "shipment":
		return events.Stream{}, refuse(BadFilter, `the filter of a timeline is {"f":"order" or "shipment","op":"eq","v":"its id"}`)
	case f.V == "" || len(f.V) > maxValue:
		return events.Stream{}, refuse(BadFilter, "v of a timeline's filter has 1 to %d bytes", maxValue)
	case strings.Contains(f.V, "\x00"):
		return events.Stream{}, refuse(BadFilter, "v of a timeline's filter has no zero byte")
	case f.F == "order":
		return events.Stream{Kind: events.OrderStream, ID: f.V}, nil
	}
	return events.Stream{Kind: events.ShipmentStream, ID: f.V}, nil
}

// topicOf is the topic that shows the rows of a stream's kind.
func topicOf(s events.Stream) Topic { return keyOf(s).topic }
