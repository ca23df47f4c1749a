// Package stacktest gives the tests of other packages a database and a broker
// of their own, on servers that it starts for them or that the environment
// names.
//
// The servers are package devstack's unless TEST_DATABASE_URL names a Postgres
// server, whose user may create databases, or TEST_KAFKA_BROKERS lists real
// Kafka brokers, separated by commas.
//
// # Promises
//
//   - A database is empty and nobody else's; it is dropped when the test ends.
//   - One Postgres server serves a test binary. It is started by the first test
//     that asks, and stopped, its files removed, when the binary ends, however
//     it ends: no TestMain has to do anything about it.
//   - Where there is no server to run, the test is skipped with a sentence that
//     says what to install; when CI=true, it fails.
//
// # Concurrency
//
// Everything may be called from parallel tests. What a test is given leaves no
// goroutine behind when it ends, and the shared server has none, so a goleak
// check needs no exception.
//
// # Not here
//
// Schemas: a package brings its own migrations.
package stacktest
