package fanout

// Counter names something that the hub counts.
type Counter string

// The counters; the label that each has stands behind it.
const (
	CountFrames       Counter = "frames_sent"   // type
	CountBytes        Counter = "bytes_sent"    // none
	CountConflated    Counter = "conflated"     // none
	CountResets       Counter = "resets"        // code
	CountResumes      Counter = "resumes"       // outcome: accepted, history, epoch, authz, filter
	CountSnapshots    Counter = "snapshots"     // none
	CountSnapshotRows Counter = "snapshot_rows" // none
	CountSlow         Counter = "slow"          // action: drop, close
	CountTickFailures Counter = "tick_failures" // none
	CountSubscribes   Counter = "subscribes"    // outcome: accepted or the code of the error
)

// Timing names something whose duration the hub measures.
type Timing string

// The timings.
const (
	TimeTick         Timing = "tick"
	TimeSnapshot     Timing = "snapshot"
	TimeRefresh      Timing = "refresh"        // of a reading of counts, a timeline or the alerts
	TimeCommitToSend Timing = "commit_to_send" // from the commit to the frame being taken by the socket's writer
)

// Stats are the gauges of a hub at one moment.
type Stats struct {
	Connections   int
	Subscriptions map[Topic]int
	Groups        int
	PendingBytes  int     // of all connections together
	FeedLag       float64 // seconds since the feed was read, when that is longer than it should be
}
