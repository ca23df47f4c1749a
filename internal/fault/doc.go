// Package fault names the places where a crash would hurt most, so that tests
// can have one there.
//
// A place calls [Point] with its name. Without the build tag fault that is
// nothing: the call is inlined away. With it, the variable WAYBILL_FAULT says
// what happens where, as name:n:action, separated by commas:
//
//	WAYBILL_FAULT=committed:3:kill      SIGKILL as the place is reached the third time
//	WAYBILL_FAULT=in_transaction:1:stop SIGSTOP; somebody else sends SIGCONT
//	WAYBILL_FAULT=bisecting:0:count     none of it
//	WAYBILL_FAULT=decoding:1042:kill    SIGKILL whenever the record at offset 1042 gets there ([At])
//
// # Promises
//
//   - Nothing in a release: a binary without the tag has no trace of this package
//     and does not read the variable.
//   - With the tag, every place that is named and reached says so on stderr, with
//     the number of times, before its action: "fault: committed hit 3: kill".
//   - A variable that cannot be understood ends the process at its first point,
//     with exit code 2: a test that believes to have crashed something must not
//     pass because of a typing mistake.
//
// # Concurrency
//
// Point may be called from any goroutine; hits are counted over all of them.
//
// # Not here
//
// Faults of the network, of brokers and of databases: tests cause those outside
// of the process.
package fault
