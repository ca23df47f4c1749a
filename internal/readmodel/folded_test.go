package readmodel_test

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/tracking"
	"github.com/waybill-io/waybill/internal/tracking/trackingtest"
)

// rowsOf are the main columns of a tenant's rows: what a fold of all its events
// says directly, without the columns that are made of others or that only the
// writer reads. A moment that nobody knows is nil.
type rowsOf struct {
	Orders     map[string]orderCols
	Lines      map[string]lineCols
	Shipments  map[string]shipmentCols
	Parcels    map[string]parcelCols
	Contents   map[string]contentCols
	Exceptions map[string]exceptionCols
	Numbers    map[string]numberCols
	Estimates  map[string]estimateCols
	Marks      map[string]markCols
	Unmatched  map[string]unmatchedCols
}

type moment = *time.Time

type orderCols struct {
	OrderID                                                            string
	Known                                                              bool
	Status                                                             string
	Revision                                                           int64
	Number, Payment                                                    string
	Holds, Returns, Flags                                              []string
	PlacedAt, ConfirmedAt, CancelledAt, ClosedAt, ShippedAt, DeliverAt moment
	Ordered, Cancelled, Allocated, Shipped, Delivered, Returned, Lost  int64
}

type lineCols struct {
	OrderID, LineID                                                                string
	Ordered, Cancelled, Allocated, Backordered, Shipped, Delivered, Returned, Lost int64
}

type shipmentCols struct {
	ShipmentID                          string
	Known                               bool
	Status                              string
	Since                               moment
	Revision                            int64
	Direction, Original, Carrier        string
	EtaStart, EtaEnd                    moment
	ParcelCount                         int
	Numbers, OrderIDs                   []string
	FirstScanAt, LastScanAt             moment
	LastScanType, LastLocation          string
	OpenExceptions, Exceptions          int
	Disputed, Gap, Damaged, CustomsHeld bool
}

type parcelCols struct {
	ShipmentID, ParcelID, Status                                                               string
	Since, FirstScanAt, LastScanAt, HandedOverAt, AvailableAt, FirstAttemptAt, DeliveredAt, On moment
	Attempts                                                                                   int
	Disputed, Gap                                                                              bool
}

type contentCols struct {
	ShipmentID, OrderID, LineID, ParcelID, Direction string
	Qty, Shipped, Delivered, Returned, Lost          int64
	HandedOverAt, DeliveredAt                        moment
}

type exceptionCols struct {
	ShipmentID, ExceptionID, ParcelID, Status, ReasonCode, Party string
	OpenedAt, ResolvedAt                                         moment
}

type numberCols struct {
	Carrier, Number, ShipmentID, ParcelID, Source, EventID string
	From, To                                               moment
	Lost                                                   bool
}

type estimateCols struct {
	ShipmentID, Entry, Type, Class string
	Start, End, KnownAt            moment
}

type markCols struct {
	Entry, DuplicateOf, RetractedBy string
	Anomalies                       []string
	Unmatched                       bool
}

type unmatchedCols struct{ Entry, Type string }

// keyed are the columns of a table, under the text of their key.
type keyed interface{ key() string }

func (c orderCols) key() string    { return c.OrderID }
func (c lineCols) key() string     { return c.OrderID + " " + c.LineID }
func (c shipmentCols) key() string { return c.ShipmentID }
func (c parcelCols) key() string   { return c.ShipmentID + " " + c.ParcelID }
func (c contentCols) key() string {
	return strings.Join([]string{c.ShipmentID, c.OrderID, c.LineID, c.ParcelID}, " ")
}
func (c exceptionCols) key() string { return c.ShipmentID + " " + c.ExceptionID }
func (c numberCols) key() string {
	return strings.Join([]string{c.Carrier, c.Number, c.ShipmentID, c.Source, c.EventID}, " ")
}
func (c estimateCols) key() string  { return c.Entry }
func (c markCols) key() string      { return c.Entry }
func (c unmatchedCols) key() string { return c.Entry }

func put[T keyed](rows map[string]T, row T) { rows[row.key()] = row }

