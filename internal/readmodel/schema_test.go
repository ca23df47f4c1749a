package readmodel_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/readmodel"
)

func TestMigratingTwiceDoesNothing(t *testing.T) {
	url := stacktest.Postgres(t)
	from, to, err := readmodel.Migrate(t.Context(), url)
	if err != nil || from != 0 || to == 0 {
		t.Fatalf("Migrate = %d to %d, %v; want from 0 to the newest", from, to, err)
	}
	again, still, err := readmodel.Migrate(t.Context(), url)
	if err != nil || again != to || still != to {
		t.Errorf("Migrate again = %d to %d, %v; want %d to %d", again, still, err, to, to)
	}
}

func TestSeveralMayMigrateAtOnce(t *testing.T) {
	url := stacktest.Postgres(t)
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, _, errs[i] = readmodel.Migrate(t.Context(), url) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("Migrate: %v", err)
	}
}

func TestAnotherSchemaIsRefused(t *testing.T) {
	url := stacktest.Postgres(t)
	open := func(when string) {
		t.Helper()
		if store, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: url}); !errors.Is(err, readmodel.ErrSchema) {
			t.Errorf("OpenStore of %s = %v, want %v", when, err, readmodel.ErrSchema)
			if err == nil {
				store.Close()
			}
		}
		if reader, err := readmodel.OpenReader(t.Context(), readmodel.Config{URL: url}); !errors.Is(err, readmodel.ErrSchema) {
			t.Errorf("OpenReader of %s = %v, want %v", when, err, readmodel.ErrSchema)
			if err == nil {
				reader.Close()
			}
		}
	}
	open("an empty database")
	if _, _, err := readmodel.Migrate(t.Context(), url); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	conn := connect(t, url)
	for when, statement := range map[string]string{
		"an older schema": `DELETE FROM public.waybill_schema WHERE version_id = (SELECT max(version_id) FROM public.waybill_schema)`,
		"a newer schema":  `INSERT INTO public.waybill_schema (version_id, is_applied) VALUES (99999, true)`,
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `CREATE TABLE IF NOT EXISTS public.kept AS TABLE public.waybill_schema`); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		open(when)
		if _, err := conn.Exec(t.Context(), `TRUNCATE public.waybill_schema; INSERT INTO public.waybill_schema OVERRIDING SYSTEM VALUE TABLE public.kept`); err != nil {
			t.Fatal(err)
		}
	}
}

// as runs statements in a transaction of a role.
func as(t testing.TB, r *rig, role string, statements ...string) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), r.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE "+role); err != nil {
			return err
		}
		for _, s := range statements {
			if _, err := tx.Exec(t.Context(), s); err != nil {
				return err
			}
		}
		return nil
	})
}

