// Package devstack runs a Kafka-protocol broker and a Postgres server for
// cmd/dev and for tests, so that a newcomer needs nothing but Go. Production
// imports none of it: there the broker and the database are given by URL.
//
// [StartPostgres] makes and runs a private cluster out of the machine's own
// Postgres, 15 or newer, or out of a downloaded one. [StartBroker] runs
// franz-go's kfake inside this process. Both keep their data in a directory of
// their own, or in none.
//
// # Promises
//
//   - Loopback only. Both listen on 127.0.0.1 and nowhere else. Postgres asks
//     for a password, generated once and kept beside the data with mode 0600.
//   - Durability. What either has acknowledged survives a restart and a kill -9
//     of this process: Postgres by its WAL; kfake writes each batch to its
//     segment file before it answers. A power cut may cost the broker its last
//     seconds unless [BrokerConfig.Sync] is set; Postgres loses nothing unless
//     [PostgresConfig.NoSync] is set.
//   - One stack per directory. A second one is refused with the pid of the
//     first. After a kill -9 the next start waits until what the dead process
//     left behind has stopped, then goes on with its data.
//   - Only its own. A directory that holds anything not made by this package is
//     neither used nor wiped.
//   - No strays. Postgres runs under a small shell supervisor that holds one
//     end of a pipe. When this process closes the other end, or dies in
//     whatever way, the supervisor stops the server: a fast shutdown, after 4
//     seconds an immediate one, after 6 a kill. Close takes the same path.
//   - Signals. Server and supervisor have a session of their own: Ctrl-C on the
//     terminal reaches only this process, which then stops them in order.
//   - Root. Postgres refuses to run as root, so there it runs as the user
//     postgres, or nobody, who is given the directory. Where a directory above
//     it is closed to that user, the server is granted CAP_DAC_READ_SEARCH on
//     Linux; where that cannot be had, the error names the directory.
//
// # Concurrency
//
// A Postgres owns no goroutine, so a leak test needs no exception for one that
// lives as long as the process. A Broker owns kfake's goroutines until Close.
// The methods of both may be called from any goroutine.
//
// # Not here
//
// Migrations and roles belong to package readmodel. Real Kafka and a real
// server come by URL. Windows is not supported; cmd/dev runs there under WSL.
package devstack
