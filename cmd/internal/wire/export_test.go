package wire

import "time"

// Behind is how far a partition is behind.
type Behind = behind

// Look compares a position with the end of the log.
func Look(b Behind, now time.Time, next, end int64) (after Behind, records int64, waiting time.Duration) {
	b = b.look(now, next, end)
	return b, b.records, b.waiting
}

// Confine is confine.
var Confine = confine