func tenantTables(t testing.TB, r *rig) []string {
	t.Helper()
	rows, err := r.conn.Query(t.Context(), `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND c.relnamespace::regnamespace::text IN ('waybill', 'rm_1') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 14 {
		t.Fatalf("found %d tenant tables, %v; want 14", len(tables), err)
	}
	return tables
}

// A reader sees the tenants that it names, and without a name an error.
func TestReaderSeesOnlyTheTenantsItNames(t *testing.T) {
	r := newRig(t)
	all := histories(5, 12)
	r.apply(t, ofTenant("a", all))
	r.apply(t, ofTenant("b", all))
	l := &teller{tenant: "a"}
	scan := l.scanned("NOBODYS", 1)
	stray := []events.Event{scan, l.retract(l.scanned("NOBODYS", 2), 2), l.departed("s1", 1), l.departed("s1", 1), l.tell("s1", &events.ExceptionOpened{
		ShipmentFact: events.ShipmentFact{Fact: at(1), ShipmentID: "s1"}, ExceptionID: "x1", ReasonCode: "why", Party: events.PartyOther, Severity: "low"})}
	r.apply(t, stray)
	r.apply(t, ofTenant("b", stray))
	for _, tenant := range []string{"a", "b"} {
		r.exec(t, `INSERT INTO waybill.revocations (tenant_id, subject, issued_before, revoked_by, revoked_at) VALUES ($1, 'ann', now(), 'ops', now())`, tenant)
		r.exec(t, `INSERT INTO waybill.links (tenant_id, link_id, secret_hash, shipment_id, created_by, created_at, expires_at)
			VALUES ($1, 'lnk_1', sha256(convert_to($1::text, 'UTF8')), 's1', 'ops', now(), now() + interval '1 day')`, tenant)
	}
	tables := append(tenantTables(t, r), "waybill.shipments", "waybill.orders", "waybill.parcels", "waybill.event_marks")
	for _, table := range tables { // before any transaction of the session named a tenant
		err := as(t, r, "waybill_reader", "SELECT count(*) FROM "+table)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42704" {
			t.Errorf("%s without a tenant: %v, want an error that names the setting", table, err)
		}
	}
	for _, table := range tables {
		for _, tenants := range []string{"a", "b", "nobody", ""} {
			seen, own := countAs(t, r, tenants, table)
			if want := tenants == "a" || tenants == "b"; !own || want != (seen > 0) {
				t.Errorf("%s as %q: %d rows, only own ones: %v", table, tenants, seen, own)
			}
		}
		alone, _ := countAs(t, r, "a", table)
		if both, _ := countAs(t, r, "a,b", table); both != 2*alone {
			t.Errorf("%s as both tenants: %d rows, want %d", table, both, 2*alone)
		}
	}
}

// countAs counts the rows that a reader of the tenants sees, and whether all
// are of the one that it names.
func countAs(t *testing.T, r *rig, tenants, table string) (seen int, own bool) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), r.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE waybill_reader"); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "SELECT set_config('waybill.tenants', $1, true)", tenants); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), "SELECT count(*), coalesce(bool_and(tenant_id = $1), true) FROM "+table, tenants).Scan(&seen, &own)
	})
	if err != nil {
		t.Errorf("%s as %q: %v", table, tenants, err)
	}
	return seen, own
}

func TestReaderWritesNothing(t *testing.T) {
	r := newRig(t)
	for _, table := range tenantTables(t, r) {
		for _, statement := range []string{"DELETE FROM " + table, "UPDATE " + table + " SET tenant_id = 'b'", "INSERT INTO " + table + " DEFAULT VALUES"} {
			err := as(t, r, "waybill_reader", "SET LOCAL waybill.tenants = 'a'", statement)
			if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42501" {
				t.Errorf("%s as a reader: %v, want permission denied", statement, err)
			}
		}
	}
	for _, statement := range []string{"DELETE FROM waybill.events", "UPDATE waybill.events SET data = '{}'", "TRUNCATE waybill.events"} {
		err := as(t, r, "waybill_projector", statement)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42501" {
			t.Errorf("%s as the projector: %v, want permission denied: the timeline is insert-only", statement, err)
		}
	}
}

// The catalog says what the migrations promise of every table, present and
// future.
func TestCatalogKeepsTenantsApart(t *testing.T) {
	r := newRig(t)
	for name, query := range map[string]string{
		"tenant tables without forced row level security": `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
			AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
		"tenant tables whose key does not begin with the tenant": `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND NOT EXISTS (
				SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indkey[0] = a.attnum)`,
		"policies for others than the two roles": `SELECT polrelid::regclass::text FROM pg_policy p
			WHERE p.polroles <> ARRAY['waybill_projector'::regrole::oid] AND p.polroles <> ARRAY['waybill_reader'::regrole::oid]`,
		"reader policies that do not compare the tenant": `SELECT polrelid::regclass::text FROM pg_policy p
			WHERE p.polroles = ARRAY['waybill_reader'::regrole::oid]
			AND (p.polrelid::regclass::text, p.polname) NOT IN (('revocations', 'gateway'), ('links', 'bearer')) -- by other settings
			AND (p.polcmd <> 'r' OR pg_get_expr(p.polqual, p.polrelid) NOT LIKE '%tenant_id = ANY (string_to_array(current_setting(''waybill.tenants''::text), '',''::text))%')`,
		"views with their owner's rights": `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'v'
			AND c.relnamespace::regnamespace::text IN ('waybill', 'rm_1') AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)`,
		"application roles that own something": `SELECT c.oid::regclass::text FROM pg_class c
			WHERE c.relowner IN ('waybill_projector'::regrole, 'waybill_reader'::regrole)`,
		"application roles that are too strong": `SELECT rolname FROM pg_roles
			WHERE rolname LIKE 'waybill\_%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin)`,
		"functions with their owner's rights": `SELECT p.oid::regproc::text FROM pg_proc p
			WHERE p.pronamespace::regnamespace::text IN ('waybill', 'rm_1') AND p.prosecdef`,
		"text keys that do not compare bytewise": `SELECT c.oid::regclass || '.' || a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) JOIN pg_collation l ON l.oid = a.attcollation
			WHERE i.indisprimary AND c.relnamespace::regnamespace::text IN ('waybill', 'rm_1') AND l.collname <> 'C'`,
	} {
		rows, err := r.conn.Query(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(found) > 0 {
			t.Errorf("%s: %s", name, strings.Join(found, ", "))
		}
	}
}
