// Package limit says who asks too often.
//
// [Keys] gives each of many keys, such as users or addresses, a rate of its own;
// [Address] is what a client is known by before it has said who it is.
//
// # Promises
//
//   - Bounded. A key that has rested is forgotten: what is remembered follows from
//     how many ask, not from how many ever did.
//   - Forged headers. What a client says of its own address counts only where the
//     caller says that so many proxies stand before it.
//
// # Concurrency
//
// Everything may be used from any goroutine.
//
// # Not here
//
// How a refusal is answered.
package limit
