// Package tracking decides what events mean: it folds the set of facts about an
// order or a shipment into its state.
//
// [FoldShipment] takes every stored fact of a shipment, [Shipment.Apply] one
// more where that cannot change what earlier facts meant. [FoldOrder] takes the
// facts of an order, [OrderBase.With] adds what became of its lines in
// shipments. [OccurredBy] and [KnownBy] leave of the facts those of a moment in
// the past: their fold is the state as of then.
//
// # Promises
//
//   - A function of the set. Equal sets of facts give equal states and marks,
//     whatever the order in which they are passed in and however often one is
//     repeated.
//   - Apply is Fold. Where Apply accepts a fact, its result equals the fold of
//     all facts so far; where it cannot know, it refuses and changes nothing.
//   - Nothing is dropped silently. A fact that counts but moves nothing, and a
//     fact that does not count, has a [Mark] that says why.
//   - No clock. Nothing here reads the time, a configuration or arrival order.
//
// # Concurrency
//
// Pure functions over values: the caller owns what it passes in and gets back.
//
// # Not here
//
// Locks, rows and the order of writes (package readmodel); batches and retries
// (package projector).
package tracking
