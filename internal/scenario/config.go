package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Vocabulary says which events a history is told in.
type Vocabulary int

// The vocabularies.
const (
	// Full uses every type of the vocabulary.
	Full Vocabulary = iota
	// Core leaves out whatever an order and its parcels can do without: holds,
	// payments, amendments, customs, losses, retractions.
	Core
)

// Config says which histories to tell. Its zero value tells an endless number
// of orders to which nothing untoward happens.
type Config struct {
	Seed       uint64
	Orders     int             // how many. Defaults to 0, endless
	Start      time.Time       // when the first order is placed. Defaults to 2026-01-01T00:00:00Z
	Every      time.Duration   // between two orders, on average. Defaults to 5 minutes
	Tenant     events.TenantID // Defaults to "demo"
	Prefix     string          // stands in every id, up to 16 characters. Defaults to the seed in base 36
	Vocabulary Vocabulary      // Defaults to Full
	Rates      Rates           // Defaults to none of it; see DefaultRates
}

// Rates are the shares, from 0 to 1, of what makes histories interesting.
type Rates struct {
	// Of events: how they arrive.
	Late    float64 // scans that arrive 24 to 72 hours late
	Reorder float64 // events that others overtake
	Resend  float64 // events that arrive again, the same in everything
	Copy    float64 // events that arrive again under another id

	// Of events: what they say of their time.
	DayPrecision float64 // scans that name only the day
	Skew         float64 // scans by a device whose clock is days ahead

	// Of parcels.
	ByNumber   float64 // scanned by a carrier's number, in a stream of its own
	LateNumber float64 // of those: the number is known only after the first scans
	Renumber   float64 // the number was first given to another parcel

	// Of shipments.
	MultiParcel    float64 // two or three parcels
	International  float64 // cross a border
	Customs        float64 // of those: held by customs
	FailedAttempt  float64 // nobody opens the door the first time
	Exception      float64 // a case is opened, and resolved
	Estimate       float64 // the estimated delivery changes on the way
	Planned        float64 // departures and arrivals are announced
	PickupPoint    float64 // fetched by the consignee
	ReturnToSender float64 // refused, or never fetched
	Lost           float64 // never found; most are shipped anew
	Damaged        float64 // and some of those destroyed
	Position       float64 // a tracker reports where it is
	Unmapped       float64 // a scan has a code that nobody knows
	Retract        float64 // a scan that never happened, taken back
	Stray          float64 // scanned on the way once more after the delivery

	// Of orders.
	Split         float64 // over two shipments
	CancelBefore  float64 // before anything was handed over
	CancelAfter   float64 // when it was too late
	Return        float64 // sent back by the customer
	PromiseChange float64
	Hold          float64
	Payment       float64 // paid through us; some fail first
	Amend         float64 // a quantity changes
	Backorder     float64 // one line has to wait
	Close         float64 // closed at the end

	// Of pairs of neighbouring orders.
	Shared float64 // one parcel holds lines of both
	Relink float64 // merged into one, or one split off the other
}

// DefaultRates are those of a busy shop with ordinary carriers. Clocks are
// right: Skew is 0.
func DefaultRates() Rates {
	return Rates{
		Late: 0.02, Reorder: 0.03, Resend: 0.02, Copy: 0.01, DayPrecision: 0.01,
		ByNumber: 0.25, LateNumber: 0.2, Renumber: 0.01,
		MultiParcel: 0.12, International: 0.15, Customs: 0.3, FailedAttempt: 0.12, Exception: 0.08,
		Estimate: 0.3, Planned: 0.05, PickupPoint: 0.08, ReturnToSender: 0.02, Lost: 0.01, Damaged: 0.01,
		Position: 0.05, Unmapped: 0.02, Retract: 0.02, Stray: 0.01,
		Split: 0.1, CancelBefore: 0.03, CancelAfter: 0.01, Return: 0.06, PromiseChange: 0.05, Hold: 0.04,
		Payment: 0.6, Amend: 0.03, Backorder: 0.04, Close: 0.3, Shared: 0.03, Relink: 0.02,
	}
}

const (
	defaultEvery = 5 * time.Minute
	maxPrefix    = 16
)

// defaults fills in what was left out, and refuses what makes no sense, all of
// it at once.
func (c Config) defaults() (Config, error) {
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	if c.Tenant == "" {
		c.Tenant = "demo"
	}
	if c.Prefix == "" {
		c.Prefix = strconv.FormatUint(c.Seed, 36)
	}
	return c, errors.Join(c.problems()...)
}

func (c Config) problems() []error {
	var all []error
	if c.Orders < 0 {
		all = append(all, fmt.Errorf("orders: %d is negative", c.Orders))
	}
	if c.Every < time.Millisecond {
		all = append(all, fmt.Errorf("every: %s is less than a millisecond", c.Every))
	}
	if y := c.Start.Year(); y < 2000 || y > 2090 {
		all = append(all, fmt.Errorf("start: %s lies outside the years 2000 to 2090", c.Start.Format(time.DateOnly)))
	}
	if len(c.Prefix) > maxPrefix {
		all = append(all, fmt.Errorf("prefix: %q is longer than %d characters", c.Prefix, maxPrefix))
	}
	return append(all, c.Rates.problems()...)
}

func (r Rates) problems() []error {
	var all []error
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if share := v.Field(i).Float(); !(share >= 0 && share <= 1) {
			all = append(all, fmt.Errorf("rate %s: %v is not from 0 to 1", v.Type().Field(i).Name, share))
		}
	}
	return all
}
