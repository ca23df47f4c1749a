// Package ops is what every command shows to whoever runs it: whether it lives,
// whether it is ready, its metrics and, when asked for, its profiles; and the
// logger that they all write to.
//
// A [Server] answers on a port of its own, which is not for the public:
//
//	/healthz       200 while the process answers, whatever it depends on
//	/readyz        200 when every [Check] is ok, else 503; the body names them
//	/metrics       the registry, in the format of Prometheus
//	/debug/pprof/  profiles, when enabled
//
// # Promises
//
//   - Liveness never looks at a dependency: a restart does not repair a database.
//   - A check is not ok until its component says so.
//   - A port that is in use is an error of [Listen], before anything else starts.
//
// # Concurrency
//
// Everything may be used from any goroutine. [Server.Run] owns the goroutines of
// the server and returns after the last of them.
//
// # Not here
//
// What is measured: each package registers its own metrics. What readiness means
// to a component: it calls [Check.Set].
package ops
