package readmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// streams names some shipments, numbers and orders.
type streams struct {
	shipments map[entity]bool
	numbers   map[number]bool
	orders    map[entity]bool
}

func newStreams() streams {
	return streams{map[entity]bool{}, map[number]bool{}, map[entity]bool{}}
}

// add names a stream; one of a number that is none is left out.
func (s streams) add(tenant events.TenantID, of events.Stream) {
	switch of.Kind {
	case events.ShipmentStream:
		s.shipments[entity{tenant, of.ID}] = true
	case events.OrderStream:
		s.orders[entity{tenant, of.ID}] = true
	case events.TrackingStream:
		if carrier, num := of.Number(); num != "" {
			s.numbers[number{tenant, carrier, num}] = true
		}
	}
}

func sortedEntities[V any](m map[entity]V) []entity {
	return slices.SortedFunc(maps.Keys(m), entity.compare)
}

func sortedNumbers[V any](m map[number]V) []number {
	return slices.SortedFunc(maps.Keys(m), number.compare)
}

// concerned is what a change of some streams concerns, folded.
type concerned struct {
	*folding
	numbers   []number // whose assignments may have changed, or whose scans have
	shipments []entity // those named, and all that have or had one of the numbers
	orders    map[entity]bool
	carried   map[entity][]tracking.Carried // what the shipments say of orders
}

// foldConcerned folds the shipments that are named and those that share a number
// with them. Who else has a number is asked of the version's assignments.
func foldConcerned(ctx context.Context, tx pgx.Tx, of streams) (*concerned, error) {
	own, err := factsOf(ctx, tx, events.ShipmentStream, sortedEntities(of.shipments))
	if err != nil {
		return nil, err
	}
	numbers, err := numbersConcerned(ctx, tx, of, own)
	if err != nil {
		return nil, err
	}
	stored, err := storedAssignments(ctx, tx, numbers)
	if err != nil {
		return nil, fmt.Errorf("read assignments: %w", err)
	}
	if err := addHolders(ctx, tx, own, stored); err != nil {
		return nil, err
	}
	assigned, err := allAssigned(ctx, tx, own, numbers)
	if err != nil {
		return nil, err
	}
	folded := map[number]bool{}
	for _, n := range numbers {
		folded[n] = true
	}
	c := &concerned{folding: newFolding(assigned, func(n number) bool { return folded[n] }), numbers: numbers,
		shipments: sortedEntities(own), orders: maps.Clone(of.orders), carried: map[entity][]tracking.Carried{}}
	if err := c.folding.numbers(ctx, tx); err != nil {
		return nil, err
	}
	return c, c.foldShipments(own)
}

func (c *concerned) foldShipments(own map[entity][]*tracking.Fact) error {
	for _, key := range c.shipments {
		if len(own[key]) == 0 {
			continue // a stored row without a fact: it has no business to be there
		}
		state, err := c.shipment(key, own[key])
		if err != nil {
			return err
		}
		for _, it := range state.Contents {
			order := entity{key.tenant, string(it.OrderID)}
			c.orders[order] = true
			c.carried[order] = append(c.carried[order], tracking.Carried{Content: it, ShipmentID: state.ID, Direction: state.Direction})
		}
	}
	return nil
}

// factsOf reads all facts of streams; one without any has an entry too.
func factsOf(ctx context.Context, tx pgx.Tx, kind events.StreamKind, keys []entity) (map[entity][]*tracking.Fact, error) {
	own := make(map[entity][]*tracking.Fact, len(keys))
	if len(keys) == 0 {
		return own, nil
	}
	for _, key := range keys {
		own[key] = nil
	}
	facts, err := history(ctx, tx, kind, keys)
	maps.Copy(own, facts)
	return own, err
}

// numbersConcerned are the numbers named, and those that the shipments named
// assign or are stored with.
func numbersConcerned(ctx context.Context, tx pgx.Tx, of streams, own map[entity][]*tracking.Fact) ([]number, error) {
	all := maps.Clone(of.numbers)
	for n := range assignmentsIn(own) {
		all[n] = true
	}
	held, err := numbersOf(ctx, tx, sortedEntities(of.shipments))
	if err != nil {
		return nil, fmt.Errorf("read numbers: %w", err)
	}
	for _, n := range held {
		all[n] = true
	}
	return sortedNumbers(all), nil
}

// addHolders adds the facts of all shipments that numbers are assigned to.
func addHolders(ctx context.Context, tx pgx.Tx, own map[entity][]*tracking.Fact, stored map[number][]tracking.Assignment) error {
	others := map[entity]bool{}
	for n, its := range stored {
		for _, a := range its {
			key := entity{n.tenant, string(a.ShipmentID)}
			if _, here := own[key]; !here {
				others[key] = true
			}
		}
	}
	facts, err := factsOf(ctx, tx, events.ShipmentStream, sortedEntities(others))
	maps.Copy(own, facts)
	return err
}

// allAssigned are the assignments of the numbers concerned, as the shipments'
// facts say, and of the other numbers of these shipments, as they are stored.
func allAssigned(ctx context.Context, tx pgx.Tx, own map[entity][]*tracking.Fact, numbers []number) (map[number][]tracking.Assignment, error) {
	said := assignmentsIn(own)
	assigned := make(map[number][]tracking.Assignment, len(said))
	for _, n := range numbers {
		assigned[n] = said[n]
	}
	var others []number
	for n := range said {
		if _, here := assigned[n]; !here {
			others = append(others, n)
		}
	}
	slices.SortFunc(others, number.compare)
	stored, err := storedAssignments(ctx, tx, others)
	if err != nil {
		return nil, fmt.Errorf("read other assignments: %w", err)
	}
	for _, n := range others {
		assigned[n] = stored[n]
	}
	return assigned, nil
}
