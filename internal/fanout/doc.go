// Package fanout takes changes of the read model to the clients that asked for
// them.
//
// A [Hub] reads the change feed of all tenants that anyone is subscribed to,
// through [Feed], and takes snapshots through [Snapshots]. A [Conn] is one
// client: it has subscriptions, and a bounded amount of frames on their way to
// its [Socket]. Subscriptions that want the same rows at the same pace share a
// group, which evaluates the filter and encodes each delta once. A change is put
// to the groups that it may concern, which an index finds, and not to all. Counts,
// timelines and alerts are boards instead: read anew, beside the feed, when they
// may have changed, with the position that the reading is of.
//
// # Promises
//
//   - Snapshot, then live, exactly. A subscription is live from the position of a
//     complete snapshot, or from a position that it resumes; never from less.
//   - Resume. Whoever comes back is told what it missed, from memory or from the
//     feed, as long as the feed has it and it is not too much; a restart takes no
//     snapshot.
//   - Tiling. A delta covers every change in (p, q] of its subscription, those
//     that were filtered out or replaced by newer ones included, and p is the q
//     of the frame before it. After the last delta the client has what a
//     snapshot at its q would have.
//   - Whole ticks. A read of the feed is applied whole or, when it does not follow
//     from what came before, resets the subscriptions of its tenant. A read that
//     fails changes nothing; heartbeats tell how long ago the last one was.
//   - Slow clients. What waits for a connection is one entry per entity, the
//     newest. Above a limit it is dropped and the subscription is reset; a client
//     that takes nothing for long is closed. No client delays another one.
//   - Tenants. A connection sees the rows of its peer's tenant and no other's. The
//     bearer of a link sees one shipment, and of it what is public; not even that
//     others changed.
//   - Age. A connection is ended after some hours, each after others, and whoever
//     is revoked at once: then nothing more is sent.
//
// # Concurrency
//
// [Hub.Run] owns the loop that reads and publishes; only it moves tenants along.
// It has two more goroutines, for the feed's hints and for looking after
// connections, and one for each snapshot or board that is being read; all end before it
// returns. What waits for connections is written by a few goroutines for them
// all, which exist only while there is something to write; a connection has one of
// its own while its socket takes no more and is waited for ([Prompt]; for another
// [Socket] during every write), while a ping waits for its answer, and while it is
// closed.
//
// There is one lock in the hub, for tenants, groups and the stations of
// subscriptions, one in each connection, for what waits to be sent, and one for
// the queue of those who have something to be written. They are taken in this order,
// never the other way round. No lock is held while a port is called or a channel
// blocks.
//
// # Not here
//
// Sockets, handshakes and the reading of client frames belong to package
// gateway; tables and queries to package readmodel, which implements the ports.
package fanout
