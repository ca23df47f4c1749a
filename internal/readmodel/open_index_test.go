package readmodel_test

import (
	"strings"
	"testing"
)

// What boards ask for is found by the index of what is open, and a change of
// status leaves that alone.
func TestBoardsAreServedByWhatIsOpen(t *testing.T) {
	r := newRig(t)
	l := &teller{tenant: "acme"}
	r.apply(t, append(histories(7, 40), l.created("open", "open", 0), l.placed("open", 0)))
	for _, table := range []string{"orders", "shipments"} {
		closed := one[int](t, r, `SELECT count(*) FROM rm_1.`+table+` WHERE NOT open`)
		open := one[int](t, r, `SELECT count(*) FROM rm_1.`+table+` WHERE open`)
		if closed == 0 || open == 0 {
			t.Errorf("%s: %d open, %d closed; the histories should have both", table, open, closed)
		}
		on := one[string](t, r, `SELECT string_agg(indexdef, E'\n') FROM pg_indexes WHERE schemaname = 'rm_1' AND tablename = '`+table+`'`)
		if strings.Contains(on, "(status") || !strings.Contains(on, "WHERE open") {
			t.Errorf("indexes of %s:\n%s\nwant one of what is open, and none on the status", table, on)
		}
	}
}