// mainRows reads the main columns of a tenant.
func (r *rig) mainRows(t testing.TB, tenant events.TenantID) rowsOf {
	t.Helper()
	const entry = `stream || ' ' || stream_id || ' ' || source || ' ' || event_id`
	return rowsOf{
		Orders: rowsIn[orderCols](t, r, tenant, `order_id, known, status, revision, coalesce(number, ''), payment, holds, returns_open, flags, placed_at, confirmed_at,
			cancelled_at, closed_at, shipped_at, delivered_at, ordered, cancelled, allocated, shipped, delivered, returned, lost FROM rm_1.orders`),
		Lines: rowsIn[lineCols](t, r, tenant, `order_id, line_id, ordered, cancelled, allocated, backordered, shipped, delivered, returned, lost FROM rm_1.order_lines`),
		Shipments: rowsIn[shipmentCols](t, r, tenant, `shipment_id, known, status, status_since, revision, direction, coalesce(original_shipment_id, ''),
			coalesce(carrier, ''), eta_start, eta_end, parcel_count, numbers, order_ids, first_scan_at, last_scan_at, coalesce(last_scan_type, ''),
			coalesce(last_location, ''), open_exceptions, exception_count, disputed, gap, damaged, customs_held FROM rm_1.shipments`),
		Parcels: rowsIn[parcelCols](t, r, tenant, `shipment_id, parcel_id, status, status_since, first_scan_at, last_scan_at, handed_over_at, available_at,
			first_attempt_at, delivered_at, delivered_on::timestamp AT TIME ZONE 'UTC', attempts, disputed, gap FROM rm_1.parcels`),
		Contents: rowsIn[contentCols](t, r, tenant, `shipment_id, order_id, line_id, parcel_id, direction, qty, shipped, delivered, returned, lost,
			handed_over_at, delivered_at FROM rm_1.shipment_contents`),
		Exceptions: rowsIn[exceptionCols](t, r, tenant, `shipment_id, exception_id, parcel_id, status, coalesce(reason_code, ''), coalesce(party, ''), opened_at,
			resolved_at FROM rm_1.exceptions`),
		Numbers: rowsIn[numberCols](t, r, tenant, `carrier, tracking_number, shipment_id, parcel_id, source, event_id, nullif(valid_from, '-infinity'),
			nullif(nullif(valid_to, 'infinity'), '-infinity'), valid_from = valid_to FROM rm_1.tracking_numbers`),
		Estimates: rowsIn[estimateCols](t, r, tenant, `shipment_id, `+entry+`, type, class, eta_start, eta_end, known_at FROM rm_1.eta_history`),
		Marks: rowsIn[markCols](t, r, tenant, entry+`, coalesce(duplicate_of_source || ' ' || duplicate_of_id, ''),
			coalesce(retracted_by_source || ' ' || retracted_by_id, ''), anomalies, unmatched FROM rm_1.event_marks`),
		Unmatched: rowsIn[unmatchedCols](t, r, tenant, entry+`, type FROM rm_1.unmatched_scans`),
	}
}

