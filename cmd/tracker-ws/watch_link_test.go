package main

import (
	"strings"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// The secret of a link stands in place of a token; what it does not show, and its
// end, are told as a link's.
func TestWatch_followsTheShipmentOfALink(t *testing.T) {
	t.Parallel()
	g := newServed(t)
	url := g.call("link", "create", "--tenant=demo", "--shipment=s-1", "--base-url=https://track.example.com/")
	_, secret, _ := strings.Cut(url, "/t/")
	watch := func(args ...string) *clitest.Process {
		return clitest.Start(t, append([]string{"watch", "--url=ws://" + g.listen}, args...), map[string]string{"WAYBILL_TOKEN": secret})
	}
	says := func(p *clitest.Process, never string, want ...string) {
		t.Helper()
		if code := p.Wait(); code != 1 {
			t.Errorf("exit code = %d, want 1", code)
		}
		for _, text := range want {
			if !strings.Contains(p.Said(), text) {
				t.Errorf("it says %q, want %q in it", p.Said(), text)
			}
		}
		if strings.Contains(p.Said(), never) || strings.Contains(p.Said(), secret) {
			t.Errorf("it says %q, which has %q or the secret in it", p.Said(), never)
		}
	}
	says(watch("--topic=orders"), "emptied", "\t#\trefused\t0 rows\t", "forbidden", "--topic shipments")

	p := watch("--columns=id,status,carrier,parcels")
	p.Says("\trow\tshipment\tin_transit\t\t1\n")
	p.Says("\t#\tlive\t1 rows\n")
	g.call("link", "revoke", "--tenant=demo", "--reason=wrong shipment", url)
	says(p, "token", "\t#\tended\t1 rows\tclosed with 4505: the link was revoked or has expired\n", "ask for another link")
	says(watch(), "token", "\t#\tended\t0 rows\tclosed with 4501: no such link", "ask for another link")
}
