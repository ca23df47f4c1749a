// Package gateway puts live updates on sockets.
//
// [Gateway] is the HTTP handler of /v1/live: it checks the handshake, reads the
// hello with its token, and hands the client to package fanout, whose frames it
// writes and whose commands it reads. [Gateway.Stream] is that of
// /v1/stream/sse: the same frames as server-sent events, for whom no WebSocket
// comes through. [Page] serves the dashboard and [DevToken] hands out tokens on
// a developer's machine.
//
// # Promises
//
//   - Handshake. A foreign Origin, a token in the URL, a client without the
//     subprotocol track.v1.json, a connection above the limit and clients that
//     come too fast are refused before a socket exists.
//   - Tenants. What a client sees is decided by the token in its first message, or
//     by the secret of a link, and by nothing else it sends.
//   - Limits. A message has at most 16 KB, arrives within 10 s of its first frame
//     and is text in UTF-8; commands are limited per second; ten errors end the
//     connection.
//   - Close codes. Every connection that we end is closed with a code of the one
//     table, which is in package fanout.
//   - Streams. The id of each event is where the client stands once it has read
//     it, so whoever comes back with the last one misses nothing and gets nothing
//     twice.
//   - Shutdown. When its context ends, Run takes no new connection, tells all
//     clients when to come back, closes them spread over a bounded time, and
//     returns nil when the last handler is done.
//
// # Concurrency
//
// The goroutine of the HTTP handler reads a socket's hello and then ends; another,
// with a small stack, reads what comes after it. On a stream the handler's waits,
// and keeps the connection in use. Beside it a connection has the goroutines of its
// fanout.Conn. Data frames go past the WebSocket library: a lane below it has them
// and the library's control frames take turns. Run uses its caller's goroutine.
//
// # Not here
//
// Which rows go to whom, in which order, and what happens when a client is slow:
// package fanout. Flags, ports and signals: the commands.
package gateway
