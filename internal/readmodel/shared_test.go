package readmodel_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/share"
)

// canary stands in every field that a link must not show.
const canary = "CANARY"

// secretPlace is the canary of coordinates.
const secretPlace = 66.6666

// taint puts the canary into every text and number of an event's data, and makes
// what is missing.
func taint(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // what data is made of
	case reflect.String:
		v.SetString(canary)
	case reflect.Float64:
		v.SetFloat(secretPlace)
	case reflect.Int64:
		v.SetInt(66)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		taint(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, f := range v.Fields() {
			if f.CanSet() {
				taint(f)
			}
		}
	}
}

// tainted is an event of a shipment with canaries wherever it may have them.
func (l *teller) tainted(d events.Data, hour float64, city string, mend func()) events.Event {
	taint(reflect.ValueOf(d).Elem())
	f := reflect.ValueOf(d).Elem().FieldByName("ShipmentFact").Addr().Interface().(*events.ShipmentFact)
	f.Fact = events.Fact{OccurredAt: at(hour).OccurredAt, Raw: &events.Raw{Standard: canary, Status: canary, Reason: canary, PartnerCode: canary, Text: canary}}
	f.ShipmentID, f.ParcelID, f.Carrier = canary, "", &events.Carrier{SCAC: "UPSN"}
	f.Location.City, f.Location.Region, f.Location.Country, f.Location.UNLOCODE = city, "", "DE", "DECGN"
	lat, lon := secretPlace, secretPlace
	f.Location.Lat, f.Location.Lon = &lat, &lon
	mend()
	return l.tell(canary, d)
}

// cursedShipment is a shipment, called like the canary, on its way to the door.
func cursedShipment(l *teller) []events.Event {
	created, arrived, attempt := &events.ShipmentCreated{}, &events.Arrived{}, &events.DeliveryAttempted{}
	eta, pickup, trouble, number := &events.ETAChanged{}, &events.AvailableForPickup{}, &events.ExceptionOpened{}, &events.TrackingAssigned{}
	position, unmapped := &events.Position{}, &events.ScanUnmapped{}
	day := at(48).OccurredAt
	return []events.Event{
		l.tainted(created, 0, "Hamburg", func() {
			created.Direction, created.OriginalShipmentID, created.Parcels = events.Outbound, canary+"-original", []events.ParcelRef{{ParcelID: canary}}
			created.Contents = []events.Content{{OrderID: canary, LineID: canary, Qty: 1}, {OrderID: canary + "-2", LineID: canary, Qty: 66}}
			created.PromisedWindow = &events.Window{Start: day, End: day.Add(4 * time.Hour)}
		}),
		l.tainted(number, 1, "Hamburg", func() { number.TrackingNumber, number.ParcelID, number.ValidFrom = canary, canary, nil }),
		l.tainted(arrived, 2, "Köln", func() {}),
		l.tainted(position, 3, "Secretville", func() {}),
		l.tainted(unmapped, 4, "Secretville", func() {}),
		l.tainted(trouble, 5, "Köln", func() { trouble.Party, trouble.Severity = events.PartyConsignee, "high" }),
		l.tainted(eta, 6, "Secretville", func() {
			eta.Class, eta.Provider, eta.Confidence = events.Estimated, "model", nil
			eta.Window = &events.Window{Start: day, End: day.Add(2 * time.Hour)}
		}),
		l.tainted(attempt, 7, "Köln", func() {}),
		l.tainted(pickup, 8, "Köln", func() { pickup.PickupDeadline = nil }),
	}
}

