package fanouttest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// Frames of one subscription, as the tests put them together.
const shape = "9f2c11ab03d5e7f1"

func row(id string, v int) string {
	return fmt.Sprintf(`{"id":%q,"v":%d,"status":"in_transit","parcels":1,"open_exceptions":0,"late":false,"disputed":false,"gap":false}`, id, v)
}

func entry(id string) string {
	return fmt.Sprintf(`{"stream":"shipment","stream_id":"S-1","source":"erp","id":%q,"type":"shipment.departed.v1","class":"ACT",
		"occurred_at":"2026-03-02T09:30:00+01:00","tz_source":"offset","time_precision":"second","recorded_at":"2026-03-02T08:30:02Z",
		"ingested_at":"2026-03-02T08:30:03Z","arrived_late":false,"data":{},"marks":{"unmatched":false}}`, id)
}

func snap(page int, more bool, rows ...string) string {
	return fmt.Sprintf(`{"t":"snap","sid":1,"epoch":"e1","page":%d,"rows":[%s],"more":%t}`, page, strings.Join(rows, ","), more)
}

func live(q, rows int) string {
	return fmt.Sprintf(`{"t":"live","sid":1,"epoch":"e1","shape":%q,"q":%d,"resumed":false,"rows":%d}`, shape, q, rows)
}

func resumed(q int) string {
	return fmt.Sprintf(`{"t":"live","sid":1,"epoch":"e1","shape":%q,"q":%d,"resumed":true}`, shape, q)
}

func delta(p, q int, rows ...string) string {
	return fmt.Sprintf(`{"t":"d","sid":1,"p":%d,"q":%d,"u":[%s],"r":[],"n":%d}`, p, q, strings.Join(rows, ","), len(rows))
}

func ev(p, q int, entries, gone []string) string {
	return fmt.Sprintf(`{"t":"ev","sid":1,"p":%d,"q":%d,"e":[%s],"r":[%s]}`, p, q, strings.Join(entries, ","), strings.Join(gone, ","))
}

func beat(q int) string {
	return fmt.Sprintf(`{"t":"hb","now":1,"lag_ms":0,"q":{"1":%d},"quarantined":0}`, q)
}

const reset = `{"t":"reset","sid":1,"code":"slow","retry_ms":0}`

func identity(id string) string { return fanouttest.EntryKey("shipment", "S-1", "erp", id) }

// told is a book that was sent these frames, each in a message of its own. What
// is written on more than one line here is one frame all the same.
func told(b *fanouttest.Book, frames ...string) *fanouttest.Book {
	b.Ask(1, nil)
	tell(b, frames...)
	return b
}

func tell(b *fanouttest.Book, frames ...string) {
	for _, f := range frames {
		b.Message([]byte(strings.ReplaceAll(f, "\n", "")))
	}
}

