// Package origin says which pages of other hosts may read what we answer.
//
// # Promises
//
//   - Exact. Scheme, host and port of an Origin header must be those of the list;
//     nothing stands for "any", and "null" is never one of them.
//   - No credentials. A page is allowed to read, never to be somebody by a cookie.
//
// # Concurrency
//
// Everything may be used from any goroutine; a [List] is not changed once made.
//
// # Not here
//
// Who the request is for, which its token says.
package origin
