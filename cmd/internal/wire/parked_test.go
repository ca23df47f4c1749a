package wire_test

import (
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/wire"
)

func TestMetricsTellWhatWaitsBehindDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWatched(t, func(p *wire.Projection) {
		if err := p.Park.UnmarshalText([]byte("order.confirmed.*")); err != nil {
			t.Fatal(err)
		}
	})
	w.wantValues(t, map[string]float64{"waybill_parked_keys": 0, "waybill_parked_records": 0})
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	first := w.order(t)
	bad := w.confirmed(t, subject(first), "e-bad", at)
	bad.Value = []byte("{")
	w.produce(t, first, bad, w.confirmed(t, subject(first), "e-1", at), w.confirmed(t, subject(first), "e-2", at))
	w.wantValues(t, map[string]float64{
		"waybill_projector_events_total order.confirmed.v1 parked":      2,
		"waybill_projector_events_total order.confirmed.v1 dead_letter": 1,
		"waybill_projector_events_total":                                4,
		"waybill_projector_next_offset":                                 4,
		"waybill_log_lag_records":                                       0,
		"waybill_dead_letters_unhandled malformed_json":                 1,
		"waybill_parked_keys":                                           1,
		"waybill_parked_records":                                        2,
	})
}