func rowsIn[T keyed](t testing.TB, r *rig, tenant events.TenantID, columns string) map[string]T {
	t.Helper()
	rows, err := r.conn.Query(t.Context(), `SELECT `+columns+` WHERE tenant_id = $1`, tenant)
	if err != nil {
		t.Fatalf("%s: %v", columns, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		t.Fatalf("%s: %v", columns, err)
	}
	byKey := make(map[string]T, len(all))
	for _, row := range all {
		put(byKey, row)
	}
	return byKey
}

// foldedRows are the main columns as a plain fold of all events gives them,
// without a database.
func foldedRows(t testing.TB, evs []events.Event) rowsOf {
	t.Helper()
	facts, err := trackingtest.Facts(evs)
	if err != nil {
		t.Fatal(err)
	}
	w := trackingtest.Fold(facts)
	rows := rowsOf{
		map[string]orderCols{}, map[string]lineCols{}, map[string]shipmentCols{}, map[string]parcelCols{}, map[string]contentCols{},
		map[string]exceptionCols{}, map[string]numberCols{}, map[string]estimateCols{}, map[string]markCols{}, map[string]unmatchedCols{},
	}
	for id, o := range w.Orders {
		rows.addOrder(id, &o)
	}
	for _, s := range w.Shipments {
		rows.addShipment(&s)
	}
	for _, h := range w.Holdings {
		row := numberCols{string(h.Carrier), string(h.Number), string(h.ShipmentID), string(h.ParcelID), string(h.Key.Source), string(h.Key.ID), known(h.ValidFrom), known(h.ValidTo), h.Lost}
		put(rows.Numbers, row)
	}
	for ref, m := range w.Marks {
		rows.addMark(ref, m)
	}
	for _, of := range facts {
		for _, f := range of {
			if w.Marks[f.Ref()].Unmatched {
				put(rows.Unmatched, unmatchedCols{entryOf(f.Ref()), string(f.Type())})
			}
		}
	}
	return rows
}

func (r *rowsOf) addOrder(id events.OrderID, o *tracking.Order) {
	sum := &o.Total
	put(r.Orders, orderCols{
		string(id), o.Known, string(o.Status), o.Revision, o.Number, o.Payment, o.Holds, o.ReturnsOpen(), texts(o.Flags), known(o.PlacedAt), known(o.ConfirmedAt),
		known(o.CancelledAt), known(o.ClosedAt), known(o.ShippedAt), known(o.DeliveredAt),
		sum.Ordered, sum.Cancelled, sum.Allocated, sum.Shipped, sum.Delivered, sum.Returned, sum.Lost,
	})
	for _, l := range o.Lines {
		put(r.Lines, lineCols{string(id), string(l.ID), l.Ordered, l.Cancelled, l.Allocated, l.Backordered, l.Shipped, l.Delivered, l.Returned, l.Lost})
	}
}

func (r *rowsOf) addShipment(s *tracking.Shipment) {
	id := string(s.ID)
	row := shipmentCols{
		ShipmentID: id, Known: s.Known, Status: string(s.Status), Since: known(s.StatusSince), Revision: s.Revision, Direction: string(s.Direction),
		Original: string(s.Original), Carrier: string(s.Carrier), ParcelCount: len(s.Parcels), Numbers: texts(s.Numbers()), OrderIDs: texts(s.Orders()),
		FirstScanAt: known(s.FirstScanAt), LastScanAt: known(s.LastScanAt), LastScanType: string(s.LastScanType), LastLocation: s.LastLocation,
		OpenExceptions: s.OpenExceptions(), Exceptions: len(s.Exceptions), Disputed: s.Disputed(), Gap: s.Gap(), Damaged: s.Damaged, CustomsHeld: s.CustomsHeld,
	}
	if eta := s.ETA(); eta != nil {
		row.EtaStart, row.EtaEnd = known(eta.Start), known(eta.End)
	}
	put(r.Shipments, row)
	for _, p := range s.Parcels {
		put(r.Parcels, parcelCols{id, string(p.ID), string(p.Status), known(p.StatusSince), known(p.FirstScanAt), known(p.LastScanAt),
			known(p.HandedOverAt), known(p.AvailableAt), known(p.FirstAttemptAt), known(p.DeliveredAt), known(p.DeliveredOn), p.Attempts, p.Disputed, p.Gap})
	}
	for _, c := range s.Contents {
		put(r.Contents, contentCols{id, string(c.OrderID), string(c.LineID), string(c.ParcelID), string(s.Direction), c.Qty, c.Shipped,
			c.Delivered, c.Returned, c.Lost, known(c.HandedOverAt), known(c.DeliveredAt)})
	}
	for _, e := range s.Exceptions {
		status := "resolved"
		if e.Open {
			status = "open"
		}
		put(r.Exceptions, exceptionCols{id, string(e.ID), string(e.ParcelID), status, e.ReasonCode, string(e.Party), known(e.OpenedAt), known(e.ResolvedAt)})
	}
	for _, e := range s.Estimates {
		put(r.Estimates, estimateCols{id, entryOf(e.Ref), string(e.Type), string(e.Class), known(e.Start), known(e.End), known(e.KnownAt)})
	}
}

func (r *rowsOf) addMark(ref tracking.Ref, m tracking.Mark) {
	if m.IsZero() {
		return
	}
	twin := func(of tracking.Twin) string { return strings.TrimSpace(string(of.Source) + " " + string(of.ID)) }
	put(r.Marks, markCols{entryOf(ref), twin(m.DuplicateOf), twin(m.RetractedBy), texts(m.Anomalies), m.Unmatched})
}

func entryOf(ref tracking.Ref) string {
	return strings.Join([]string{string(ref.Stream.Kind), ref.Stream.ID, string(ref.Source), string(ref.ID)}, " ")
}

func known(t time.Time) moment {
	if t.IsZero() {
		return nil
	}
	return &t
}

func texts[T ~string](all []T) []string {
	var out []string
	for _, v := range all {
		out = append(out, string(v))
	}
	return out
}

// unlikeFolded says where a tenant's rows are not what a plain fold of the
// events gives, or "".
func (r *rig) unlikeFolded(t testing.TB, tenant events.TenantID, evs []events.Event) string {
	t.Helper()
	return gocmp.Diff(foldedRows(t, evs), r.mainRows(t, tenant), cmpopts.EquateEmpty())
}
