package tracking

import (
	"cmp"
	"slices"

	"github.com/waybill-io/waybill/events"
)

// Scan is a fact from a carrier's number, given to the parcel that had the
// number then.
type Scan struct {
	*Fact
	Parcel events.ParcelID
}

// FoldShipment folds all facts of a shipment: its own stream, and the scans of
// its numbers that count (see [FoldNumber]). The marks are of both.
func FoldShipment(id events.ShipmentID, own []*Fact, scans []Scan) (Shipment, Marks) {
	l := count(own)
	s := Shipment{ID: id, Status: Unknown, Revision: int64(l.stored)}
	facts := l.dropSecondCreates()
	s.nameParcels(facts, scans)
	s.begin(facts)
	for _, it := range inOrder(facts, scans) {
		for _, a := range s.step(it) {
			l.marks.note(it.Fact, a)
		}
	}
	s.estimate(l, scans)
	s.settle()
	s.Guard.Newest = newest(l, scans)
	s.Guard.Pending = l.pending(own)
	return s, l.marks
}

// dropSecondCreates keeps the create with the smallest key and marks the others.
func (l *ledger) dropSecondCreates() []*Fact {
	created := false
	return slices.DeleteFunc(slices.Clone(l.facts), func(f *Fact) bool {
		if f.Type() != events.TypeShipmentCreated {
			return false
		}
		if created {
			l.marks.note(f, SecondCreate)
			return true
		}
		created = true
		return false
	})
}

// nameParcels collects the parcels that any fact names, whenever.
func (s *Shipment) nameParcels(facts []*Fact, scans []Scan) {
	ids := make([]events.ParcelID, 0, len(facts)+len(scans)+1)
	for _, f := range facts {
		ids = appendNamed(ids, f)
	}
	for _, it := range scans {
		ids = append(ids, it.Parcel)
	}
	ids = slices.DeleteFunc(ids, func(id events.ParcelID) bool { return id == "" })
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) == 0 {
		ids = []events.ParcelID{""}
	}
	s.Parcels = make([]Parcel, len(ids))
	for i, id := range ids {
		s.Parcels[i] = Parcel{ID: id, Status: Unknown}
	}
}

// appendNamed appends the parcels that a fact names; "" may be among them.
func appendNamed(ids []events.ParcelID, f *Fact) []events.ParcelID {
	switch d := f.Data.(type) {
	case *events.ShipmentCreated:
		for _, p := range d.Parcels {
			ids = append(ids, p.ParcelID)
		}
		return appendContentParcels(ids, d.Contents)
	case *events.Delivered:
		return append(appendContentParcels(ids, d.Contents), d.ParcelID)
	case interface{ Parcel() events.ParcelID }:
		return append(ids, d.Parcel())
	}
	return ids
}

func appendContentParcels(ids []events.ParcelID, contents []events.Content) []events.ParcelID {
	for _, c := range contents {
		ids = append(ids, c.ParcelID)
	}
	return ids
}

// begin takes over what the create says, whatever its time, and the numbers.
func (s *Shipment) begin(facts []*Fact) {
	for _, f := range facts {
		switch d := f.Data.(type) {
		case *events.ShipmentCreated:
			s.create(d)
		case *events.TrackingAssigned:
			s.assign(f, d)
		}
	}
	slices.SortFunc(s.Assignments, Assignment.compare)
}

func (s *Shipment) create(d *events.ShipmentCreated) {
	s.Known = true
	s.Direction, s.Original, s.Service = d.Direction, d.OriginalShipmentID, d.Service
	s.Origin, s.Destination, s.Promise = d.Origin, d.Destination, d.PromisedWindow
	if d.Carrier != nil {
		s.Carrier, s.Guard.Carrier = d.Carrier.SCAC, true
	}
	for _, c := range d.Contents {
		s.Contents = append(s.Contents, Content{ContentKey: ContentKey{c.OrderID, c.LineID, c.ParcelID}, Qty: c.Qty})
	}
	slices.SortFunc(s.Contents, func(a, b Content) int { return a.compare(b.ContentKey) })
}

func (s *Shipment) assign(f *Fact, d *events.TrackingAssigned) {
	a := Assignment{Number: d.TrackingNumber, ShipmentID: s.ID, ParcelID: d.ParcelID, Key: f.Key}
	if d.Carrier != nil {
		a.Carrier = d.Carrier.SCAC
	}
	if d.ValidFrom != nil {
		a.ValidFrom = micro(*d.ValidFrom)
	}
	s.Assignments = append(s.Assignments, a)
}

// inOrder merges own facts and scans by key.
func inOrder(facts []*Fact, scans []Scan) []Scan {
	all := make([]Scan, 0, len(facts)+len(scans))
	for _, f := range facts {
		all = append(all, Scan{Fact: f, Parcel: spokenOf(f)})
	}
	for _, it := range scans {
		if it.Class() == events.Actual {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b Scan) int { return a.Key.Compare(b.Key) })
	return all
}

// spokenOf is the parcel that a fact of the own stream speaks of, "" for all.
func spokenOf(f *Fact) events.ParcelID {
	if d, ok := f.Data.(interface{ Parcel() events.ParcelID }); ok {
		return d.Parcel()
	}
	return ""
}

