package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
)

// Partition names one partition of a topic.
type Partition struct {
	Topic string
	ID    int32
}

// String reads "topic/id".
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.ID) }

// Record is one record of the log, not yet understood.
type Record struct {
	Partition Partition
	Offset    int64
	events.Message
}

// Bounds are the ends of a partition's log at some moment.
type Bounds struct {
	Start int64 // the first offset still there
	End   int64 // the offset of the next record to be written
}

// Source yields the log.
type Source interface {
	// Run joins the group and calls serve once per generation with the
	// partitions that it was given. The context of serve ends with the
	// generation; the next one begins only after serve has returned, and a nil
	// return rejoins. Run returns nil when ctx ends, and the error of serve.
	Run(ctx context.Context, serve func(ctx context.Context, s Session) error) error
}

// Session is one generation's access to the log.
type Session interface {
	// Assignment names the partitions, sorted, and the cluster they are of.
	Assignment() (cluster string, parts []Partition)
	// Bounds asks the leaders where the logs of parts begin and end now.
	Bounds(ctx context.Context, parts []Partition) (map[Partition]Bounds, error)
	// Peek reads at most so many bytes at once, and at least one batch, whole, or
	// nothing when there is none now. Its errors are those of [Feed.Next].
	Peek(ctx context.Context, part Partition, at int64, most int) (Fetched, error)
	// Open fetches from the given offsets until ctx ends. Several feeds of
	// disjoint partitions may be open at once.
	Open(ctx context.Context, from map[Partition]int64) Feed
	// Home names the partition of the topic that records with this key belong
	// on, unless that is not known.
	Home(topic string, key []byte) (part int32, known bool)
	// Hint tells the group how far the read model is, for lag tools. What it
	// says is never read back.
	Hint(ctx context.Context, next map[Partition]int64) error
}

// Feed yields the records of some partitions, each partition in offset order.
type Feed interface {
	// Next waits for records. Its errors are an [OutOfRangeError], a
	// [CorruptError], or the end of ctx; whatever passes is retried within.
	Next(ctx context.Context) (Fetched, error)
}

// Fetched is what one fetch brought. Transaction markers and aborted records
// are left out of Records but are behind Next.
type Fetched struct {
	Records []Record
	Next    map[Partition]int64 // where each partition that moved goes on
	AtEnd   bool                // nothing more was there: no reason to wait for a fuller batch
}

// OutOfRangeError says that a position no longer lies within its log: records
// were removed before they were read, or the log is another one.
type OutOfRangeError struct {
	Partition Partition
	Position  int64
	Bounds    Bounds
}

// Error reads "topic/0: position 5 outside 10..20".
func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("%s: position %d outside %d..%d", e.Partition, e.Position, e.Bounds.Start, e.Bounds.End)
}

// CorruptError says that the log holds bytes that are no records.
type CorruptError struct {
	Partition Partition
	Offset    int64
	Err       error
}

// Error names the place and the cause.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: corrupt log at offset %d: %v", e.Partition, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// Claim is a partition's position in the read model, held by whoever claimed it
// last.
type Claim struct {
	Epoch    int64 // fences every earlier claim
	Next     int64 // the offset to go on from
	Cluster  string
	LastSeen int64   // the offset of the last record applied, -1 when none
	LastHash []byte  // its hash
	Unclean  bool    // the owner before did not release the partition
	Attempt  Attempt // what owners had in hand when they were killed

	// Parked are the keys whose records wait, with the offset of the dead letter
	// that they wait for. Only a claim tells them.
	Parked map[string]int64
}

// Event is a decoded record.
type Event struct {
	events.Event
	Hash   [32]byte // of its content, as [events.Event.ContentHash]
	Record *Record
}

// Poison is a record that cannot be applied, with the reason.
type Poison struct {
	Record
	Code     string // an [events.Code], or a class of the store
	SQLState string
	Message  string
	Parks    bool // the later records of its key wait until it is settled
}

// Advance moves one partition of a batch.
type Advance struct {
	Partition Partition
	Epoch     int64
	From, To  int64
	LastSeen  int64 // as in Claim, after the batch
	LastHash  []byte
}

// Batch is what one transaction applies: events and dead letters in the order
// they were read, and how far that brings each partition.
type Batch struct {
	Advances []Advance // sorted by partition
	Events   []Event
	Poison   []Poison

	// Parked wait behind a dead letter of their key; one that could not be
	// applied anyway says why.
	Parked []Poison
	// Park is whose conflicts of identity the store answers with a
	// [ConflictError], where it keeps others as dead letters by itself.
	Park Parking
}

// Outcome is what became of an event.
type Outcome string

// The outcomes. Each event has one.
const (
	OutcomeApplied   Outcome = "applied"
	OutcomeLate      Outcome = "late" // applied, but its stream knew something newer
	OutcomeDuplicate Outcome = "duplicate"
	OutcomeConflict  Outcome = "conflict" // other contents under a stored identity
)

// Fate is the outcome of events of a type.
type Fate struct {
	Type    events.Type
	Outcome Outcome
}

// Step is a part of a transaction, and how long it took.
type Step struct {
	Name string
	Took time.Duration
}

// What folds mark beside the anomalies of package tracking.
const (
	AnomalyCopy      tracking.Anomaly = "content_duplicate" // says what another event says
	AnomalyUnmatched tracking.Anomaly = "unmatched"         // no shipment had its number
)

// Applied says what a batch changed.
type Applied struct {
	New        int // events stored
	Duplicates int // copies of stored events, refused by identity
	Conflicts  int // other contents under a stored identity, now dead letters
	Refolds    int // streams folded from their history
	Changes    int // entities that clients see change
	Late       int // events older than what their stream knew
	Commit     time.Duration

	Fates     map[Fate]int             // of all events
	Zones     map[events.TZSource]int  // of those stored
	Anomalies map[tracking.Anomaly]int // marked by this batch and not before
	Steps     []Step                   // in their order, without the commit
}

// Store keeps the read model.
type Store interface {
	// Claim takes the partitions over: it waits for the transaction that an
	// earlier owner has open, and every later one of that owner is fenced.
	Claim(ctx context.Context, owner, cluster string, parts []Partition) (map[Partition]Claim, error)
	// Positions reads where partitions stand without taking them over.
	Positions(ctx context.Context, parts []Partition) (map[Partition]Claim, error)
	// Apply applies a batch in one transaction. It returns [ErrFenced] when
	// another owner has claimed one of the partitions or the positions differ,
	// an [UnparkedError] or a [ConflictError] when other records have to wait,
	// a [DataError] when the batch itself cannot be stored, and an error that
	// says Temporary() == true when it may pass. Any other error is an
	// operator's business. Whatever the error, nothing was changed, unless the
	// connection was lost during commit: then Positions tells.
	Apply(ctx context.Context, b Batch) (Applied, error)
}

// ErrFenced says that a batch was refused because its partition has another
// owner or another position.
var ErrFenced = errors.New("fenced: the partition has another owner or position")

// DataError says that the database refuses the data of a batch. One event of it
// is to blame; the batch without it can be stored.
type DataError struct {
	SQLState string
	Err      error
}

// Error names the SQLSTATE and the cause.
func (e *DataError) Error() string { return fmt.Sprintf("data refused (%s): %v", e.SQLState, e.Err) }

// Unwrap returns the cause.
func (e *DataError) Unwrap() error { return e.Err }
