package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
)

func verify(t testing.TB, r *rig, cfg readmodel.VerifyConfig) readmodel.Verified {
	t.Helper()
	cfg.URL = r.url
	v, err := readmodel.Verify(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v
}

// What the projection has written is what the timeline folds to, all of it,
// whatever the page size.
func TestVerifyFindsNothingInWhatWasProjected(t *testing.T) {
	r := newRig(t)
	for _, tenant := range []events.TenantID{"a", "b"} {
		l := &teller{tenant: tenant}
		stray := []events.Event{l.scanned("NOBODYS", 1), l.created("s-1", "o-only-carried", 0), l.assigned("s-1", "N1", 0, nil), l.scanned("N1", 3), l.assigned("s-2", "N1", 2, nil)}
		for _, evs := range cut(rand.New(rand.NewPCG(1, 1)), append(ofTenant(tenant, histories(5, 25)), stray...), 60) {
			r.apply(t, evs)
		}
	}
	before := dump(t, r)
	for _, cfg := range []readmodel.VerifyConfig{{}, {Streams: 7}, {Sample: 40}, {Tenant: "a"}, {Tenant: "a", Order: "o-only-carried"}, {Tenant: "a", Shipment: "s-1"}} {
		v := verify(t, r, cfg)
		if v.Wrong != 0 || v.Streams == 0 || v.Rows["event_marks"]+v.Rows["shipments"] == 0 {
			t.Errorf("%+v: %+v, want streams, rows and nothing wrong", cfg, v)
		}
		if cfg.Sample == 0 && cfg.Tenant == "" {
			for table, n := range v.Rows {
				twice := table == "event_marks" || table == "unmatched_scans" // with the shipment, and with the number
				if stored := one[int64](t, r, `SELECT count(*) FROM rm_1.`+table); n != stored && !(twice && n > stored) {
					t.Errorf("pages of %d: looked at %d rows of %s, want %d", cfg.Streams, n, table, stored)
				}
			}
			if len(v.Rows) != 10 {
				t.Errorf("looked at %v, want ten tables", v.Rows)
			}
		}
	}
	if diff := diffLines(before, dump(t, r)); diff != "" {
		t.Errorf("it has changed rows:\n%s", diff)
	}
}

// A row of any table that is wrong, missing or too many is found, with its key,
// and its column.
func TestVerifyFindsBrokenRowsOfEveryTable(t *testing.T) {
	r, l := newRig(t), &teller{tenant: "a"}
	all := append(histories(5, 25), l.scanned("NOBODYS", 1))
	r.apply(t, ofTenant("a", all))
	for table, columns := range map[string][]string{
		"shipments": {"status = 'lost'", "state = '{}'", "eta_end = now()", "numbers = '{x}'"}, "parcels": {"attempts = 9"},
		"shipment_contents": {"qty = 99"}, "exceptions": {"reason_code = 'x'"}, "eta_history": {"known_at = now()"},
		"tracking_numbers": {"valid_to = valid_from", "parcel_id = 'x'"}, "orders": {"flags = '{x}'", "promise_latest_on = '2000-01-01'"},
		"order_lines": {"unit_price = 0.123"}, "unmatched_scans": {"type = 'x'"}, "event_marks": {"anomalies = '{x}'", "unmatched = NOT unmatched"},
	} {
		row := `(SELECT t.ctid FROM rm_1.` + table + ` t LIMIT 1)`
		statements := map[string]string{"DELETE FROM rm_1." + table + " WHERE ctid = " + row: ""}
		for _, set := range columns {
			column, _, _ := strings.Cut(set, " ")
			statements["UPDATE rm_1."+table+" SET "+set+" WHERE ctid = "+row] = column
		}
		for statement, column := range statements {
			t.Run(statement, func(t *testing.T) {
				broken(t, r, statement, func() {
					v := verify(t, r, readmodel.VerifyConfig{Streams: 50})
					i := slices.IndexFunc(v.Mismatches, func(m readmodel.Mismatch) bool { return m.Table == table && m.Column == column })
					if v.Wrong == 0 || i < 0 {
						t.Fatalf("found %+v, want column %q of %s", v.Mismatches, column, table)
					}
					if m := v.Mismatches[i]; m.Key["tenant_id"] != "a" || len(m.Key) < 2 || fmt.Sprint(m.Stored) == fmt.Sprint(m.Folded) {
						t.Errorf("found %+v, want the key and two values", m)
					}
				})
			})
		}
	}
	broken(t, r, `INSERT INTO rm_1.exceptions SELECT (jsonb_populate_record(s, '{"shipment_id": "zz-nobodys"}')).* FROM rm_1.exceptions s LIMIT 1`, func() {
		v := verify(t, r, readmodel.VerifyConfig{})
		want := []string{"exceptions zz-nobodys"}
		if got := keysFound(v, "shipment_id"); !cmp.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
	})
}

func keysFound(v readmodel.Verified, column string) (keys []string) {
	for _, m := range v.Mismatches {
		keys = append(keys, m.Table+" "+m.Key[column])
	}
	return keys
}

// broken breaks a table, calls do, and mends it.
func broken(t testing.TB, r *rig, statement string, do func()) {
	t.Helper()
	table := "rm_1." + strings.FieldsFunc(statement[strings.Index(statement, "rm_1.")+5:], func(c rune) bool { return c == ' ' })[0]
	for _, s := range []string{`DROP TABLE IF EXISTS saved`, `CREATE TABLE saved AS TABLE ` + table, statement} {
		tag, err := r.conn.Exec(t.Context(), s)
		if err != nil || s == statement && tag.RowsAffected() != 1 {
			t.Fatalf("%s: %v, %v", s, tag, err)
		}
	}
	do()
	columns := one[string](t, r, `SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = ''`, table)
	for _, s := range []string{`DELETE FROM ` + table, `INSERT INTO ` + table + `(` + columns + `) SELECT ` + columns + ` FROM saved`} {
		if _, err := r.conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
