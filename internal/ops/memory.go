package ops

import (
	"os"
	"runtime/debug"
)

// rarely is how much garbage there may be beside what lives before it is
// collected, in percent, where a limit keeps that from growing without end.
const rarely = 300

// LimitMemory has the collector keep this process below a number of bytes, and
// work less while it is. It is no wall: what is alive stays. GOMEMLIMIT and
// GOGC, where they are set, are stronger.
func LimitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(rarely)
	}
}

// sparingly is how much garbage there may be, in percent, where most of the
// memory lives long and little garbage is made.
const sparingly = 15

// SpareMemory has the collector run more often than usual: it suits a process
// whose memory is many connections at rest. GOGC, where it is set, is stronger.
func SpareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(sparingly)
	}
}
