package fanout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

// canary stands in all that the bearer of a link must not see.
const canary = "CANARY"

// guarded is a shipment of which every field that is not public has a canary.
func guarded(id string, v int64, status string) *fanout.ShipmentRow {
	return &fanout.ShipmentRow{
		ID: events.ShipmentID(id), Revision: v, Status: status, Direction: canary, Carrier: "UPS", Service: canary, Parcels: 2,
		Numbers: []events.TrackingNumber{canary}, Orders: []events.OrderID{canary}, LastScanType: events.TypeArrived,
		LastScanAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), LastLocation: canary, OpenExceptions: 3, Disputed: true, Gap: true,
	}
}

func linkTo(id string) fanout.Peer {
	return fanout.Peer{Subject: "link", Tenant: acme, ID: "l-1", Shipment: events.ShipmentID(id), Expires: time.Now().Add(time.Hour)}
}

// visit connects the bearer of a link, who keeps what was written to the pipe.
func (b *bench) visit(p *pipe, peer fanout.Peer) *fanout.Conn {
	b.t.Helper()
	c, err := b.hub.Connect(p, peer)
	if err != nil {
		b.t.Fatalf("Connect: %v", err)
	}
	return c
}

// shown is all that was written to a pipe but the row of the link.
func shown(p *pipe) string {
	var out strings.Builder
	for _, f := range p.book.Frames("") {
		fmt.Fprintf(&out, "%s %s %v %s\n", f.Rows, f.U, f.R, f.Msg)
	}
	return out.String()
}

func TestTheBearerOfALinkSeesOneShipmentAndOfItWhatIsPublic(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		const mine, other = canary + "-mine", canary + "-other"
		b.model.Put(acme, guarded(mine, 1, "in_transit"), guarded(other, 1, "in_transit"))
		whole := newPipe()
		c := b.connect(acme, whole)
		defer b.leave(c)
		b.subscribe(c, whole, fanout.Request{SID: 1, Topic: fanout.Shipments})

		p := newPipe()
		link := b.visit(p, linkTo(mine))
		b.subscribe(link, p, fanout.Request{SID: 1, Topic: fanout.Shipments})
		b.settle(time.Second)
		b.model.Put(acme, guarded(mine, 2, "out_for_delivery"), guarded(other, 2, "lost"))
		b.settle(time.Second)
		b.model.Delete(acme, fanout.Shipments, other)
		b.settle(time.Second)

		row := func(v int, status string) string {
			return fmt.Sprintf(`{"id":"shipment","v":%d,"status":%q,"carrier":"UPS","parcels":2,`+
				`"last_scan_at":"2026-03-01T09:00:00Z","last_scan_type":"shipment.arrived.v1"}`, v, status)
		}
		snaps, deltas := p.book.Frames("snap"), p.book.Frames("d")
		if len(snaps) != 1 || len(deltas) != 1 {
			t.Fatalf("frames %v, want one snap and one d", kinds(p))
		}
		got := []string{string(snaps[0].Rows), fmt.Sprintf("%s", deltas[0].U), fmt.Sprint(deltas[0].R, deltas[0].N)}
		want := []string{"[" + row(1, "in_transit") + "]", "[" + row(2, "out_for_delivery") + "]", "[] 1"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows, then u, r and n (-want +got):\n%s", diff)
		}
		if strings.Contains(shown(p), canary) {
			t.Errorf("something that is not public came out:\n%s", shown(p))
		}
		if got := b.hub.Stats().Groups; got != 2 {
			t.Errorf("%d groups, want one for the link and one for who sees all", got)
		}
		b.honest(p)

		b.model.Delete(acme, fanout.Shipments, mine)
		b.settle(time.Second)
		if d := p.book.Frames("d"); len(d) != 2 || fmt.Sprint(d[1].R) != "[shipment]" {
			t.Errorf("after the shipment went: %+v, want its removal", d)
		}
		b.leave(link)
	})
}

