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
func parseAfterShip(r io.Reader, p *Profile) iter.Seq2[message, error] {
	return messages(r, func(d document) message { return afterShipMessage(d, p) })
}

// afterShipHead tells what a document is.
type afterShipHead struct {
	Event item[string] `json:"event"`
	Data  *struct {
		Tracking *struct{} `json:"tracking"`
	} `json:"data"`
	easyPostMarks
	afterShipMarks
}

// afterShipMarks are fields of AfterShip alone.
type afterShipMarks struct {
	Msg    present `json:"msg"`
	Slug   present `json:"slug"`
	Number present `json:"tracking_number"`
	Points present `json:"checkpoints"`
}

func (m *afterShipMarks) any() bool { return bool(m.Msg || m.Slug || m.Number || m.Points) }

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
	Date       string   `json:"estimated_delivery_date"`
	DateMin    string   `json:"estimated_delivery_date_min"`
	DateMax    string   `json:"estimated_delivery_date_max"`
	Datetime   string   `json:"datetime"`
	TimeMin    string   `json:"datetime_min"`
	TimeMax    string   `json:"datetime_max"`
	Confidence *float64 `json:"confidence_score"`
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

func afterShipMessage(d document, profile *Profile) message {
	m := d.message()
	var head afterShipHead
	if p := d.decode(&head); p != nil {
		return m.refused(p)
	}
	if head.easyPostMarks.any() && !head.afterShipMarks.any() {
		return m.refused(&Problem{Line: d.line, Reason: "is no webhook or tracking of AfterShip: it looks like EasyPost's, of format easypost"})
	}
	if head.Event.value != "" || bool(head.Msg) {
		return afterShipHook(m, d, &head, profile)
	}
	t, at, p := afterShipAnswer(d, &head)
	if p != nil {
		return m.refused(p)
	}
	return t.reports(m, d, profile, at, knownAt(t.UpdatedAt))
}

func afterShipHook(m message, d document, head *afterShipHead, profile *Profile) message {
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
	return w.Msg.reports(m, d, profile, "/msg", known)
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
func (t *afterShipTracking) reports(m message, d document, profile *Profile, at string, known wall) message {
	base := report{line: d.line, place: at, carrier: t.Slug, number: t.TrackingNumber}
	if !m.whose(profile, base, at+"/slug", at+"/tracking_number") {
		return m
	}
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
		m.fail(r.line, r.place+"/created_at", noTime(c.CreatedAt))
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

// estimates adds a report for each estimate: AfterShip's own, the courier's in two
// places, and the one that AfterShip takes for the best, from the one that counts
// least.
func (t *afterShipTracking) estimates(m *message, d document, base report, known wall) {
	expected := item[afterShipEstimate]{offset: t.Expected.offset, value: afterShipEstimate{Date: t.Expected.value}}
	for i, e := range []struct {
		status, field string
		item          item[afterShipEstimate]
	}{
		{"aftership_estimated_delivery_date", "/estimated_delivery_date", t.Own},
		{"expected_delivery", "", expected},
		{"courier_estimated_delivery_date", "/estimated_delivery_date", t.Courier},
		{"latest_estimated_delivery", "/datetime", t.Latest},
	} {
		from, end, suffix := e.item.value.span()
		if end == "" {
			continue
		}
		r := base
		r.line, r.place = d.lineAt(e.item.offset), base.place+"/"+e.status+e.field
		r.status, r.known, r.prefer = e.status, known, strconv.Itoa(i)
		r.confidence = e.item.value.Confidence
		if from != "" && !m.begin(&r, from, r.place+"_min") {
			continue
		}
		r.place += suffix
		m.expect(r, end)
	}
}

// span is when the parcel is expected: the last moment, which the field with a
// suffix has, and the first one where it is known.
func (e *afterShipEstimate) span() (from, end, suffix string) {
	from, end = or(e.DateMin, e.TimeMin), or(e.Date, e.Datetime)
	if last := or(e.DateMax, e.TimeMax); last != "" && (from != "" || end == "") {
		return from, last, "_max"
	}
	return from, end, ""
}
