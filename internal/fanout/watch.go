package fanout

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// put hangs a board where changes find it.
func (t *tenant) put(b *board) {
	t.boards[b.key] = b
	if b.topic != Timeline {
		t.restless[b] = struct{}{}
		return
	}
	t.watch(keyOf(b.of), b)
}

// keyOf is the entity whose timeline a stream is.
func keyOf(s events.Stream) key {
	if s.Kind == events.OrderStream {
		return key{Orders, s.ID}
	}
	return key{Shipments, s.ID}
}

func (t *tenant) watch(k key, b *board) {
	if t.watched[k] == nil {
		t.watched[k] = make(map[*board]struct{})
	}
	t.watched[k][b] = struct{}{}
}

func (t *tenant) unwatch(k key, b *board) {
	delete(t.watched[k], b)
	if len(t.watched[k]) == 0 {
		delete(t.watched, k)
	}
}

// relate makes the timeline of an order watch the shipments whose facts it
// shows: when one stops to be of the order, only the shipment changes.
func (t *tenant) relate(b *board, about []key) {
	if b.of.Kind != events.OrderStream {
		return
	}
	for _, k := range b.related {
		t.unwatch(k, b)
	}
	b.related = about
	for _, k := range about {
		t.watch(k, b)
	}
}

// touch notes on the boards concerned that they may differ after a position.
func (t *tenant) touch(c *change, at int64) {
	for b := range t.restless {
		b.touch(at)
	}
	for _, k := range concerned(c) {
		for b := range t.watched[k] {
			b.touch(at)
		}
	}
}

// concerned are the entity and the orders that a shipment is of.
func concerned(c *change) []key {
	keys := []key{c.key}
	if s, ok := c.row.(*ShipmentRow); ok {
		for _, id := range s.Orders {
			keys = append(keys, key{Orders, string(id)})
		}
	}
	return keys
}

// changedSince reports whether a board may differ from what it was at a
// position.
func (t *tenant) changedSince(b *board, seq int64) bool {
	if _, ok := t.restless[b]; ok || seq < t.ring.low {
		return seq < t.at.Seq
	}
	for _, k := range t.ring.keys[seq-t.ring.low:] {
		for _, k := range concerned(t.ring.newest[k]) {
			if _, ok := t.watched[k][b]; ok {
				return true
			}
		}
	}
	return false
}

// boardsMost is how many boards a tenant keeps that nobody looks at.
const boardsMost = 1000

// tidy takes down boards that nobody has looked at for long.
func (t *tenant) tidy(now time.Time, linger time.Duration) {
	for id, b := range t.boards {
		if len(b.members)+len(b.waiting) > 0 || b.reading || now.Sub(b.idle) < linger && len(t.boards) <= boardsMost {
			continue
		}
		delete(t.boards, id)
		delete(t.restless, b)
		for _, k := range append(b.related, keyOf(b.of)) {
			t.unwatch(k, b)
		}
	}
}
