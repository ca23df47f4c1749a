package tracking

import (
	"slices"

	"github.com/waybill-io/waybill/events"
)

// ledger is a stream's facts sorted out: those that count, in order, and marks
// on those that do not.
type ledger struct {
	facts      []*Fact // happened, by key
	estimates  []*Fact // estimated or planned, by key
	marks      Marks
	retracting map[Twin]Twin // target → the retraction that takes it back
	newest     Key           // of all facts that happened and stand, copies included
	stored     int           // different facts, whether they count or not
}

// count applies the rules of what counts, in their order: identity, retraction,
// clock skew, copies.
func count(all []*Fact) *ledger {
	l := &ledger{marks: Marks{}, retracting: map[Twin]Twin{}}
	facts := distinct(all)
	l.stored = len(facts)
	l.collectRetractions(facts)
	standing := make([]*Fact, 0, len(facts))
	for _, f := range facts {
		if l.stands(f) {
			standing = append(standing, f)
		}
	}
	l.sortOut(standing)
	return l
}

// distinct sorts facts by key, which leaves copies of one identity side by
// side, and keeps one of each.
func distinct(all []*Fact) []*Fact {
	facts := slices.Clone(all)
	slices.SortFunc(facts, func(a, b *Fact) int { return a.Key.Compare(b.Key) })
	return slices.CompactFunc(facts, func(a, b *Fact) bool { return a.Ref() == b.Ref() })
}

func (l *ledger) collectRetractions(facts []*Fact) {
	retractions := map[Twin]bool{}
	for _, f := range facts {
		if _, ok := f.retraction(); ok {
			retractions[twin(f)] = true
		}
	}
	for _, f := range facts {
		r, ok := f.retraction()
		if !ok {
			continue
		}
		target := Twin{r.RetractedSource, r.RetractedID}
		if retractions[target] {
			l.marks.note(f, RetractionStands)
			continue
		}
		if _, taken := l.retracting[target]; !taken {
			l.retracting[target] = twin(f)
		}
	}
}

// stands reports whether a fact is neither retracted nor skewed, and marks it
// otherwise.
func (l *ledger) stands(f *Fact) bool {
	if by, ok := l.retracting[twin(f)]; ok {
		mark := l.marks[f.Ref()]
		mark.RetractedBy = by
		l.marks[f.Ref()] = mark
		return false
	}
	if f.skewed() {
		l.marks.note(f, ClockSkew)
		return false
	}
	return true
}

// sortOut takes copies out and parts what happened from what is expected. The
// original is the one with the smallest key; facts come in that order.
func (l *ledger) sortOut(standing []*Fact) {
	originals := make(map[[32]byte]Twin, len(standing))
	l.facts = make([]*Fact, 0, len(standing))
	for _, f := range standing {
		if f.Class() == events.Actual {
			l.newest = f.Key
		}
		if original, ok := originals[f.Hash]; ok {
			mark := l.marks[f.Ref()]
			mark.DuplicateOf = original
			l.marks[f.Ref()] = mark
			continue
		}
		originals[f.Hash] = twin(f)
		if f.Class() == events.Actual {
			l.facts = append(l.facts, f)
		} else {
			l.estimates = append(l.estimates, f)
		}
	}
}

func twin(f *Fact) Twin { return Twin{f.Source, f.ID} }