func TestABookSeesWhatBreaksTheProtocol(t *testing.T) {
	opening := []string{snap(1, false, row("S-1", 3)), live(5, 1)}
	tests := []struct {
		name   string
		frames []string
		want   string // part of the only violation; "" for none
	}{
		{"nothing", append(slices.Clone(opening), delta(5, 7, row("S-1", 4)), beat(7)), ""},
		{"a delta that leaves something out", append(slices.Clone(opening), delta(6, 7)), "does not tile"},
		{"a delta that goes back", append(slices.Clone(opening), delta(5, 4)), "goes back"},
		{"a delta before live", []string{delta(5, 6)}, "while not live"},
		{"a row that goes back", append(slices.Clone(opening), delta(5, 6, row("S-1", 2))), "revision 3 back to 2"},
		{"live on one of two pages", []string{snap(1, true, row("S-1", 1)), live(5, 1)}, "without a complete snapshot"},
		{"live on nothing", []string{live(5, 0)}, "without a complete snapshot"},
		{"live with another number of rows", []string{snap(1, false, row("S-1", 1)), live(5, 2)}, "with 2 rows"},
		{"a row that is twice in a snapshot", []string{snap(1, false, row("S-1", 1), row("S-1", 1))}, "twice"},
		{"a page that is missing", []string{snap(1, true, row("S-1", 1)), snap(3, false)}, "page 3 after page 1"},
		{"a snapshot out of the blue", append(slices.Clone(opening), snap(1, false)), "without a reset"},
		{"a snapshot of before", append(slices.Clone(opening), reset, snap(1, false, row("S-1", 3)), live(4, 1)), "a snapshot at 4 after position 5"},
		{"a snapshot with a row of before", append(slices.Clone(opening), reset, snap(1, false, row("S-1", 2)), live(6, 1)), "revision 3 back to 2"},
		{"a resume that nobody asked for", []string{resumed(5)}, "asked was"},
		{"a heartbeat that speaks of what did not come", append(slices.Clone(opening), beat(6)), "was sent 6"},
		{"a frame that is not published", []string{`{"t":"live","sid":1,"epoch":"e1","shape":"x","q":5,"resumed":false,"rows":0}`}, "not as published"},
		{"a member that is not published", []string{`{"t":"hb","x":1}`}, "unknown"},
		{"an entry twice in a frame", []string{snap(1, false), live(5, 0), ev(5, 6, []string{entry("e-1"), entry("e-1")}, nil)}, "twice"},
		{"an entry that comes and goes", []string{snap(1, false), live(5, 0), ev(5, 6, []string{entry("e-1")}, []string{identity("e-1")})}, "twice"},
		{"an event that leaves something out", []string{snap(1, false), live(5, 0), ev(6, 7, nil, nil)}, "does not tile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := told(fanouttest.NewBook(), tt.frames...).Violations()
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("violations %q, want none", got)
			case tt.want != "" && !slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, tt.want) }):
				t.Errorf("violations %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestABookSeesWhatIsNotItsTenants(t *testing.T) {
	b := fanouttest.NewBook()
	b.Prefix, b.Canaries = "S-", []string{"nobody elses"}
	told(b, snap(1, false, row("Z-1", 1)), `{"t":"err","code":"internal","msg":"nobody elses","retry_ms":0}`)
	if got := b.Violations(); len(got) != 2 {
		t.Errorf("violations %q, want one of a foreign row and one of a canary", got)
	}
	b = fanouttest.NewBook()
	b.Prefix = "Z-"
	told(b, snap(1, false, entry("Z-1")))
	if got := b.Violations(); len(got) != 1 {
		t.Errorf("violations %q, want one of an entry of a foreign stream", got)
	}
}

// A log goes on where it was over a resume, and begins anew with a snapshot.
func TestAViewOfALogKeepsWhatCameInItsOrder(t *testing.T) {
	first := told(fanouttest.NewBook(), snap(1, false, entry("e-0")), live(5, 1), ev(5, 6, []string{entry("e-2"), entry("e-1")}, nil))
	second := fanouttest.NewBook()
	second.Ask(1, first.View(1))
	tell(second, resumed(6), ev(6, 9, []string{entry("e-3")}, []string{identity("e-0")}))
	v := second.View(1)
	if diff := cmp.Diff([]string{identity("e-2"), identity("e-1"), identity("e-3")}, v.Log); diff != "" || v.From != 5 || v.Pos != 9 {
		t.Errorf("from %d to %d, log (-want +got):\n%s", v.From, v.Pos, diff)
	}
	if v.Rows[identity("e-0")] != nil || len(v.Rows) != 3 || v.Removed[identity("e-0")] != 1 {
		t.Errorf("entries %v, want e-1, e-2, e-3", v.Rows)
	}
	tell(second, reset, snap(1, false, entry("e-3")), live(12, 1))
	if v := second.View(1); len(v.Log) != 0 || v.From != 12 || len(v.Rows) != 1 {
		t.Errorf("after a reset: from %d, log %v, %d entries; want 12, none, 1", v.From, v.Log, len(v.Rows))
	}
	for _, b := range []*fanouttest.Book{first, second} {
		for _, v := range b.Violations() {
			t.Error(v)
		}
	}
}
