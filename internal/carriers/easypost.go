package carriers

import (
	"io"
	"iter"
	"regexp"
	"strconv"

	"github.com/waybill-io/waybill/events"
)

// parseEasyPost reads EasyPost's webhooks tracker.created and tracker.updated,
// and Tracker objects as its API gives them. A tracker tells all that it knows
// every time.
func parseEasyPost(r io.Reader, p *Profile) iter.Seq2[message, error] {
	return messages(r, func(d document) message { return easyPostMessage(d, p) })
}

// easyPostHead tells the two apart. It leaves out what differs by kind.
type easyPostHead struct {
	Object      string       `json:"object"`
	Description item[string] `json:"description"`
	easyPostMarks
	afterShipMarks
}

// easyPostMarks are fields of EasyPost alone.
type easyPostMarks struct {
	Result  present `json:"result"`
	Code    present `json:"tracking_code"`
	Details present `json:"tracking_details"`
}

func (m *easyPostMarks) any() bool { return bool(m.Result || m.Code || m.Details) }

// webhook reports whether the document is an Event and not the object itself.
func (h *easyPostHead) webhook() bool {
	return h.Object == "Event" || h.Object == "" && h.Description.value != ""
}

// easyPostEvent is the webhook of a tracker.
type easyPostEvent struct {
	ID        string           `json:"id"`
	Result    *easyPostTracker `json:"result"`
	UpdatedAt string           `json:"updated_at"`
	CreatedAt string           `json:"created_at"`
}

// easyPostTracker is a Tracker without what is personal, such as signed_by.
type easyPostTracker struct {
	Object       string                 `json:"object"`
	TrackingCode string                 `json:"tracking_code"`
	Carrier      string                 `json:"carrier"`
	Status       string                 `json:"status"`
	StatusDetail string                 `json:"status_detail"`
	UpdatedAt    string                 `json:"updated_at"`
	EstDelivery  item[string]           `json:"est_delivery_date"`
	Details      []item[easyPostDetail] `json:"tracking_details"`
}

// easyPostDetail is a TrackingDetail, a scan.
type easyPostDetail struct {
	Message      string            `json:"message"`
	Description  string            `json:"description"`
	Status       string            `json:"status"`
	StatusDetail string            `json:"status_detail"`
	CarrierCode  string            `json:"carrier_code"`
	Datetime     string            `json:"datetime"`
	Location     *easyPostLocation `json:"tracking_location"`
}

// easyPostLocation is a TrackingLocation.
type easyPostLocation struct {
	City    string `json:"city"`
	State   string `json:"state"`
	Country string `json:"country"`
	Zip     string `json:"zip"`
}

func easyPostMessage(d document, profile *Profile) message {
	m := d.message()
	var head easyPostHead
	if p := d.decode(&head); p != nil {
		return m.refused(p)
	}
	if head.afterShipMarks.any() && !head.easyPostMarks.any() {
		return m.refused(&Problem{Line: d.line, Reason: "is no webhook or Tracker of EasyPost: it looks like AfterShip's, of format aftership"})
	}
	if head.webhook() {
		return easyPostWebhook(m, d, &head, profile)
	}
	var t easyPostTracker
	if p := d.decode(&t); p != nil {
		return m.refused(p)
	}
	return t.reports(m, d, profile, "", knownAt(t.UpdatedAt))
}

func easyPostWebhook(m message, d document, head *easyPostHead, profile *Profile) message {
	if is := head.Description; is.value != "tracker.created" && is.value != "tracker.updated" {
		return m.refused(&Problem{d.lineAt(is.offset), "/description", "want tracker.created or tracker.updated"})
	}
	var e easyPostEvent
	if p := d.decode(&e); p != nil {
		return m.refused(p)
	}
	if e.Result == nil {
		return m.refused(&Problem{d.line, "/result", "is required"})
	}
	m.id = e.ID
	return e.Result.reports(m, d, profile, "/result", knownAt(or(e.Result.UpdatedAt, or(e.UpdatedAt, e.CreatedAt))))
}

// reports says what the tracker at a pointer knew at a time.
func (t *easyPostTracker) reports(m message, d document, profile *Profile, at string, known wall) message {
	if t.Object != "" && t.Object != "Tracker" {
		return m.refused(&Problem{d.line, at + "/object", "want Event or Tracker"})
	}
	base := report{line: d.line, place: at, carrier: t.Carrier, number: t.TrackingCode}
	if !m.whose(profile, base, at+"/carrier", at+"/tracking_code") {
		return m
	}
	pos := lines{d: d}
	for i, it := range t.Details {
		r := base
		r.line, r.place = pos.at(it.offset), at+"/tracking_details/"+strconv.Itoa(i)
		it.value.scan(&m, r)
	}
	if len(t.Details) == 0 && t.Status != "" {
		r := base
		r.status, r.reason, r.at, r.known = t.Status, t.StatusDetail, known, known
		m.add(r, t.UpdatedAt, at+"/updated_at")
	}
	if t.EstDelivery.value != "" {
		r := base
		r.line, r.place = d.lineAt(t.EstDelivery.offset), at+"/est_delivery_date"
		r.status, r.known = "est_delivery_date", known
		m.expect(r, t.EstDelivery.value)
	}
	return m
}

// scan adds the report of a scan.
func (d *easyPostDetail) scan(m *message, r report) {
	r.status, r.reason, r.partner = d.Status, d.StatusDetail, d.CarrierCode
	r.text = or(d.Message, d.Description)
	r.where = d.Location.location()
	r.at, _ = wallOf(d.Datetime)
	if r.where == nil && r.at.offset && isUTC.MatchString(d.Datetime) {
		r.at.offset = false // EasyPost writes a clock of unknown zone as if it were in UTC
	}
	m.add(r, d.Datetime, r.place+"/datetime")
}

var isUTC = regexp.MustCompile(`(Z|[+-]00:?00)$`)

func (l *easyPostLocation) location() *events.Location {
	if l == nil {
		return nil
	}
	return placeOf(events.Location{City: l.City, Region: l.State, Postcode: l.Zip, Country: country(l.Country)})
}
