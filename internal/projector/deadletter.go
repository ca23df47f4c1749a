package projector

import (
	"context"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fault"
)

// DeadLetter is a record that could not be applied, as the store keeps it.
type DeadLetter struct {
	Poison
	Attempts int // how often it was tried, its first time included
}

// DeadLetters is where copies of dead letters are published for others to see.
// The store has the letters themselves.
type DeadLetters interface {
	// Publish writes copies of letters, all of one partition, in their order. It
	// returns nil once all of them are acknowledged; after an error some of them
	// may have been written.
	Publish(ctx context.Context, letters []DeadLetter) error
}

// Decode reads a record with what this program knows, and holds it against its
// topic. Which partition it lies on matters in the log alone, and not to a dead
// letter that is replayed.
func Decode(r *Record) (Event, error) {
	fault.At("decoding", r.Offset)
	e, err := events.Decode(r.Message)
	if err != nil {
		return Event{}, newerOr(r, err)
	}
	if e.Stream().Topic() != r.Partition.Topic && isOurs(r.Partition.Topic) {
		return Event{}, &events.Error{Code: events.CodeSchema, Field: "type", Detail: "does not belong on this topic"}
	}
	hash, err := e.ContentHash()
	if err != nil {
		return Event{}, err
	}
	return Event{Event: e, Hash: hash, Record: r}, nil
}

// NewPoison says of a record why it was refused: with the code of an error of
// [Decode].
func NewPoison(r *Record, err error) Poison { return poisonOf(r, err) }
