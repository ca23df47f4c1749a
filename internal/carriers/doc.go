// Package carriers reads what carriers and tracking services send, and says what
// it means in the vocabulary of package events.
//
// A [Profile] is data: which format a partner sends, which of its codes is which
// event, which zones its times are in. Profiles of known partners are built in;
// a YAML file of the same kind adds another one without a line of Go. The few
// formats, X12 214, EasyPost's tracker and AfterShip's tracking, have a parser
// each.
//
// # Promises
//
//   - Nothing is dropped. A code that no rule of the profile knows becomes
//     shipment.scan_unmapped, and every event keeps the codes it was made of.
//   - Repeatable. The same scan becomes the same event with the same id, in
//     whichever message and however often it comes.
//   - Times are honest. An offset that is not in the message is looked up by zone
//     code or place, and tz_source says so; where nothing tells, it is unknown.
//   - Nothing personal. Names, streets and signatures are left out of events.
//   - Bad messages are refused as a whole, and the problem names line and field.
//
// # Concurrency
//
// A [Profile] is immutable.
//
// # Not here
//
// Files, pipes and what is done with bad messages (package ingest); what events
// mean for a shipment (package tracking).
package carriers
