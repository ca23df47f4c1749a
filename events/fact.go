package events

import (
	"strconv"
	"time"
)

// Class says whether a fact happened or is expected.
type Class string

// The classes. Only facts that happened move a status.
const (
	Actual    Class = "ACT"
	Estimated Class = "EST"
	Planned   Class = "PLN"
)

// TZSource says where the offset of occurred_at comes from.
type TZSource string

// The sources of a time zone. Metrics report the share of the last two.
const (
	TZOffset     TZSource = "offset"      // the source wrote it
	TZZoneCode   TZSource = "zone_code"   // from a code such as MT or PT
	TZLocation   TZSource = "location"    // from where it happened
	TZAssumedUTC TZSource = "assumed_utc" // nothing was known; taken as UTC
	TZUnknown    TZSource = "unknown"     // nothing was known
)

// Precision says how exactly occurred_at is known.
type Precision string

// The precisions.
const (
	ToDay         Precision = "day"
	ToHour        Precision = "hour"
	ToMinute      Precision = "minute"
	ToSecond      Precision = "second"
	ToMillisecond Precision = "millisecond"
)

// Fact is what the data of every event may say of its own time and origin.
type Fact struct {
	Class      Class     `json:"class,omitzero"`          // defaults to ACT, for eta_changed to EST
	OccurredAt time.Time `json:"occurred_at,omitzero"`    // with the offset of where it happened; defaults to the envelope's time
	TZSource   TZSource  `json:"tz_source,omitzero"`      // defaults to offset
	Precision  Precision `json:"time_precision,omitzero"` // defaults to second
	Raw        *Raw      `json:"raw,omitzero"`
}

func (f *Fact) fact() *Fact { return f }

func (f *Fact) check(c *checker) {
	c.oneOf("/class", string(f.Class), "", string(Actual), string(Estimated), string(Planned))
	c.oneOf("/tz_source", string(f.TZSource), "", string(TZOffset), string(TZZoneCode), string(TZLocation), string(TZAssumedUTC), string(TZUnknown))
	c.oneOf("/time_precision", string(f.Precision), "", string(ToDay), string(ToHour), string(ToMinute), string(ToSecond), string(ToMillisecond))
	if !f.OccurredAt.IsZero() {
		c.instant("/occurred_at", f.OccurredAt)
	}
	f.Raw.check(c)
}

// Raw keeps what a foreign message said, so that a mapping can be checked later.
type Raw struct {
	Standard    string `json:"standard,omitzero"` // such as X12-214
	Status      string `json:"status,omitzero"`
	Reason      string `json:"reason,omitzero"`
	PartnerCode string `json:"partner_code,omitzero"`
	Text        string `json:"text,omitzero"`
}

func (r *Raw) check(c *checker) {
	if r == nil {
		return
	}
	c.optionalText("/raw/standard", r.Standard)
	c.optionalText("/raw/status", r.Status)
	c.optionalText("/raw/reason", r.Reason)
	c.optionalText("/raw/partner_code", r.PartnerCode)
	c.atMost("/raw/text", r.Text, maxRaw)
}

// Location is where a fact happened.
type Location struct {
	Name     string   `json:"name,omitzero"`
	City     string   `json:"city,omitzero"`
	Region   string   `json:"region,omitzero"`
	Postcode string   `json:"postcode,omitzero"`
	Country  string   `json:"country,omitzero"` // ISO 3166-1 alpha-2
	UNLOCODE string   `json:"unlocode,omitzero"`
	Lat      *float64 `json:"lat,omitzero"` // degrees, WGS 84
	Lon      *float64 `json:"lon,omitzero"`
}

func (l *Location) check(c *checker, at string) {
	if l == nil {
		return
	}
	c.optionalText(at+"/name", l.Name)
	c.optionalText(at+"/city", l.City)
	c.optionalText(at+"/region", l.Region)
	c.optionalText(at+"/postcode", l.Postcode)
	c.optionalText(at+"/country", l.Country)
	c.optionalText(at+"/unlocode", l.UNLOCODE)
	if (l.Lat == nil) != (l.Lon == nil) {
		c.fail(at, "lat and lon stand together")
	}
	if l.Lat != nil && l.Lon != nil {
		c.coordinates(at, *l.Lat, *l.Lon)
	}
}

// Carrier names a carrier.
type Carrier struct {
	SCAC SCAC `json:"scac"`
}

func (r *Carrier) check(c *checker, at string) {
	if r != nil && !validSCAC(string(r.SCAC)) {
		c.fail(at+"/scac", "want 2 to 32 upper-case letters, digits, _ or -")
	}
}

// Window is a span of time in which something is promised or expected.
type Window struct {
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end"`
	Precision Precision `json:"time_precision,omitzero"` // day: dates in the offset given; defaults to second
}

func (w *Window) check(c *checker, at string) {
	if w == nil {
		return
	}
	c.instant(at+"/end", w.End)
	if !w.Start.IsZero() {
		c.instant(at+"/start", w.Start)
		if w.Start.After(w.End) {
			c.fail(at+"/start", "lies after the end")
		}
	}
	c.oneOf(at+"/time_precision", string(w.Precision), "", string(ToDay), string(ToHour), string(ToMinute), string(ToSecond), string(ToMillisecond))
}

func (w *Window) required(c *checker, at string) {
	if w == nil {
		c.fail(at, "is required")
		return
	}
	w.check(c, at)
}

// Decimal is an exact amount as text: up to 15 digits and a scale of up to 6,
// never a float.
type Decimal string

func (d Decimal) check(c *checker, at string) {
	digits, scale, dot := 0, 0, false
	for i := range len(d) {
		switch {
		case d[i] == '-' && i == 0:
		case d[i] == '.' && !dot && digits > 0:
			dot = true
		case '0' <= d[i] && d[i] <= '9' && dot:
			scale++
		case '0' <= d[i] && d[i] <= '9':
			digits++
		default:
			digits = -1 << 20
		}
	}
	if digits < 1 || digits > 15 || scale > 6 || (dot && scale == 0) {
		c.fail(at, "want a decimal string of up to 15 digits and 6 decimals")
	}
}

// LineQty is a quantity of an order line.
type LineQty struct {
	LineID LineID `json:"line_id"`
	Qty    int64  `json:"qty"` // units, 1 to 1,000,000,000
}

const (
	maxQty   = 1_000_000_000
	maxItems = 2_000 // lines, parcels, contents of one event
)

func checkLines(c *checker, at string, lines []LineQty) {
	c.count(at, len(lines))
	seen := make(map[LineID]bool, len(lines))
	for i, l := range lines {
		here := at + "/" + strconv.Itoa(i)
		c.id(here+"/line_id", string(l.LineID))
		c.qty(here+"/qty", l.Qty)
		if seen[l.LineID] {
			c.fail(here+"/line_id", "names line %s twice", l.LineID)
		}
		seen[l.LineID] = true
	}
}

func requireLines(c *checker, at string, lines []LineQty) {
	if len(lines) == 0 {
		c.fail(at, "is required")
	}
	checkLines(c, at, lines)
}