// step walks the shipment by one fact and says what is odd about it.
func (s *Shipment) step(it Scan) (anomalies []Anomaly) {
	f := it.Fact
	s.overlay(it)
	if carrier := carrierOf(f); carrier != "" && !s.Guard.Carrier {
		s.Carrier = carrier
	}
	to := destination(f.Type())
	if d, ok := quantities(f); ok && !s.handOver(f, d) {
		to = ""
	}
	for i := range s.Parcels {
		p := &s.Parcels[i]
		if it.Parcel != "" && it.Parcel != p.ID {
			continue
		}
		if to != "" {
			anomalies = append(anomalies, p.move(f, to)...)
		}
		if isScan(f.Type()) {
			p.scan(f)
		}
	}
	if now := combined(s.Parcels); now != s.Status {
		s.Status, s.StatusSince = now, f.When()
	}
	return anomalies
}

// quantities reports whether a fact delivers quantities instead of parcels.
func quantities(f *Fact) (*events.Delivered, bool) {
	d, ok := f.Data.(*events.Delivered)
	return d, ok && d.ParcelID == "" && len(d.Contents) > 0
}

func carrierOf(f *Fact) events.SCAC {
	if d, ok := f.Data.(interface{ By() *events.Carrier }); ok && d.By() != nil {
		return d.By().SCAC
	}
	return ""
}

// overlay takes over what a fact says beside the status.
func (s *Shipment) overlay(it Scan) {
	f := it.Fact
	switch d := f.Data.(type) {
	case *events.ExceptionOpened:
		s.open(it, d)
	case *events.ExceptionResolved:
		s.resolve(it, d)
	case *events.CustomsHeld:
		s.CustomsHeld = true
	case *events.CustomsReleased:
		s.CustomsHeld = false
	case *events.Damaged:
		s.Damaged = true
	case *events.Position:
		s.Position = &Position{Lat: d.Lat, Lon: d.Lon, At: f.When()}
	}
	if !isScan(f.Type()) {
		return
	}
	if to := destination(f.Type()); to.physical() && s.FirstScanAt.IsZero() {
		s.FirstScanAt = f.When()
	}
	s.LastScanAt, s.LastScanType, s.LastLocation = f.When(), f.Type(), place(f)
}

func (s *Shipment) exception(id events.ExceptionID) *Exception {
	i, found := slices.BinarySearchFunc(s.Exceptions, id, func(e Exception, id events.ExceptionID) int { return cmp.Compare(e.ID, id) })
	if !found {
		s.Exceptions = slices.Insert(s.Exceptions, i, Exception{ID: id})
	}
	return &s.Exceptions[i]
}

func (s *Shipment) open(it Scan, d *events.ExceptionOpened) {
	e := s.exception(d.ExceptionID)
	if e.OpenedAt.IsZero() {
		e.OpenedAt = it.When()
	}
	e.Open, e.ResolvedAt = true, micro(events.Time{})
	e.ParcelID, e.ReasonCode, e.Party = it.Parcel, d.ReasonCode, d.Party
	e.Severity, e.ActionRequired = d.Severity, d.ActionRequired
}

func (s *Shipment) resolve(it Scan, d *events.ExceptionResolved) {
	e := s.exception(d.ExceptionID)
	e.Open, e.ResolvedAt = false, it.When()
	if e.OpenedAt.IsZero() {
		e.ParcelID, e.ReasonCode, e.Party = it.Parcel, d.ReasonCode, d.Party
		e.Severity, e.ActionRequired = d.Severity, d.ActionRequired
	}
}

// estimate collects the estimates of all streams by when they were known.
func (s *Shipment) estimate(l *ledger, scans []Scan) {
	facts := slices.Clone(l.estimates)
	for _, it := range scans {
		if it.Class() != events.Actual {
			facts = append(facts, it.Fact)
		}
	}
	slices.SortFunc(facts, func(a, b *Fact) int { return a.Key.Compare(b.Key) })
	for _, f := range facts {
		s.expect(f)
	}
}

// expect adds the newest estimate.
func (s *Shipment) expect(f *Fact) {
	s.Estimates = append(s.Estimates, estimate(f))
	s.Guard.NewestEstimate = f.Key
	s.Guard.Estimates = append(s.Guard.Estimates, sum(f))
}

func newest(l *ledger, scans []Scan) Key {
	k := l.newest
	for _, it := range scans {
		if it.Class() == events.Actual && it.Key.Compare(k) > 0 {
			k = it.Key
		}
	}
	return k
}

// pending lists what is retracted but has not come yet.
func (l *ledger) pending(own []*Fact) []Twin {
	if len(l.retracting) == 0 {
		return nil
	}
	here := make(map[Twin]bool, len(own))
	for _, f := range own {
		here[twin(f)] = true
	}
	var missing []Twin
	for target := range l.retracting {
		if !here[target] {
			missing = append(missing, target)
		}
	}
	slices.SortFunc(missing, func(a, b Twin) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID)) })
	return missing
}