// curse puts the canary into every column of the shipment that is a text, so that
// one that no event fills is seen too.
func (r *rig) curse(t *testing.T) {
	t.Helper()
	rows, err := r.conn.Query(t.Context(), `SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a
		WHERE a.attrelid = 'rm_1.shipments'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		AND a.attname NOT IN ('tenant_id', 'shipment_id', 'status', 'carrier', 'last_scan_type')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	set := []string{}
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			t.Fatal(err)
		}
		value, ok := map[string]string{
			"text": "'CANARY'", "text[]": "'{CANARY}'", "json": `'{"x":"CANARY"}'`, "double precision": "66.6666",
		}[kind]
		if ok {
			set = append(set, name+" = "+value)
		}
	}
	if len(set) < 12 {
		t.Fatalf("only %v can be cursed", set)
	}
	r.exec(t, "UPDATE rm_1.shipments SET "+strings.Join(set, ", ")+" WHERE shipment_id = 'CANARY'")
}

// page asks a link's page.
func page(t *testing.T, reader *readmodel.Reader, secret share.Secret, accept string) *httptest.ResponseRecorder {
	t.Helper()
	p, err := share.NewPage(reader, share.Config{})
	if err != nil {
		t.Fatalf("NewPage: %v", err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, share.Path+string(secret), http.NoBody)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// A link shows what is on its allow-list, and nothing of what else is known of
// the shipment, its events or its neighbours.
func TestALinkShowsWhatIsPublicAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := &teller{tenant: canary}
	r.apply(t, cursedShipment(l))
	scan := l.tell(events.TrackingStreamOf("UPSN", canary).ID, &events.Departed{Movement: events.Movement{Mode: canary,
		ShipmentFact: events.ShipmentFact{Fact: at(7.5), Facility: canary}}})
	r.apply(t, []events.Event{scan, l.created("other", "o-1", 0), l.departed("other", 1)})
	r.curse(t)
	reader, err := readmodel.OpenReader(t.Context(), readmodel.Config{URL: r.url})
	if err != nil {
		t.Fatalf("OpenReader: %v", err)
	}
	t.Cleanup(reader.Close)
	secret := share.NewSecret()
	if _, err := r.store.CreateLink(t.Context(), secret, canary, canary, time.Hour, canary); err != nil {
		t.Fatalf("CreateLink: %v", err)
	}

	doc := page(t, reader, secret, "application/json").Body.String()
	var got struct {
		Status   string `json:"status"`
		Carrier  string `json:"carrier"`
		Parcels  int    `json:"parcels"`
		ETA      any    `json:"eta"`
		Promised any    `json:"promised"`
		LastScan any    `json:"last_scan"`
		Timeline []struct {
			Type  string `json:"type"`
			Place string `json:"place"`
		} `json:"timeline"`
	}
	if err := json.Unmarshal([]byte(doc), &got); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	var timeline []string
	for _, m := range got.Timeline {
		timeline = append(timeline, m.Type+" in "+m.Place)
	}
	want := []string{
		"available_for_pickup in Köln, DE", "departed in ", "delivery_attempted in Köln, DE", "exception_opened in Köln, DE",
		"arrived in Köln, DE", "created in Hamburg, DE",
	}
	if diff := cmp.Diff(want, timeline); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if got.Carrier != "UPS" || got.Parcels != 1 || got.ETA == nil || got.Promised == nil || got.LastScan == nil || got.Status == "" {
		t.Errorf("the document lacks something that is public: %s", doc)
	}

	html := page(t, reader, secret, "text/html").Body.String()
	live := r.live(t, reader, canary, canary)
	for name, text := range map[string]string{"JSON": doc, "page": html, "live": live} {
		if !strings.Contains(text, "available_for_pickup") && !strings.Contains(text, "Ready to be picked up") {
			t.Errorf("%s does not show the shipment:\n%s", name, text)
		}
		for _, hidden := range []string{canary, "66.6666", "Secretville", "o-1", "other", "lnk_", string(secret)} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s shows %s:\n%s", name, hidden, text)
			}
		}
	}
}

// spool is a socket that keeps what is written.
type spool struct {
	mu   sync.Mutex
	text strings.Builder
	done chan struct{}
}

func (s *spool) Write(_ context.Context, parts [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		s.text.Write(p)
	}
	return nil
}

func (s *spool) Ping(context.Context) error { return nil }

func (s *spool) Close(fanout.CloseCode) { close(s.done) }

func (s *spool) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// live is all that the bearer of a link is told of a shipment that changes, while
// another one does too.
func (r *rig) live(t *testing.T, reader *readmodel.Reader, tenant events.TenantID, shipment events.ShipmentID) string {
	t.Helper()
	hub := fanout.New(reader, reader, fanout.Config{Alerts: reader})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	s := &spool{done: make(chan struct{})}
	c, err := hub.Connect(s, fanout.Peer{Subject: "link", Tenant: tenant, Shipment: shipment, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	if problem := c.Subscribe(fanout.Request{SID: 1, Topic: fanout.Shipments}); problem != nil {
		t.Fatalf("Subscribe: %v", problem)
	}
	r.until(t, s, `"t":"live"`)
	for _, id := range []string{"other", string(shipment)} {
		r.exec(t, `WITH row AS (UPDATE rm_1.shipments SET revision = revision + 1 WHERE shipment_id = $1),
			stream AS (UPDATE waybill.tenant_stream SET seq = seq + 1 WHERE tenant_id = $2 RETURNING seq)
			INSERT INTO waybill.changes (tenant_id, seq, kind, entity_id, entries) SELECT $2, seq, 'shipment', $1, '[]' FROM stream`, id, string(tenant))
	}
	r.until(t, s, `"t":"d"`)
	c.Close(fanout.CloseNormal)
	c.Wait()
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	return s.said()
}

func (r *rig) until(t *testing.T, s *spool, what string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(s.said(), what) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come:\n%s", what, s.said())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Who tries secrets learns nothing from the answers, nor from how long they take.
func TestSecretsThatOpenNothingAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	r, reader := newDesk(t)
	secrets := map[string]share.Secret{"unknown": share.NewSecret(), "no secret": "hello"}
	for _, name := range []string{"expired", "revoked"} {
		secrets[name] = share.NewSecret()
		if _, err := r.store.CreateLink(t.Context(), secrets[name], "acme", "s-1", time.Hour, "ops"); err != nil {
			t.Fatalf("CreateLink: %v", err)
		}
	}
	r.exec(t, `UPDATE waybill.links SET expires_at = now() WHERE link_id = $1`, secrets["expired"].Digest().ID())
	r.exec(t, `UPDATE waybill.links SET revoked_at = now() WHERE link_id = $1`, secrets["revoked"].Digest().ID())

	for _, accept := range []string{"application/json", "text/html"} {
		want := page(t, reader, secrets["unknown"], accept)
		for name, secret := range secrets {
			got := page(t, reader, secret, accept)
			if got.Code != http.StatusNotFound || got.Body.String() != want.Body.String() || !reflect.DeepEqual(got.Header(), want.Header()) {
				t.Errorf("%s as %s: %d %v\n%s\nwant what an unknown one gets:\n%v\n%s", name, accept, got.Code, got.Header(), got.Body, want.Header(), want.Body)
			}
		}
	}
	took := map[string][]time.Duration{}
	for range 200 {
		for name, secret := range secrets {
			began := time.Now()
			if _, err := reader.Shared(t.Context(), secret); !errors.Is(err, share.ErrNotFound) {
				t.Fatalf("%s: %v, want %v", name, err, share.ErrNotFound)
			}
			took[name] = append(took[name], time.Since(began))
		}
	}
	// Taken in turn, so that what slows one down slows the others down too; an
	// answer that does not ask the database takes a hundredth.
	usual := median(took["unknown"])
	for name, all := range took {
		if m := median(all); m > usual*3 || m < usual/3 {
			t.Errorf("%s takes %v, an unknown one %v", name, m, usual)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
