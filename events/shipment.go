package events

import "strconv"

// ShipmentFact begins the data of every shipment event. In a tracking stream
// there is no ShipmentID. Without a ParcelID the fact speaks of all parcels.
type ShipmentFact struct {
	Fact
	ShipmentID ShipmentID `json:"shipment_id,omitzero"`
	ParcelID   ParcelID   `json:"parcel_id,omitzero"`
	Carrier    *Carrier   `json:"carrier,omitzero"`
	Location   *Location  `json:"location,omitzero"`
	Facility   string     `json:"facility,omitzero"` // hub, depot or port
}

func (f *ShipmentFact) check(c *checker) {
	f.Fact.check(c)
	c.optionalID("/shipment_id", string(f.ShipmentID))
	c.optionalID("/parcel_id", string(f.ParcelID))
	f.Carrier.check(c, "/carrier")
	f.Location.check(c, "/location")
	c.optionalText("/facility", f.Facility)
}

func (f *ShipmentFact) subject() string { return string(f.ShipmentID) }

// Parcel is the parcel that the fact names, or "" for all of the shipment.
func (f *ShipmentFact) Parcel() ParcelID { return f.ParcelID }

// By is the carrier that the fact names, or nil.
func (f *ShipmentFact) By() *Carrier { return f.Carrier }

// Where is the place that the fact names; either may be missing.
func (f *ShipmentFact) Where() (*Location, string) { return f.Location, f.Facility }

// Direction says which way a shipment goes.
type Direction string

// The directions.
const (
	Outbound Direction = "outbound"
	Inbound  Direction = "return"
	Transfer Direction = "transfer"
)

// Content is a quantity of an order line in a shipment, in a named parcel or
// spread over all of them.
type Content struct {
	OrderID  OrderID  `json:"order_id"`
	LineID   LineID   `json:"line_id"`
	Qty      int64    `json:"qty"`
	ParcelID ParcelID `json:"parcel_id,omitzero"`
}

func checkContents(c *checker, contents []Content) {
	c.count("/contents", len(contents))
	type key struct {
		order  OrderID
		line   LineID
		parcel ParcelID
	}
	seen := make(map[key]bool, len(contents))
	for i, it := range contents {
		at := "/contents/" + strconv.Itoa(i)
		c.id(at+"/order_id", string(it.OrderID))
		c.id(at+"/line_id", string(it.LineID))
		c.optionalID(at+"/parcel_id", string(it.ParcelID))
		c.qty(at+"/qty", it.Qty)
		k := key{it.OrderID, it.LineID, it.ParcelID}
		if seen[k] {
			c.fail(at, "names the same order line and parcel twice")
		}
		seen[k] = true
	}
}

// ParcelRef names a parcel of a shipment.
type ParcelRef struct {
	ParcelID ParcelID `json:"parcel_id"`
}

// ShipmentCreated says what a shipment is to carry.
type ShipmentCreated struct {
	ShipmentFact
	Direction          Direction   `json:"direction"`
	OriginalShipmentID ShipmentID  `json:"original_shipment_id,omitzero"` // for a return: what comes back
	Parcels            []ParcelRef `json:"parcels"`
	Contents           []Content   `json:"contents,omitempty"`
	Service            string      `json:"service,omitzero"`
	Origin             *Location   `json:"origin,omitzero"`
	Destination        *Location   `json:"destination,omitzero"`
	PromisedWindow     *Window     `json:"promised_window,omitzero"`
}

func (d *ShipmentCreated) check(c *checker) {
	d.ShipmentFact.check(c)
	c.id("/shipment_id", string(d.ShipmentID))
	c.oneOf("/direction", string(d.Direction), string(Outbound), string(Inbound), string(Transfer))
	c.optionalID("/original_shipment_id", string(d.OriginalShipmentID))
	if d.ParcelID != "" {
		c.fail("/parcel_id", "a shipment is created with its parcels")
	}
	checkParcels(c, d.Parcels)
	checkContents(c, d.Contents)
	c.optionalText("/service", d.Service)
	d.Origin.check(c, "/origin")
	d.Destination.check(c, "/destination")
	d.PromisedWindow.check(c, "/promised_window")
}

