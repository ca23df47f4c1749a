package tracking

import (
	"slices"
	"time"
)

// Basis says by which time of the facts a view of the past is taken.
type Basis string

// The bases. Of the first, what is recorded later changes the view; of the
// second, nothing does but a fact with an earlier time of recording.
const (
	ByOccurrence Basis = "occurred" // what had happened by then, as far as is known today
	ByKnowledge  Basis = "known"    // what had been recorded by then
)

// AsOf is a moment to look from, and the basis.
type AsOf struct {
	At    time.Time
	Basis Basis
}

// OccurredBy is what a view by occurrence is folded from: the facts whose When
// is not after t, estimates too, and all retractions, whatever their times: what
// is known today not to have happened did not happen then either.
func OccurredBy(facts []*Fact, t time.Time) []*Fact {
	return AsOf{t, ByOccurrence}.Facts(facts)
}

// KnownBy is what a view by knowledge is folded from: the facts that their
// sources had recorded by t, of the retractions only these as well.
func KnownBy(facts []*Fact, t time.Time) []*Fact {
	return AsOf{t, ByKnowledge}.Facts(facts)
}

// Facts are the facts of a stream that the view is folded from.
func (a AsOf) Facts(facts []*Fact) []*Fact {
	return slices.DeleteFunc(slices.Clone(facts), func(f *Fact) bool { return !a.Sees(f) })
}

// Sees reports whether the view is folded from a fact, among others. It compares
// microseconds, as sort keys do.
func (a AsOf) Sees(f *Fact) bool {
	if _, retracts := f.retraction(); retracts && a.Basis == ByOccurrence {
		return true
	}
	return a.Reaches(f)
}

// Reaches reports whether a fact lies before the view's end by the view's own
// basis. It differs from Sees for retractions that happened later: they are
// folded and yet are no part of what was there then.
func (a AsOf) Reaches(f *Fact) bool {
	if a.Basis == ByKnowledge {
		return f.RecordedAt.UnixMicro() <= a.At.UnixMicro()
	}
	return f.When().UnixMicro() <= a.At.UnixMicro()
}

// Began reports whether a stream had any fact then.
func (a AsOf) Began(facts []*Fact) bool { return slices.ContainsFunc(facts, a.Reaches) }
