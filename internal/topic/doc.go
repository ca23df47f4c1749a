// Package topic is Kafka: it publishes events to the log and fetches records
// from it. It is the only package that imports kafka-go.
//
// A [Publisher] writes events, each to the topic of its stream. A [Source] joins
// a consumer group for the sake of its partitions only, and reads them with
// protocol-level fetches from their leaders. [EnsureTopics] creates the two
// topics, and [PartitionFor] says in which partition a key belongs.
//
// # Promises
//
//   - Durability. Every write waits for all in-sync replicas; there is no option
//     for less. [Publisher.Publish] returns nil only when every event was
//     acknowledged. An event may stand twice in the log: the identity of events
//     makes the copy harmless.
//   - Order. A feed yields each partition in offset order, every committed record
//     once. The events of one call to Publish that share a key are written in
//     their order, as long as no write of theirs has to be repeated.
//   - Time. A record's timestamp is when it was published, whatever the event
//     says of itself, so that retention counts from there.
//   - Isolation. Aborted records, transaction markers and records below the
//     position asked for are never yielded. The checksum of every batch is
//     checked.
//   - Gaps. Nothing is skipped: a position outside its log, or bytes that are no
//     records, end the feed with an error that says where.
//   - Patience. A broker that restarts, a leader that moves, a topic or a group
//     coordinator that does not exist yet are waited for.
//   - Hand-over. Two generations never overlap in one Source: serve has returned
//     before this member rejoins.
//
// # Concurrency
//
// A Publisher may be used from any goroutine. A Source runs serve on a
// goroutine of the generation; every open feed has one goroutine and one more
// per leader, which end with the feed's context, at the latest when serve has
// returned. A feed's Next belongs to one goroutine at a time. The transport of
// kafka-go keeps goroutines per connection; after Run or Close the last of them
// ends with the long poll that it is parked in.
//
// # Not here
//
// Positions: they are in the read model, the group's offsets are hints for lag
// tools. What records mean (package events), what is done about a gap
// (internal/projector), what a caller is answered (internal/ingest).
package topic