func checkParcels(c *checker, parcels []ParcelRef) {
	if len(parcels) == 0 {
		c.fail("/parcels", "is required")
	}
	c.count("/parcels", len(parcels))
	seen := make(map[ParcelID]bool, len(parcels))
	for i, p := range parcels {
		at := "/parcels/" + strconv.Itoa(i) + "/parcel_id"
		c.id(at, string(p.ParcelID))
		if seen[p.ParcelID] {
			c.fail(at, "names parcel %s twice", p.ParcelID)
		}
		seen[p.ParcelID] = true
	}
}

// TrackingAssigned gives a parcel a carrier's number, from ValidFrom until the
// number is given to another one.
type TrackingAssigned struct {
	ShipmentFact
	TrackingNumber TrackingNumber `json:"tracking_number"`
	ValidFrom      *Time          `json:"valid_from,omitzero"` // defaults to the beginning of time
}

func (d *TrackingAssigned) check(c *checker) {
	d.ShipmentFact.check(c)
	c.id("/parcel_id", string(d.ParcelID))
	if d.Carrier == nil {
		c.fail("/carrier", "is required")
	}
	if !validNumber(string(d.TrackingNumber)) {
		c.fail("/tracking_number", "want 1 to 48 capital letters and digits, without spaces, dots and hyphens")
	}
	if d.ValidFrom != nil {
		c.instant("/valid_from", *d.ValidFrom)
	}
}

// Scans without data of their own.
type (
	// InfoReceived says that the carrier knows of the parcel.
	InfoReceived struct{ ShipmentFact }
	// PickedUp says that the carrier has the parcel.
	PickedUp struct{ ShipmentFact }
)

// Movement is what departures and arrivals say.
type Movement struct {
	ShipmentFact
	Mode string `json:"mode,omitzero"` // road, air, sea, rail, ...
}

func (d *Movement) check(c *checker) {
	d.ShipmentFact.check(c)
	if d.Location == nil && d.Facility == "" {
		c.fail("/location", "is required where no facility is named")
	}
	c.optionalText("/mode", d.Mode)
}

// The two ends of a leg.
type (
	// Departed says that the parcel left a place.
	Departed struct{ Movement }
	// Arrived says that the parcel reached a place.
	Arrived struct{ Movement }
)

// Reasoned is what events say that need a reason.
type Reasoned struct {
	ShipmentFact
	ReasonCode string `json:"reason_code"`
}

func (d *Reasoned) check(c *checker) {
	d.ShipmentFact.check(c)
	c.text("/reason_code", d.ReasonCode)
}

// Events with a reason.
type (
	// CustomsHeld says that customs hold the parcel: an overlay.
	CustomsHeld struct{ Reasoned }
	// CustomsReleased ends the hold.
	CustomsReleased struct{ Reasoned }
	// ReturnInitiated says that the parcel is on its way back to the sender.
	ReturnInitiated struct{ Reasoned }
	// Returned says that the parcel is back at the sender.
	Returned struct{ Reasoned }
	// Lost says that the carrier cannot find the parcel.
	Lost struct{ Reasoned }
	// Damaged says that the parcel is damaged: an overlay.
	Damaged struct{ Reasoned }
	// Destroyed says that the parcel is no more.
	Destroyed struct{ Reasoned }
	// ShipmentCancelled says that the shipment is not to go.
	ShipmentCancelled struct{ Reasoned }
)

// OutForDelivery says that the parcel is on its last tour.
type OutForDelivery struct {
	ShipmentFact
	StopsBefore *int64 `json:"stops_before,omitzero"`
}

func (d *OutForDelivery) check(c *checker) {
	d.ShipmentFact.check(c)
	if d.StopsBefore != nil && (*d.StopsBefore < 0 || *d.StopsBefore > 10_000) {
		c.fail("/stops_before", "want a whole number from 0 to 10,000")
	}
}

