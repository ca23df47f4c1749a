// Package ingest is the way in: it turns files into events, refuses what is not
// right, and publishes the rest.
//
// An [Intake] reads files in a [Format] and hands their events to a [Publisher].
// [NDJSON] is the format of CloudEvents, one a line; [CSV] reads the exports of
// other systems, whose columns a [Mapping] turns into events. Formats of
// carriers come from package carriers.
//
// # Promises
//
//   - Whole or not at all. A file is checked from its first line to its last
//     before one event of it is published, and every bad line is named with file,
//     line and column. Only on demand are bad lines put aside and the others
//     published.
//   - Repeatable. The same file and mapping yield the same events with the same
//     ids, byte for byte, so that publishing a file again has no further effect.
//   - Order. The events of one order, shipment or number are published in the
//     order of the file, each batch after the one before is acknowledged.
//   - Flat. Memory does not grow with a file. No line is longer than [MaxLine].
//   - Honest. What is counted as published was acknowledged. When publishing
//     stops, the error tells how many events are in the log and how many may be.
//
// # Concurrency
//
// [Intake.Run] reads on its caller's goroutine and publishes on a few of its
// own, which end before it returns. A [Mapping] is immutable.
//
// # Not here
//
// Kafka (package topic), flags, files' names and exit codes (cmd/producer).
package ingest
