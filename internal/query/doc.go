// Package query is the read API: orders, shipments and their timelines, over
// HTTP as JSON.
//
//	GET /v1/orders/{id}               the order as it is now
//	GET /v1/orders/{id}/timeline      with every fact of it and of its shipments
//	GET /v1/shipments/{id}            the shipment as it is now
//	GET /v1/shipments/{id}/timeline   with every fact of it
//
// With as_of, and basis, each answers as it was at a moment of the past.
//
// [New] makes the handler from a [Store] and a [Verifier] of tokens; [OpenAPI]
// is its description, which the code is the source of and the handler enforces.
//
// # Promises
//
//   - Tenancy. A request sees the tenant of its token and nothing else; what
//     belongs to another tenant is answered byte for byte like what does not
//     exist.
//   - Timelines. Entries come in the order in which the state is folded, oldest
//     first, each once over all pages. A fact that arrives meanwhile and sorts
//     before the page being read is not in the pages after it.
//   - Cursors are signed for one tenant, one timeline and one view of the past,
//     or none. Every other one, and one that was tampered with, is refused.
//   - The past. What has occurred by a moment is answered by the fold of the
//     events that occurred by then and of all retractions; what was known, by
//     that of the events that were recorded by then. Each whole or not at all.
//   - Refusals are application/problem+json with a stable code. They never hold
//     SQL, a stack, or what a token said.
//
// # Concurrency
//
// Between requests the handler keeps how often each user asks, and nothing else.
// It serves any number at once; a Store must bear that.
//
// # Not here
//
// Live updates (package fanout). Limits of connections, TLS and the listening
// port, which belong to the command.
package query
