package fanout

import "github.com/waybill-io/waybill/events"

// question is what a subscription asks for.
type question struct {
	topic  Topic
	filter Filter
	of     events.Stream // whose timeline
}

// canonical is the filter in the one spelling that all equal ones share.
func (q question) canonical() string {
	if q.topic == Timeline {
		return string(q.of.Kind) + "/" + q.of.ID
	}
	return q.filter.Canonical()
}

// ask checks what a peer wants to know.
func (h *Hub) ask(r Request, p Peer) (question, *Error) {
	q := question{topic: r.Topic}
	if !r.Topic.exists() || r.Topic == Alerts && h.cfg.Alerts == nil {
		return q, refuse(UnknownTopic, "topic %q does not exist", clip(string(r.Topic)))
	}
	if p.Shipment != "" && r.Topic != Shipments {
		return q, refuse(Forbidden, "a link shows shipments, and nothing else")
	}
	if r.Topic == Timeline && p.MayRead() {
		return q.ofTimeline(r, p)
	}
	if !p.mayRead(r.Topic) {
		return q, forbid(r.Topic)
	}
	if r.Topic == KPIs {
		if len(r.Filter) > 0 && string(r.Filter) != everyRow {
			return q, refuse(BadFilter, "kpis have no filter")
		}
		return q, nil
	}
	var problem *Error
	q.filter, problem = p.scope().filter(r.Topic, r.Filter)
	return q, problem
}

// ofTimeline asks for the timeline that the filter names.
func (q question) ofTimeline(r Request, p Peer) (question, *Error) {
	var problem *Error
	if q.of, problem = parseStream(r.Filter); problem != nil {
		return q, problem
	}
	if needs := topicOf(q.of); !p.mayRead(needs) {
		return q, forbid(needs)
	}
	return q, nil
}

func forbid(t Topic) *Error { return refuse(Forbidden, "the token does not allow to read %s", t) }

const everyRow = "{}"
