// Package watch follows orders and shipments as they change: it is the Go client
// of the live protocol track.v1, which docs/protocol.md describes.
//
// A [Client] is made with [New] and runs with [Client.Run]. After every frame of
// the server the handler of a [Subscription] is given a [View]: all rows that
// match, the position that they are of, and how far they may be trusted.
//
// # Promises
//
//   - Consistency. The rows of a view are those of the server at its position,
//     no more and no fewer. A snapshot counts when it is whole; a delta when it
//     begins where the last one ended. Whatever does not fit is asked for again.
//   - Nothing silent. When rows are replaced as a whole the view says
//     [Loaded], when they are taken away [Emptied]. Until rows are current again
//     their freshness is something else than [Live], and they stay.
//   - Coming back. A lost connection is opened again, after a random time that
//     grows, and goes on where it was: nothing is loaded twice that need not be.
//     Close codes that say not to come back end Run.
//   - Watchfulness. A server that says nothing for two heartbeats is given up.
//     What a heartbeat says was sent is compared with what has come.
//   - Memory is bounded by the rows that match, by one message ahead, and for
//     [Alerts] by Keep. A message above 16 MiB, more rows in a snapshot than the
//     server says there may be, and more than 200,000 rows are refused.
//   - The token is asked for at every connection and travels in its first message,
//     never in a URL, and to no other host than that of the URL.
//
// # Concurrency
//
// Run calls all handlers, one at a time, in its own goroutine. A view is valid
// until its handler returns; rows may be kept, and must not be changed. While a
// handler runs nothing is read, and the server conflates what it would have sent; a
// handler that takes longer than about ten seconds costs a snapshot or the
// connection. A Client holds no state: several Runs do not know of each other.
//
// # Not here
//
// Reading the past and whole timelines at once, which the HTTP API is for.
// Publishing: package events and the producer. Server-sent events.
package watch
