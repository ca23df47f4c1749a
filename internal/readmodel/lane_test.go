package readmodel

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/devstack/stacktest"
)

// openLane is a lane on a transaction with a table of its own, and the table's
// rows by id. Both end with the test.
func openLane(t *testing.T) (l *lane, rows func() []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), stacktest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `CREATE TEMP TABLE parcels (tenant_id text, shipment_id text, parcel_id text, status text)`); err != nil {
		t.Fatal(err)
	}
	l = newLane(t.Context(), tx)
	t.Cleanup(func() {
		l.close()
		_ = conn.Close(context.WithoutCancel(t.Context()))
	})
	return l, func() []string {
		t.Helper()
		got, err := l.Query(t.Context(), `SELECT parcel_id || ' ' || status FROM parcels ORDER BY parcel_id`)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(got, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
}

var writeStatuses = writesOf(table{name: parcelsTable, keys: 3, columns: words("tenant_id shipment_id parcel_id status")}, "statuses")

func statuses(id string, statuses ...string) []any {
	ids := column(statuses, func(string) string { return id })
	return []any{ids, ids, ids, statuses}
}

func TestWritesHappenInTheirOrderBeforeAnythingIsAsked(t *testing.T) {
	l, rows := openLane(t)
	writeStatuses.add(l, 1, statuses("p1", "created"))
	for range 100 { // more than fit into the queue
		l.later("go on", `UPDATE parcels SET status = 'in_transit' WHERE status = 'created'`)
		l.later("go back", `UPDATE parcels SET status = 'created' WHERE status = 'in_transit'`)
	}
	writeStatuses.change(l, 1, statuses("p1", "delivered"))
	writeStatuses.add(l, 1, statuses("p2", "created"))
	if diff := cmp.Diff([]string{"p1 delivered", "p2 created"}, rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestARowIsChangedAtItsPlace(t *testing.T) {
	l, rows := openLane(t)
	writeStatuses.add(l, 1, statuses("p1", "created"))
	writeStatuses.changeAt(l, placesIn(t, l), statuses("p1", "delivered"))
	if diff := cmp.Diff([]string{"p1 delivered"}, rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func placesIn(t *testing.T, l *lane) []tuple {
	t.Helper()
	rows, err := l.Query(t.Context(), `SELECT ctid FROM parcels ORDER BY parcel_id`)
	if err != nil {
		t.Fatal(err)
	}
	places, err := pgx.CollectRows(rows, pgx.RowTo[tuple])
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// Who writes a row must know it: what lies at its place by now, or does not lie
// there any more, is not overwritten, and the batch fails.
func TestARowThatIsNotWhereItWasReadIsAnError(t *testing.T) {
	tests := []struct {
		name string
		then func(*lane, []tuple)
	}{
		{"it was written since", func(l *lane, places []tuple) {
			l.later("go on", `UPDATE parcels SET status = 'in_transit'`)
			writeStatuses.changeAt(l, places, statuses("p1", "delivered"))
		}},
		{"another row lies there", func(l *lane, places []tuple) {
			writeStatuses.changeAt(l, places, statuses("p2", "delivered"))
		}},
		{"there is none of its key", func(l *lane, _ []tuple) { writeStatuses.change(l, 1, statuses("p2", "delivered")) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := openLane(t)
			writeStatuses.add(l, 1, statuses("p1", "created"))
			places := placesIn(t, l)
			tt.then(l, places)
			if err := l.wait(); err == nil || !strings.Contains(err.Error(), "change rows of parcels: 0 of 1 rows") {
				t.Errorf("wait = %v", err)
			}
		})
	}
}

func TestAfterAnErrorNothingIsWrittenAndEverybodyHearsOfIt(t *testing.T) {
	l, _ := openLane(t)
	l.later("fail", `SELECT 1/0`)
	writeStatuses.add(l, 1, statuses("p1", "created"))
	const want = "fail: ERROR: division by zero"
	_, execErr := l.Exec(t.Context(), `SELECT 1`)
	_, queryErr := l.Query(t.Context(), `SELECT 1`)
	for name, err := range map[string]error{"wait": l.wait(), "Exec": execErr, "Query": queryErr, "QueryRow": l.QueryRow(t.Context(), `SELECT 1`).Scan()} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s = %v, want %s", name, err, want)
		}
	}
}

// What a statement is told of a column's type is what the column has.
func TestEveryColumnsTypeIsKnown(t *testing.T) {
	url := stacktest.Postgres(t)
	if _, _, err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	theirs := map[string]string{"list": "text[]", "decimal": "numeric", "int": "integer", "float8": "double precision", "timestamptz": "timestamp with time zone"}
	for _, table := range foldTables() {
		for _, c := range table.columns {
			var got string
			err := conn.QueryRow(t.Context(), `SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = ('rm_1.' || $1)::regclass AND attname = $2`, table.name, c).Scan(&got)
			want := typeOf(c)
			if name, ok := theirs[want]; ok {
				want = name
			}
			if err != nil || got != want {
				t.Errorf("%s.%s is of type %s, %v; typeOf says %s", table.name, c, got, err, want)
			}
		}
	}
}
