package carriers

import (
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/waybill-io/waybill/events"
)

// parseAfterShip reads AfterShip's webhooks tracking_update and edd_revise, and
// trackings as its API gives them. A tracking tells all that it knows every time.
func parseAfterShip(r io.Reader, _ *Profile) iter.Seq2[message, error] {
	return messages(r, afterShipMessage)
}

// afterShipHead tells what a document is.
type afterShipHead struct {
	Event item[string] `json:"event"`
	Msg   *struct{}    `json:"msg"`
	Data  *struct {
		Tracking *struct{} `json:"tracking"`
	} `json:"data"`
}

// afterShipWebhook is what surrounds the tracking of a webhook.
type afterShipWebhook struct {
	EventID string             `json:"event_id"`
	TS      int64              `json:"ts"` // seconds since 1970
	Msg     *afterShipTracking `json:"msg"`
}

// afterShipTracking is a tracking without what is personal, such as signed_by and
// the customer's name.
type afterShipTracking struct {
	Slug           string                      `json:"slug"`
	TrackingNumber string                      `json:"tracking_number"`
	Tag            string                      `json:"tag"`
	Subtag         string                      `json:"subtag"`
	UpdatedAt      string                      `json:"updated_at"`
	Checkpoints    []item[afterShipCheckpoint] `json:"checkpoints"`

	Expected item[string]            `json:"expected_delivery"`
	Courier  item[afterShipEstimate] `json:"courier_estimated_delivery_date"`
	Own      item[afterShipEstimate] `json:"aftership_estimated_delivery_date"`
	Latest   item[afterShipEstimate] `json:"latest_estimated_delivery"`
}

// afterShipEstimate is an estimated time of delivery in its two shapes.
type afterShipEstimate struct {
	Date     string `json:"estimated_delivery_date"`
	DateMax  string `json:"estimated_delivery_date_max"`
	Datetime string `json:"datetime"`
	TimeMax  string `json:"datetime_max"`
}

// afterShipCheckpoint is a scan. The courier of the leg is not read: what is
// known of the parcel stands under the number that its shipper has.
type afterShipCheckpoint struct {
	Tag           string               `json:"tag"`
	Subtag        string               `json:"subtag"`
	SubtagMessage string               `json:"subtag_message"`
	RawTag        string               `json:"raw_tag"`
	Message       string               `json:"message"`
	Time          string               `json:"checkpoint_time"`
	CreatedAt     string               `json:"created_at"`
	Location      string               `json:"location"`
	City          string               `json:"city"`
	State         string               `json:"state"`
	Zip           string               `json:"zip"`
	PostalCode    string               `json:"postal_code"`
	CountryISO3   string               `json:"country_iso3"`
	CountryRegion string               `json:"country_region"`
	Coordinate    *afterShipCoordinate `json:"coordinate"`
}

// afterShipCoordinate is in degrees.
type afterShipCoordinate struct {
	Latitude  *float64 `json:"latitude"`
	Longitude *float64 `json:"longitude"`
}

func afterShipMessage(d document) message {
	m := d.message()
	var head afterShipHead
	if p := d.decode(&head); p != nil {
		return m.refused(p)
	}
	if head.Event.value != "" || head.Msg != nil {
		return afterShipHook(m, d, &head)
	}
	t, at, p := afterShipAnswer(d, &head)
	if p != nil {
		return m.refused(p)
	}
	return t.reports(m, d, at, knownAt(t.UpdatedAt))
}

func afterShipHook(m message, d document, head *afterShipHead) message {
	if is := head.Event.value; is != "tracking_update" && is != "edd_revise" {
		return m.refused(&Problem{d.lineAt(head.Event.offset), "/event", "want tracking_update or edd_revise"})
	}
	var w afterShipWebhook
	if p := d.decode(&w); p != nil {
		return m.refused(p)
	}
	if w.Msg == nil {
		return m.refused(&Problem{d.line, "/msg", "is required"})
	}
	m.id = w.EventID
	known := knownAt(w.Msg.UpdatedAt)
	if known.isZero() && w.TS > 0 {
		known = wall{clock: time.Unix(w.TS, 0).UTC(), offset: true, precision: events.ToSecond}
	}
	return w.Msg.reports(m, d, "/msg", known)
}

