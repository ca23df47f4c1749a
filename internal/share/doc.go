// Package share shows one shipment to whoever has its link.
//
// A [Link] is made for a shipment and opened with its [Secret], of which only the
// [Digest] is kept.
//
// # Promises
//
//   - Unguessable. A secret has 128 random bits, and is no carrier's number.
//
// # Concurrency
//
// Everything may be used from any goroutine.
//
// # Not here
//
// Where links are kept: package readmodel. The live row of a link: package fanout.
package share