// DeliveryAttempted says that a delivery failed this time.
type DeliveryAttempted struct {
	ShipmentFact
	AttemptNo  *int64 `json:"attempt_no,omitzero"`
	ReasonCode string `json:"reason_code"`
}

func (d *DeliveryAttempted) check(c *checker) {
	d.ShipmentFact.check(c)
	if d.AttemptNo != nil && (*d.AttemptNo < 1 || *d.AttemptNo > 100) {
		c.fail("/attempt_no", "want a whole number from 1 to 100")
	}
	c.text("/reason_code", d.ReasonCode)
}

// AvailableForPickup says that the consignee can fetch the parcel.
type AvailableForPickup struct {
	ShipmentFact
	Place          string `json:"place,omitzero"`
	PickupDeadline *Time  `json:"pickup_deadline,omitzero"`
}

func (d *AvailableForPickup) check(c *checker) {
	d.ShipmentFact.check(c)
	if d.Place == "" && d.Location == nil && d.Facility == "" {
		c.fail("/place", "is required where no location or facility is named")
	}
	c.optionalText("/place", d.Place)
	if d.PickupDeadline != nil {
		c.instant("/pickup_deadline", *d.PickupDeadline)
	}
}

// HandedTo says who took a delivery.
type HandedTo string

// The takers of a delivery.
const (
	ToRecipient HandedTo = "recipient"
	ToNeighbour HandedTo = "neighbour"
	ToLocker    HandedTo = "locker"
	ToSafePlace HandedTo = "safe_place"
)

// Delivered is the proof of delivery: of a parcel, of all parcels, or of
// quantities of order lines.
type Delivered struct {
	ShipmentFact
	Contents []Content `json:"contents,omitempty"`
	HandedTo HandedTo  `json:"handed_to,omitzero"`
	PODRef   string    `json:"pod_ref,omitzero"` // where the proof is kept
}

func (d *Delivered) check(c *checker) {
	d.ShipmentFact.check(c)
	checkContents(c, d.Contents)
	c.optionalText("/pod_ref", d.PODRef)
	c.oneOf("/handed_to", string(d.HandedTo), "", string(ToRecipient), string(ToNeighbour), string(ToLocker), string(ToSafePlace))
}

// ETAChanged is a newly known estimate of the delivery.
type ETAChanged struct {
	ShipmentFact
	Window     *Window  `json:"window"`
	Provider   string   `json:"provider"`            // carrier, model or ops
	Confidence *float64 `json:"confidence,omitzero"` // 0 to 1
	ReasonCode string   `json:"reason_code,omitzero"`
}

func (d *ETAChanged) check(c *checker) {
	d.ShipmentFact.check(c)
	c.oneOf("/class", string(d.Class), "", string(Estimated))
	d.Window.required(c, "/window")
	c.optionalText("/reason_code", d.ReasonCode)
	c.oneOf("/provider", d.Provider, "carrier", "model", "ops")
	if d.Confidence != nil && (*d.Confidence < 0 || *d.Confidence > 1) {
		c.fail("/confidence", "want a number from 0 to 1")
	}
}

// Position is where a vehicle or a tracker says the shipment is.
type Position struct {
	ShipmentFact
	Lat      float64  `json:"lat"` // degrees, WGS 84
	Lon      float64  `json:"lon"`
	Accuracy *float64 `json:"accuracy,omitzero"` // metres
}

func (d *Position) check(c *checker) {
	d.ShipmentFact.check(c)
	c.coordinates("", d.Lat, d.Lon)
	if d.Accuracy != nil && (*d.Accuracy < 0 || *d.Accuracy > 10_000_000) {
		c.fail("/accuracy", "want metres from 0 to 10,000,000")
	}
}

// ScanUnmapped keeps a carrier's message whose code no profile knows.
type ScanUnmapped struct {
	ShipmentFact
}

func (d *ScanUnmapped) check(c *checker) {
	d.ShipmentFact.check(c)
	if d.Raw == nil {
		c.fail("/raw", "is required")
	}
}
