package tracking

import (
	"time"

	"github.com/waybill-io/waybill/events"
)

// Fact is a stored event with its place among the others.
type Fact struct {
	events.Event
	Hash [32]byte // of its content, as [events.Event.ContentHash]
	Key  Key
}

// NewFact places an event.
func NewFact(e events.Event, hash [32]byte) *Fact {
	return &Fact{Event: e, Hash: hash, Key: keyOf(&e)}
}

// Ref is the fact's identity.
func (f *Fact) Ref() Ref { return Ref{f.Stream(), f.Source, f.ID} }

// When is the moment at which the fact takes effect, or is expected to, in UTC,
// to the microsecond.
func (f *Fact) When() time.Time {
	if f.Class() != events.Actual { // the key says when it was known
		return when(&f.Event, rankOf(f.Type())).UTC()
	}
	return at(f.Key.When)
}

func at(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// Ref is the identity of a timeline entry within its tenant.
type Ref struct {
	Stream events.Stream
	Source events.Source
	ID     events.EventID
}

// maxSkew is how far an event may lie ahead of our own clock.
const maxSkew = 24 * time.Hour

// skewed reports that the source's clock cannot be right.
func (f *Fact) skewed() bool {
	return f.Class() == events.Actual && f.OccurredAt().After(f.IngestedAt.Add(maxSkew))
}

func (f *Fact) retraction() (*events.Retracted, bool) {
	r, ok := f.Data.(*events.Retracted)
	return r, ok
}
