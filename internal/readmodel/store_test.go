package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

// Whatever the order in which facts arrive, however they are cut into batches
// and however often they are repeated, the rows are the same.
func TestRowsAreAFunctionOfTheSet(t *testing.T) {
	var all []events.Event
	for i := range 25 {
		all = append(all, scenario.Order(7, i)...)
	}
	want := ""
	for run := range 3 {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			r := newRig(t)
			rnd := rand.New(rand.NewPCG(uint64(run), 1))
			evs := append([]events.Event(nil), all...)
			if run > 0 {
				rnd.Shuffle(len(evs), func(i, j int) { evs[i], evs[j] = evs[j], evs[i] })
				evs = append(evs, evs[:len(evs)/4]...)
			}
			for _, batch := range cut(rnd, evs, 60) {
				r.apply(t, batch)
			}
			got := dump(t, r)
			if want == "" {
				want = got
				return
			}
			if diff := diffLines(want, got); diff != "" {
				t.Errorf("rows of run %d differ from run 0 (-want +got):\n%s", run, diff)
			}
		})
	}
}
