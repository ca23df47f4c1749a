package projector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fault"
)

// decode sorts records into events and poison.
func (w *worker) decode(g *gathered) Batch {
	b := Batch{Events: make([]Event, 0, len(g.records))}
	for i := range g.records {
		r := &g.records[i]
		e, err := w.read(r)
		if err != nil {
			b.Poison = append(b.Poison, poisonOf(r, err))
			continue
		}
		b.Events = append(b.Events, e)
	}
	return b
}

// read decodes a record of the log, and refuses one that lies where records with
// its key do not belong.
func (w *worker) read(r *Record) (e Event, err error) {
	defer w.catch(&err)
	if err := w.claims[r.Partition].killer(r.Offset); err != nil {
		return Event{}, err
	}
	if e, err = Decode(r); err != nil {
		return Event{}, err
	}
	if home, known := w.session.Home(r.Partition.Topic, r.Key); known && home != r.Partition.ID && !w.cfg.AnyPartition {
		return Event{}, &events.Error{Code: codeWrongPartition, Detail: fmt.Sprintf("the key belongs on partition %d", home)}
	}
	return e, nil
}

// isOurs reports a topic by its own name; tests and migrations may use others.
func isOurs(topic string) bool { return topic == events.OrdersTopic || topic == events.ShipmentsTopic }

func poisonOf(r *Record, err error) Poison {
	code := cmp.Or(string(events.CodeOf(err)), classUndecodable)
	if _, panicked := errors.AsType[*panicError](err); panicked {
		code = classPanic
	}
	if errors.Is(err, errKills) {
		code = classKills
	}
	return Poison{Record: *r, Code: code, Message: err.Error()}
}

// bisect applies a batch that the store refuses in two halves, each in its own
// transaction, down to the event that is to blame. That one becomes a dead
// letter.
func (w *worker) bisect(ctx context.Context, b Batch, cause error) error {
	if len(b.Events) == 0 {
		return cause // the store refuses a dead letter: not the data's fault
	}
	if len(b.Events) == 1 {
		return w.blame(ctx, b, cause)
	}
	left, right := b.split()
	if err := w.applyBatch(ctx, left); err != nil {
		return err
	}
	fault.Point("bisecting")
	return w.applyBatch(ctx, right)
}

// split parts a batch of at least two events by the places of its records.
func (b *Batch) split() (left, right Batch) {
	sorted := slices.Clone(b.Events)
	slices.SortFunc(sorted, func(x, y Event) int { return comparePlace(x.Record, y.Record) })
	pivot := sorted[len(sorted)/2].Record
	for _, e := range sorted {
		if comparePlace(e.Record, pivot) < 0 {
			left.Events = append(left.Events, e)
		} else {
			right.Events = append(right.Events, e)
		}
	}
	left.Poison, right.Poison = divide(b.Poison, pivot)
	left.Parked, right.Parked = divide(b.Parked, pivot)
	for _, a := range b.Advances {
		switch a.Partition.compare(pivot.Partition) {
		case -1:
			left.Advances = append(left.Advances, a)
		case 1:
			right.Advances = append(right.Advances, a)
		default:
			before, after := a, a
			before.To, after.From = pivot.Offset, pivot.Offset
			if before.From < before.To {
				before.LastSeen, before.LastHash = lastBefore(&left, a)
				left.Advances = append(left.Advances, before)
			}
			right.Advances = append(right.Advances, after)
		}
	}
	return left, right
}

// lastBefore finds the last record that a left half has of a partition, or
// keeps what was last seen before the batch: nothing of it is known then.
func lastBefore(left *Batch, a Advance) (int64, []byte) {
	var last *Record
	consider := func(r *Record) {
		if r.Partition == a.Partition && (last == nil || r.Offset > last.Offset) {
			last = r
		}
	}
	for _, e := range left.Events {
		consider(e.Record)
	}
	for _, list := range [][]Poison{left.Poison, left.Parked} {
		for i := range list {
			consider(&list[i].Record)
		}
	}
	if last == nil {
		return -1, nil
	}
	return last.Offset, last.Hash()
}

func comparePlace(a, b *Record) int {
	return cmp.Or(a.Partition.compare(b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// The flood rule: this much poison is no accident.
const (
	floodShare  = 5   // one in five
	floodBatch  = 500 // of a partition's records in one batch
	floodMinute = 1000
)

// flood counts the poison of a partition within a minute.
type flood struct {
	since time.Time
	count int
}

var errFlood = errors.New("so many records cannot be applied that their producer or this program is at fault")

// checkFlood stops a partition of which too much is poison.
func (w *worker) checkFlood(b Batch, now time.Time) error {
	poison, all := map[Partition]int{}, map[Partition]int{}
	for i := range b.Poison {
		poison[b.Poison[i].Partition]++
		all[b.Poison[i].Partition]++
	}
	for i := range b.Events {
		all[b.Events[i].Record.Partition]++
	}
	for part, n := range poison {
		f := w.poison[part]
		if f == nil || now.Sub(f.since) > time.Minute {
			f = &flood{since: now}
			w.poison[part] = f
		}
		f.count += n
		if all[part] >= floodBatch && n*floodShare > all[part] || f.count > floodMinute {
			return &HaltError{part, "flood", errFlood}
		}
	}
	return nil
}
