package events

import "time"

// AtPlace is the instant at which the clocks of a zone show what wall shows in
// UTC, for sources that write no offset. A time that the clocks skip is taken
// with the offset before the gap, so that 00:30 becomes 01:30; one that they show
// twice is the first of the two.
func AtPlace(wall time.Time, zone *time.Location) time.Time {
	const day = 24 * time.Hour
	_, before := wall.Add(-day).In(zone).Zone()
	_, after := wall.Add(day).In(zone).Zone()
	early := wall.Add(-time.Duration(before) * time.Second).In(zone)
	if _, is := early.Zone(); is == before || before == after {
		return early
	}
	late := wall.Add(-time.Duration(after) * time.Second).In(zone)
	if _, is := late.Zone(); is == after {
		return late
	}
	return early
}
