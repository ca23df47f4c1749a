package tracking

import (
	"slices"

	"github.com/waybill-io/waybill/events"
)

// Anomaly says what is odd about a timeline entry.
type Anomaly string

// The anomalies.
const (
	ClockSkew          Anomaly = "clock_skew"          // lies in our future: does not count
	SecondCreate       Anomaly = "second_create"       // another one counts: changes nothing
	Regression         Anomaly = "regression"          // the status cannot go there: moved nothing
	MovedAfterCancel   Anomaly = "moved_after_cancel"  // a cancelled parcel moved
	Misplaced          Anomaly = "misplaced"           // cannot stand in this stream
	AssignmentReplaced Anomaly = "assignment_replaced" // another assignment of the same moment counts
	RetractionStands   Anomaly = "retraction_stands"   // a retraction cannot be retracted
)

// Twin names another entry of the same stream.
type Twin struct {
	Source events.Source
	ID     events.EventID
}

// Mark is what a fold has to say of a timeline entry.
type Mark struct {
	DuplicateOf Twin // zero when it is no copy
	RetractedBy Twin // zero when it stands
	Anomalies   []Anomaly
	Unmatched   bool // no shipment had the number then
}

// Marks are the marks of the entries that have one.
type Marks map[Ref]Mark

// Note adds an anomaly to an entry.
func (m Marks) Note(ref Ref, a Anomaly) {
	mark := m[ref]
	if i, found := slices.BinarySearch(mark.Anomalies, a); !found {
		mark.Anomalies = slices.Insert(slices.Clip(mark.Anomalies), i, a)
	}
	m[ref] = mark
}

func (m Marks) note(f *Fact, a Anomaly) { m.Note(f.Ref(), a) }

// IsZero reports that there is nothing to say.
func (m Mark) IsZero() bool { return m.Equal(Mark{}) }

// Equal reports whether two marks say the same.
func (m Mark) Equal(o Mark) bool {
	return m.DuplicateOf == o.DuplicateOf && m.RetractedBy == o.RetractedBy &&
		m.Unmatched == o.Unmatched && slices.Equal(m.Anomalies, o.Anomalies)
}
