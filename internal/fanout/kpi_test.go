package fanout_test

import (
	"os"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/tracking"
)

func TestTheProtocolPageNamesEveryStatusAndAlert(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range tracking.Statuses() {
		names = append(names, string(s))
	}
	for _, s := range tracking.OrderStatuses() {
		names = append(names, string(s))
	}
	for _, typ := range tracking.AlertTypes() {
		names = append(names, strings.TrimSuffix(string(typ), ".v1"))
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not on the page", name)
		}
	}
}

func TestEveryCountHasAFilterOfItsTopic(t *testing.T) {
	rows := fanout.KPIRows(map[string]int64{fanout.KPILate: 3})
	for i, row := range rows {
		k, ok := row.(*fanout.KPIRow)
		if !ok {
			t.Fatalf("a count is a %T", row)
		}
		if _, problem := fanout.ParseFilter(k.Of, k.Filter); problem != nil {
			t.Errorf("%s: %v", k.ID, problem)
		}
		if i > 0 && rows[i-1].Key() >= k.ID {
			t.Errorf("%s stands behind %s", k.ID, rows[i-1].Key())
		}
		if want := map[bool]int64{true: 3}[k.ID == fanout.KPILate]; k.N != want {
			t.Errorf("%s counts %d, want %d", k.ID, k.N, want)
		}
	}
}
