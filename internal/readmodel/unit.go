package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fault"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/tracking"
)

// entity names an order or a shipment.
type entity struct {
	tenant events.TenantID
	id     string
}

func (e entity) compare(o entity) int {
	return cmp.Or(cmp.Compare(e.tenant, o.tenant), cmp.Compare(e.id, o.id))
}

// entry is a timeline entry of the batch.
type entry struct {
	*projector.Event
	read   int // its place in the batch
	tenant events.TenantID
	fact   *tracking.Fact
	ref    tracking.Ref
	late   bool
	copies []*entry // others of its identity, later in the batch
}

// compare sorts by identity. It looks at one text after the other, as few as it
// can: it is called a dozen times per event.
func (e *entry) compare(o *entry) int {
	if c := cmp.Compare(e.tenant, o.tenant); c != 0 {
		return c
	}
	a, b := &e.ref, &o.ref
	if c := cmp.Compare(a.Stream.Kind, b.Stream.Kind); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Stream.ID, b.Stream.ID); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// unit is the work of one transaction. Its steps run in the order in which run
// names them, which is the order of locks everywhere.
type unit struct {
	tx         pgx.Tx // from run on the lane, so that what is asked of it waits for the writes
	lane       *lane
	projection string
	recent     *recent // nil: nothing is taken to be new
	batch      projector.Batch
	applied    projector.Applied

	entries   []*entry // new to the timeline, in the order they were read
	poison    []projector.Poison
	numbers   map[number]*numberWork
	resolved  []*numberWork // whose scans or assignments were folded
	unmatched []unmatchedScan
	shipments map[entity]*shipmentWork
	moved     []*shipmentWork // brought up to date by applying the new facts
	folded    []*shipmentWork // by a fold of all their facts
	contents  contentWork
	orders    map[entity]*orderWork
	marks     markWork
	changes   changeWork
}

func newUnit(projection string, b projector.Batch) *unit {
	return &unit{
		projection: projection, batch: b, poison: slices.Clone(b.Poison),
		numbers:   map[number]*numberWork{},
		shipments: map[entity]*shipmentWork{}, orders: map[entity]*orderWork{},
		marks:   newMarkWork(),
		changes: changeWork{},
		applied: newApplied(),
	}
}

// run locks, reads and folds, and then has the lane write: from "write shipments"
// on nothing is asked any more, because an answer would wait for all writes.
func (u *unit) run(ctx context.Context) error {
	u.lane = newLane(ctx, u.tx)
	defer u.lane.close()
	u.tx = u.lane
	steps := []struct {
		name, label string // in errors, in metrics
		do          func(context.Context) error
	}{
		{"move the positions", "positions", u.fence},
		{"have records wait", "parking", u.park},
		{"write the timeline", "timeline", u.writeTimeline},
		{"keep dead letters", "dead_letters", u.writeDeadLetters},
		{"resolve numbers", "numbers", u.resolveNumbers},
		{"fold shipments", "shipments", u.foldShipments},
		{"fold orders", "orders", u.foldOrders},
		{"read marks", "marks", u.readMarks},
		{"write shipments", "write_shipments", u.writeShipments},
		{"write orders", "write_orders", u.writeOrders},
		{"write marks", "write_marks", u.writeMarks},
		{"write the change feed", "feed", u.writeChanges},
		{"write", "written", func(context.Context) error { return u.lane.wait() }},
	}
	for _, step := range steps {
		start := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		u.applied.Steps = append(u.applied.Steps, projector.Step{Name: step.label, Took: time.Since(start)})
		fault.Point("in_transaction")
	}
	u.tallyStored()
	return nil
}

// fence moves the positions forward, or refuses the batch when one of them is
// not where the batch begins or belongs to somebody else by now.
func (u *unit) fence(ctx context.Context) error {
	const query = `-- name: fence
		UPDATE projection_offsets o
		   SET next_offset = x.nxt, last_offset = x.last_offset, last_hash = x.last_hash
		  FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[])
		       x(topic, part, epoch, frm, nxt, last_offset, last_hash)
		 WHERE o.projection = $1 AND o.topic = x.topic AND o.partition = x.part
		   AND o.epoch = x.epoch AND o.next_offset = x.frm`
	moves := u.batch.Advances
	tag, err := u.tx.Exec(ctx, query, u.projection,
		column(moves, func(a projector.Advance) string { return a.Partition.Topic }),
		column(moves, func(a projector.Advance) int32 { return a.Partition.ID }),
		column(moves, func(a projector.Advance) int64 { return a.Epoch }),
		column(moves, func(a projector.Advance) int64 { return a.From }),
		column(moves, func(a projector.Advance) int64 { return a.To }),
		column(moves, func(a projector.Advance) int64 { return a.LastSeen }),
		column(moves, func(a projector.Advance) []byte { return a.LastHash }))
	if err != nil {
		return err
	}
	if tag.RowsAffected() != int64(len(moves)) {
		return projector.ErrFenced
	}
	return nil
}