// Who resumes is told to drop every changed row that does not match; of other
// shipments even the names would be too much.
func TestTheBearerOfALinkResumesWithoutASightOfOthers(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, guarded("S-1", 1, "in_transit"), guarded("S-2", 1, "in_transit"))
		r := fanout.Request{SID: 1, Topic: fanout.Shipments}
		p := newPipe()
		c := b.visit(p, linkTo("S-1"))
		b.subscribe(c, p, r)
		b.settle(time.Second)
		b.leave(c)
		v := p.book.View(1)
		b.model.Put(acme, guarded("S-1", 2, "lost"), guarded("S-2", 2, "lost"), guarded("S-3", 1, "created"))

		again := newPipe()
		again.book.Ask(1, v)
		r.Since = v.Since()
		c = b.visit(again, linkTo("S-1"))
		b.subscribe(c, again, r)
		b.settle(time.Second)
		b.model.Put(acme, guarded("S-2", 3, "returned"))
		b.settle(time.Second)
		d := again.book.Frames("d")
		if len(d) != 1 || len(d[0].U) != 1 || len(d[0].R) != 0 || d[0].N != 1 {
			t.Errorf("frames %+v, want one delta with one row and no removal", d)
		}
		if strings.Contains(shown(again), "S-") || strings.Contains(shown(again), canary) {
			t.Errorf("something that is not public came out:\n%s", shown(again))
		}
		b.honest(again)
		b.leave(c)
	})
}

// A position of a link is no position of somebody else, nor of another link.
func TestAPositionOfALinkIsOfItsRightsOnly(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		b.model.Put(acme, guarded("S-1", 1, "in_transit"), guarded("S-2", 1, "in_transit"))
		r := fanout.Request{SID: 1, Topic: fanout.Shipments}
		p := newPipe()
		c := b.visit(p, linkTo("S-1"))
		b.subscribe(c, p, r)
		b.settle(time.Second)
		b.leave(c)
		r.Since = p.book.View(1).Since()
		everybody := fanout.Peer{Subject: "ann", Tenant: acme, Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)}
		for _, peer := range []fanout.Peer{linkTo("S-2"), everybody} {
			again := newPipe()
			c := b.visit(again, peer)
			b.subscribe(c, again, r)
			b.settle(time.Second)
			if got := again.book.Frames("reset"); len(got) != 1 || got[0].Code != "authz" {
				t.Errorf("%+v resumed: frames %v, %+v; want a reset for authz", peer, kinds(again), got)
			}
			b.leave(c)
		}
	})
}

func TestTheBearerOfALinkMayAskForNothingElse(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		c := b.visit(newPipe(), linkTo("S-1"))
		defer b.leave(c)
		for _, tt := range []struct {
			topic  fanout.Topic
			filter string
			want   fanout.Code
		}{
			{fanout.Orders, "", fanout.Forbidden},
			{fanout.KPIs, "", fanout.Forbidden},
			{fanout.Timeline, `{"f":"shipment","op":"eq","v":"S-1"}`, fanout.Forbidden},
			{fanout.Alerts, "", fanout.Forbidden},
			{fanout.Shipments, `{"f":"id","op":"eq","v":"S-2"}`, fanout.BadFilter},
			{fanout.Shipments, `{"f":"carrier","op":"eq","v":"UPS"}`, fanout.BadFilter},
			{fanout.Shipments, `{"not":{"f":"status","op":"eq","v":"lost"}}`, fanout.BadFilter},
		} {
			err := c.Subscribe(fanout.Request{SID: 1, Topic: tt.topic, Filter: []byte(tt.filter)})
			if err == nil || err.Code != tt.want {
				t.Errorf("%s %s: error %v, want %s", tt.topic, tt.filter, err, tt.want)
			}
		}
		if err := c.Subscribe(fanout.Request{SID: 1, Topic: fanout.Shipments, Filter: []byte(`{}`)}); err != nil {
			t.Errorf("an empty filter: %v", err)
		}
		b.settle(time.Second)
	})
}

// Nobody can renew a link, so nobody is asked to.
func TestALinkThatHasExpiredIsClosedForGood(t *testing.T) {
	inBubble(t, fanout.Config{}, func(b *bench) {
		p := newPipe()
		c := b.visit(p, linkTo("S-1"))
		b.settle(time.Hour - time.Second)
		if got := p.closed(); got != 0 {
			t.Fatalf("closed with %d before its time", got)
		}
		b.settle(2 * time.Second)
		if got := p.closed(); got != fanout.CloseRevoked || len(p.book.Frames("authreq")) != 0 {
			t.Errorf("closed with %d, %d requests for a token; want %d and none", got, len(p.book.Frames("authreq")), fanout.CloseRevoked)
		}
		c.Wait()
	})
}
