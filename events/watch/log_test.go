package watch_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events/watch"
)

// A timeline is put by the entries' identity and dropped by it; alerts are kept up
// to a number.
func TestLogTopics(t *testing.T) {
	entry := func(id, mark string) string {
		return fmt.Sprintf(`{"stream":"shipment","stream_id":"S-1","source":"urn:erp","id":%q,"type":"shipment.departed.v1","data":{},"marks":{"anomalies":[%q]}}`, id, mark)
	}
	server := serve(t, nil, func(p *peer) {
		subs := p.greet()
		line, alerts := sid(subs[0]), sid(subs[1])
		p.say(fmt.Sprintf(`{"t":"snap","sid":%v,"epoch":"e1","page":1,"rows":[%s,%s],"more":false}`, line, entry("b", "1"), entry("a", "1")), live(line, 7, 2))
		p.say(fmt.Sprintf(`{"t":"ev","sid":%v,"p":7,"q":9,"e":[%s,%s],"r":[["shipment","S-1","urn:erp","a"]],"n":3}`, line, entry("c", "1"), entry("b", "2")))
		p.say(fmt.Sprintf(`{"t":"snap","sid":%v,"epoch":"e1","page":1,"rows":[],"more":false}`, alerts), live(alerts, 7, 0))
		for i := range 5 {
			p.say(fmt.Sprintf(`{"t":"ev","sid":%v,"p":%d,"q":%d,"e":[%s],"r":[],"n":1}`, alerts, 7+i, 8+i, entry(fmt.Sprint(i), "1")))
		}
		p.linger()
	})
	line, alerts := newBook(t), newBook(t)
	var order []string
	run(t, watch.Config{URL: server.URL, HTTPClient: httpClient(t), Subscriptions: []watch.Subscription{
		{Topic: watch.Timeline, Filter: watch.Eq("shipment", "S-1"), Handle: func(v watch.View) {
			order = order[:0]
			for id := range v.Rows() {
				order = append(order, id)
			}
			line.handle(v)
		}},
		{Topic: watch.Alerts, Keep: 3, Handle: func(v watch.View) {
			if v.Len() > 3 {
				t.Errorf("%d alerts are kept, want 3", v.Len())
			}
			if v.Event != watch.Changed { // the book expects that what was put stays
				return
			}
			alerts.mu.Lock()
			defer alerts.mu.Unlock()
			alerts.views = append(alerts.views, seen{v, maps.Collect(v.Rows())})
			select {
			case alerts.news <- struct{}{}:
			default:
			}
		}},
	}})
	v := line.at(9)
	if diff := cmp.Diff([]string{"shipment S-1 urn:erp b", "shipment S-1 urn:erp c"}, order); diff != "" {
		t.Errorf("order of entries (-want +got):\n%s", diff)
	}
	e, err := watch.Decode[watch.Entry](v.Rows["shipment S-1 urn:erp b"])
	if err != nil || len(e.Marks.Anomalies) != 1 || e.Marks.Anomalies[0] != "2" || e.StreamID != "S-1" {
		t.Errorf("entry b is %+v, %v; want the one that was sent again", e, err)
	}
	if v := alerts.at(12); v.Rows["shipment S-1 urn:erp 4"] == nil || v.Rows["shipment S-1 urn:erp 1"] != nil {
		t.Errorf("alerts are %q, want the newest three", v.Rows)
	}
}
