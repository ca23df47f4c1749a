// Package wire puts the parts of the platform together, in the order the data
// flows: what cmd/consumer and cmd/tracker-ws run each by itself, cmd/dev runs in
// one process.
//
// # Promises
//
//   - A database or broker that is away is waited for, and shown by the checks
//     of readiness; what waiting cannot mend is an error at once.
//   - Every Run returns nil when its context ends, after its part has wound up.
package wire
