package scenario

import (
	"reflect"
	"slices"
	"time"

	"github.com/waybill-io/waybill/events"
)

// warp turns a story's time into the time at which it is told. It remembers when
// the story reached which of its times, so that what happened before gets the
// time at which it would have been told; the future is guessed at a fixed pace.
type warp struct {
	points []point
	pace   float64 // clock time per story time
}

// point is a time of the story and of the clock, in nanoseconds since 1970.
type point struct{ story, clock int64 }

// memory is how far back the story looks: the latest scans are three days late.
const memory = 10 * 24 * time.Hour

func newWarp(start time.Time, pace float64) *warp {
	return &warp{points: []point{{start.UnixNano(), start.UnixNano()}}, pace: pace}
}

// reach notes that the story has come to a time now.
func (w *warp) reach(story int64, now time.Time) {
	if story <= w.points[len(w.points)-1].story {
		return
	}
	w.points = append(w.points, point{story, now.UnixNano()})
	if old := w.find(story - int64(memory)); old > len(w.points)/2 {
		w.points = slices.Clone(w.points[old-1:])
	}
}

// find is the index of the first point that is not before a time of the story.
func (w *warp) find(story int64) int {
	i, _ := slices.BinarySearchFunc(w.points, story, func(p point, s int64) int {
		switch {
		case p.story < s:
			return -1
		case p.story > s:
			return 1
		default:
			return 0
		}
	})
	return i
}

// clock is when a time of the story was or will be.
func (w *warp) clock(story int64) int64 {
	i := w.find(story)
	switch last := w.points[len(w.points)-1]; {
	case i == len(w.points):
		return last.clock + int64(float64(story-last.story)*w.pace)
	case i == 0:
		first := w.points[0]
		return first.clock + int64(float64(story-first.story)*w.pace)
	}
	a, b := w.points[i-1], w.points[i]
	share := float64(story-a.story) / float64(b.story-a.story)
	return a.clock + int64(share*float64(b.clock-a.clock))
}

// event is an event of a tale with the times of the clock. They are kept in the
// tale: what arrives again is the same.
func (w *warp) event(a arrival) events.Event {
	e := &a.tale.told[a.event]
	if a.again {
		return *e
	}
	turn := func(t time.Time) time.Time {
		return time.Unix(0, w.clock(t.Add(a.tale.shift).UnixNano())).Truncate(time.Microsecond).In(t.Location())
	}
	if !a.copied {
		retime(reflect.ValueOf(e.Data).Elem(), turn)
	}
	e.Time, e.RecordedAt, e.IngestedAt = e.OccurredAt(), turn(e.RecordedAt), turn(e.IngestedAt)
	return *e
}

// retime turns every time in an event's data.
func retime(v reflect.Value, turn func(time.Time) time.Time) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*events.Location]() {
			retime(v.Elem(), turn)
		}
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](v); ok {
			if !t.IsZero() {
				v.Set(reflect.ValueOf(turn(t)))
			}
			return
		}
		for _, field := range v.Fields() {
			retime(field, turn)
		}
	default:
	}
}
