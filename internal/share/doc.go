// Package share shows one shipment to whoever has its link.
//
// A [Link] is made for a shipment and opened with its [Secret], of which only the
// [Digest] is kept. [Page] answers with what the link shows, as a page that needs
// no script or as JSON.
//
// # Promises
//
//   - Unguessable. A secret has 128 random bits, and is no carrier's number.
//   - An allow-list. What comes out are the fields of [Shipment] and [Event], in
//     words and cities: no name, street, number, order, source or text of anybody,
//     and no other shipment.
//   - One refusal. A secret that no link has, one that has expired and one that
//     was revoked are answered alike, by the same statement.
//   - Limits. So many requests a second with one secret, and of one address.
//   - Quiet. No secret is logged; no answer is kept by caches, indexed or framed.
//
// # Concurrency
//
// Everything may be used from any goroutine.
//
// # Not here
//
// Where links are kept and what they show is read: package readmodel. The live
// row of a link: package fanout.
package share
