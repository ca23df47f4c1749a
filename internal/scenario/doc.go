// Package scenario tells plausible histories of orders and their parcels, from
// one seed: the demo, the benchmarks and the property tests share them.
//
// A [Generator] yields the events of many orders in the order in which they
// arrive, which is not the order in which they happened: scans come late, come
// twice, overtake each other, or name a carrier's number before anybody said
// whose it is. [Generator.Order] tells the history of one order alone. [Live]
// tells them now, at a rate, with days shortened to seconds.
//
// # Promises
//
//   - Deterministic. The same [Config] yields the same events, byte for byte, on
//     every machine. An order's history depends on the configuration and its
//     index alone, not on how many orders there are (but the last one of an odd
//     number shares no parcel with the one after it).
//   - Valid. Every event passes [events.Encode]; what is odd about a history is
//     when it arrives and what it says, never its form.
//   - Complete. Every shipment ends: delivered, returned, lost, destroyed or
//     cancelled. With [Full] and [DefaultRates] every type of the vocabulary
//     appears.
//   - Small. Only orders that are under way are in memory, whatever the number
//     of orders.
//   - Separate. Event ids begin with the seed, so that two seeds share nothing.
//
// # Concurrency
//
// A [Generator] is immutable: any number of goroutines may tell its histories.
// Each call of [Generator.Events] begins anew. [Live] uses its caller's
// goroutine.
//
// # Not here
//
// Publishing (package ingest), and what a history means (package tracking). Only
// [Live] reads the clock.
package scenario
