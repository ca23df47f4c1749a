package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

const (
	state       = `document.querySelector("main[data-state]")?.dataset.state`
	navigations = `performance.getEntriesByType("navigation").length + ":" + (window.sameDocument === true)`
)

// statusOf is the status that the page shows of a shipment.
func statusOf(id string) string {
	return fmt.Sprintf(`document.querySelector("[data-row-id='%s']")?.dataset.status`, id)
}

func TestThePageChangesARowWithoutAReload(t *testing.T) {
	t.Parallel()
	path := chromium(t)
	p := newPlatform(t)
	p.project()
	s := &story{tenant: tenant, name: "1"}
	id := string(s.shipment())
	p.publish(s.placed(), s.created())
	gateway := p.serve()
	b := openBrowser(t, path)
	b.open("http://" + gateway.addr + "/")
	b.shows(state, "live")
	b.shows(statusOf(id), "created")
	b.eval(`window.sameDocument = true`)

	p.publish(s.pickedUp())
	b.shows(statusOf(id), "picked_up")
	p.publish(s.departed())
	b.shows(statusOf(id), "in_transit")
	if faults := b.complaints(); len(faults) > 0 {
		t.Errorf("the page complained of %q", faults)
	}

	gateway.stop()
	b.shows(state, "reconnecting")
	b.shows(statusOf(id), "in_transit") // as of the last word
	p.publish(s.delivering())
	p.drained()
	p.serveAt(gateway.addr)
	b.shows(statusOf(id), "out_for_delivery")
	b.shows(state, "live")
	if got, want := b.eval(navigations), "1:true"; got != want {
		t.Errorf("navigations and mark = %v, want %v: the page was loaded again", got, want)
	}
	for _, fault := range b.complaints() {
		if !strings.HasPrefix(fault, "network: ") { // it was told that nobody answers
			t.Errorf("the page complained of %s", fault)
		}
	}
}
