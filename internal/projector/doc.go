// Package projector turns the log into the read model: it claims partitions,
// gathers records into batches, and has a [Store] apply each batch in one
// transaction together with its position.
//
// A [Source] yields the log. The projector knows neither Kafka nor Postgres.
//
// # Promises
//
//   - Exactly one effect. A position moves only in the transaction of the rows,
//     and only from where this owner last saw it; whoever lost a partition is
//     refused with [ErrFenced] and nothing it wrote stays.
//   - Order. The records of a partition are applied in their order, by one
//     worker at a time.
//   - Poison. A record that cannot be decoded, or that the store refuses by
//     itself, becomes a dead letter in the transaction that moves past it, and
//     the others go on. A flood of them stops the partition instead: that is a
//     bad deploy, not bad data.
//   - Parking. Where [Config].Park says so, the later records of a key wait behind
//     its dead letter until that is settled, kept in the transaction that moves
//     past them; other keys go on.
//   - Loss is noticed. A partition whose log no longer holds the position, or
//     is another log, stops with numbers; its rows stay as they are. The others
//     go on, and it does too once an operator has moved its position.
//   - Survival. A record that panics, or that kills processes, becomes a dead
//     letter; see [Trials] and [Attempts]. One that was in hand when somebody
//     killed the process does not.
//   - Patience. What may pass is tried again with growing pauses for as long as
//     it takes, in order, while heartbeats go on.
//   - Shutdown. When its context ends, Run takes no new batch, finishes the one
//     in hand within [Config].Grace and returns nil.
//
// # Concurrency
//
// Run owns every goroutine it starts: per generation one per worker, each with
// partitions of its own, and one that looks after halted partitions. They have
// ended when Run returns.
//
// # Not here
//
// What events mean (package tracking); which errors pass (the adapters say so).
package projector
