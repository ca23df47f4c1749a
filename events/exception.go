package events

// Party is who is answerable for an exception.
type Party string

// The parties.
const (
	PartyCarrier   Party = "carrier"
	PartyShipper   Party = "shipper"
	PartyConsignee Party = "consignee"
	PartyCustoms   Party = "customs"
	PartyWeather   Party = "weather"
	PartyOther     Party = "other"
)

// ExceptionOpened opens a case.
type ExceptionOpened struct {
	ShipmentFact
	ExceptionID    ExceptionID `json:"exception_id"`
	ReasonCode     string      `json:"reason_code"`
	Party          Party       `json:"party"`
	Severity       string      `json:"severity"` // low, medium, high, critical
	ActionRequired bool        `json:"action_required,omitzero"`
}

func (d *ExceptionOpened) check(c *checker) {
	d.ShipmentFact.check(c)
	c.id("/exception_id", string(d.ExceptionID))
	c.text("/reason_code", d.ReasonCode)
	c.oneOf("/party", string(d.Party), string(PartyCarrier), string(PartyShipper), string(PartyConsignee), string(PartyCustoms), string(PartyWeather), string(PartyOther))
	c.oneOf("/severity", d.Severity, "low", "medium", "high", "critical")
}

// ExceptionResolved ends a case. What it says beyond the id is what is known at
// the end.
type ExceptionResolved struct {
	ShipmentFact
	ExceptionID    ExceptionID `json:"exception_id"`
	ReasonCode     string      `json:"reason_code,omitzero"`
	Party          Party       `json:"party,omitzero"`
	Severity       string      `json:"severity,omitzero"`
	ActionRequired bool        `json:"action_required,omitzero"`
}

func (d *ExceptionResolved) check(c *checker) {
	d.ShipmentFact.check(c)
	c.optionalText("/reason_code", d.ReasonCode)
	c.id("/exception_id", string(d.ExceptionID))
	c.oneOf("/party", string(d.Party), "", string(PartyCarrier), string(PartyShipper), string(PartyConsignee), string(PartyCustoms), string(PartyWeather), string(PartyOther))
	c.oneOf("/severity", d.Severity, "", "low", "medium", "high", "critical")
}