// afterShipAnswer reads what the API answers: a tracking, in data of newer
// versions, in data.tracking of older ones.
func afterShipAnswer(d document, head *afterShipHead) (t afterShipTracking, at string, p *Problem) {
	switch {
	case head.Data == nil:
		p = d.decode(&t)
	case head.Data.Tracking == nil:
		at = "/data"
		p = d.decode(&struct {
			Data *afterShipTracking `json:"data"`
		}{&t})
	default:
		at = "/data/tracking"
		var body struct {
			Data struct {
				Tracking *afterShipTracking `json:"tracking"`
			} `json:"data"`
		}
		body.Data.Tracking = &t
		p = d.decode(&body)
	}
	return t, at, p
}

// reports says what the tracking at a pointer knew at a time.
func (t *afterShipTracking) reports(m message, d document, at string, known wall) message {
	if t.TrackingNumber == "" {
		m.fail(d.line, at+"/tracking_number", "is required")
	}
	base := report{line: d.line, place: at, carrier: t.Slug, number: t.TrackingNumber}
	pos := lines{d: d}
	for i, it := range t.Checkpoints {
		r := base
		r.line, r.place = pos.at(it.offset), at+"/checkpoints/"+strconv.Itoa(i)
		it.value.scan(&m, r)
	}
	if len(t.Checkpoints) == 0 && t.Tag != "" {
		r := base
		r.status, r.reason, r.at, r.known = t.Tag, t.Subtag, known, known
		m.add(r, t.UpdatedAt, at+"/updated_at")
	}
	t.estimates(&m, d, base, known)
	return m
}

// scan adds the report of a checkpoint.
func (c *afterShipCheckpoint) scan(m *message, r report) {
	r.status, r.reason, r.partner = c.Tag, c.Subtag, c.RawTag
	r.text = or(c.Message, c.SubtagMessage)
	r.where = c.location()
	r.at, _ = wallOf(c.Time)
	r.known = knownAt(c.CreatedAt)
	if c.CreatedAt != "" && r.known.isZero() {
		m.fail(r.line, r.place+"/created_at", "is no time such as 2026-03-01T10:00:00Z")
		return
	}
	m.add(r, c.Time, r.place+"/checkpoint_time")
}

// location is where the checkpoint was. The location in words stands in for the
// city.
func (c *afterShipCheckpoint) location() *events.Location {
	l := events.Location{City: c.City, Region: c.State, Postcode: or(c.Zip, c.PostalCode), Country: country(or(c.CountryISO3, c.CountryRegion))}
	if l.City == "" {
		l.Name = c.Location
	}
	if at := c.Coordinate; at != nil && at.Latitude != nil && at.Longitude != nil {
		l.Lat, l.Lon = at.Latitude, at.Longitude
	}
	return placeOf(l)
}

// estimates adds a report for each estimate: the courier's, AfterShip's own, and
// the one that it takes for the best.
func (t *afterShipTracking) estimates(m *message, d document, base report, known wall) {
	for _, e := range []struct {
		status, field string
		offset        int
		at            string
	}{
		{"expected_delivery", "", t.Expected.offset, t.Expected.value},
		{"courier_estimated_delivery_date", "/estimated_delivery_date", t.Courier.offset, t.Courier.value.end()},
		{"aftership_estimated_delivery_date", "/estimated_delivery_date", t.Own.offset, t.Own.value.end()},
		{"latest_estimated_delivery", "/datetime", t.Latest.offset, t.Latest.value.end()},
	} {
		if e.at == "" {
			continue
		}
		r := base
		r.line, r.place = d.lineAt(e.offset), base.place+"/"+e.status+e.field
		r.status, r.known = e.status, known
		m.expect(r, e.at)
	}
}

// end is the estimate, or the end of the span that is estimated.
func (e *afterShipEstimate) end() string {
	return or(or(e.Date, e.Datetime), or(e.DateMax, e.TimeMax))
}
