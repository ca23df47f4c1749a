package readmodel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/share"
)

// Shared returns what the link that a secret opens shows. It implements
// [share.Store].
func (r *Reader) Shared(ctx context.Context, secret share.Secret) (share.Shipment, error) {
	l, err := r.Link(ctx, secret)
	if err != nil {
		return share.Shipment{}, err
	}
	var s share.Shipment
	err = r.read(ctx, []events.TenantID{l.Tenant}, func(tx pgx.Tx) (err error) {
		if s, err = readShared(ctx, tx, l); err != nil {
			return err
		}
		all, err := readTimeline(ctx, tx, l.Tenant, events.Stream{Kind: events.ShipmentStream, ID: string(l.Shipment)})
		s.Events = publicEvents(all)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return share.Shipment{}, share.ErrNotFound
	}
	if err != nil {
		return share.Shipment{}, fmt.Errorf("read what a link shows: %w", err)
	}
	return s, nil
}

func readShared(ctx context.Context, tx pgx.Tx, l share.Link) (s share.Shipment, err error) {
	const query = `-- name: read_shared
		SELECT status, status_since, carrier, parcel_count, eta_start, eta_end, promise_start, promise_end, promise_on, last_scan_at
		  FROM shipments WHERE tenant_id = $1 AND shipment_id = $2`
	var since, etaFrom, etaTo, promiseFrom, promiseTo, promiseOn, last *time.Time
	var carrier *string
	err = tx.QueryRow(ctx, query, string(l.Tenant), string(l.Shipment)).
		Scan(&s.Status, &since, &carrier, &s.Parcels, &etaFrom, &etaTo, &promiseFrom, &promiseTo, &promiseOn, &last)
	s.StatusSince, s.Carrier, s.LastScan = instant(since), events.SCAC(orZero(carrier)), instant(last)
	s.ETA = share.Span{From: instant(etaFrom), To: instant(etaTo)}
	s.Promise, s.PromiseDay = share.Span{From: instant(promiseFrom), To: instant(promiseTo)}, instant(promiseOn)
	return s, err
}

// sharedMost is how many events a link shows at most, the newest.
const sharedMost = 200

// publicEvents are the facts that count and are of a type that is shown, and of
// each what is: its time and its city.
func publicEvents(all []placed) []share.Event {
	slices.SortFunc(all, func(a, b placed) int { return a.at.compare(b.at) })
	var shown []share.Event
	for i := range all {
		e := &all[i].Entry
		off := e.Marks.DuplicateOf != nil || e.Marks.RetractedBy != nil || e.Marks.Unmatched
		if !off && e.Class == events.Actual && share.Public(e.Type) {
			shown = append(shown, publicEvent(e))
		}
	}
	return shown[max(0, len(shown)-sharedMost):]
}

func publicEvent(e *query.Entry) share.Event {
	var data struct {
		Location struct {
			City    string `json:"city"`
			Region  string `json:"region"`
			Country string `json:"country"`
		} `json:"location"`
	}
	_ = json.Unmarshal([]byte(e.Data), &data) // an event without a place has none to show
	at := e.OccurredAt
	if e.TZSource == events.TZAssumedUTC || e.TZSource == events.TZUnknown {
		at = at.UTC()
	}
	return share.Event{
		Type: e.Type, At: at, Precision: e.Precision,
		City: data.Location.City, Region: data.Location.Region, Country: data.Location.Country,
	}
}
