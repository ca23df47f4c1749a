package main

import (
	"fmt"
	"testing"
	"time"
)

func TestEveryChangeOfARowThatTheClientHadIsWaitedFor(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	marks := []mark{{Upto: 3, At: at(-5)}, {Upto: 5, At: at(10)}, {Upto: 9, At: at(20)}}
	log := map[string][]int64{"S-1": {2, 4, 8}, "S-2": {1, 5, 9}}
	tests := []struct {
		name  string
		heard arrival
		want  string // n, least and most milliseconds
	}{
		{"the row was there", arrival{id: "S-1", p: 3, q: 8, had: true, at: at(50)}, "2 40 40"},
		{"the row was not there", arrival{id: "S-1", p: 3, q: 8, at: at(50)}, "1 30 30"},
		{"a change from before the measurement", arrival{id: "S-1", p: 1, q: 2, had: true, at: at(50)}, "0 0 0"},
		{"p is not of the frame, q is", arrival{id: "S-2", p: 5, q: 9, had: true, at: at(25)}, "1 5 5"},
	}
	for _, tt := range tests {
		b := newBook()
		b.heard = []arrival{tt.heard}
		l := &load{began: began, clients: []*client{{book: b}}}
		s := l.waits(log, marks)
		if got := fmt.Sprint(s.N, " ", s.P50, " ", s.Max); got != tt.want {
			t.Errorf("%s: n, p50, max = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestABookHasWhatTheFramesSay(t *testing.T) {
	t.Parallel()
	b := newBook()
	for _, text := range []string{
		`{"t":"snap","sid":1,"page":1,"rows":[{"id":"S-1","v":1},{"id":"S-2","v":1}]}`, `{"t":"live","sid":1,"q":1}`,
		`{"t":"d","sid":1,"p":1,"q":4,"u":[{"id":"S-1","v":2},{"id":"S-3","v":1}],"r":["S-2"]}`,
	} {
		b.keep([]byte(text), time.Now())
	}
	if err := b.read(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"S-1": `{"id":"S-1","v":2}`, "S-3": `{"id":"S-3","v":1}`}
	if n, wrong := b.wrong(want); n != 2 || wrong != 0 {
		t.Errorf("%d rows compared, %d wrong, want 2 and 0", n, wrong)
	}
	want["S-1"], want["S-4"] = "newer", "missing"
	delete(want, "S-3")
	if _, wrong := b.wrong(want); wrong != 3 {
		t.Errorf("%d wrong, want 3: another row, a missing one, one too many", wrong)
	}
}

func TestAgesAreDescribedToATenthOfAMillisecond(t *testing.T) {
	t.Parallel()
	var a ages
	for i := range 1000 {
		a.add(time.Duration(i) * ageStep)
	}
	a.add(time.Hour)
	if s := a.spread(); s.N != 1001 || s.P50 != 50.1 || s.P99 != 99.1 || s.Max != 5000 {
		t.Errorf("spread = %+v", s)
	}
}

func TestAFrameThatDoesNotFollowIsAGap(t *testing.T) {
	t.Parallel()
	l := &load{ages: new(ages)}
	c := &client{load: l}
	for n, want := range map[int64]int64{1: 0, 2: 0, 4: 1} {
		c.q.Store(min(n-1, 2))
		l.gaps.Store(0)
		if err := c.take(hubFrame(n), time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := l.gaps.Load(); got != want {
			t.Errorf("frame %d: %d gaps, want %d", n, got, want)
		}
	}
}
