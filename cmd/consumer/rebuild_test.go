package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/scenario"
	"github.com/waybill-io/waybill/internal/topic"
)

// projected is a database with some histories in its read model.
type projected struct {
	t    *testing.T
	url  string
	conn *pgx.Conn
}

func newProjected(t *testing.T, orders int) *projected {
	t.Helper()
	p := &projected{t: t, url: stacktest.Postgres(t)}
	if _, _, err := readmodel.Migrate(t.Context(), p.url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	p.conn = conn
	p.project(orders)
	return p
}

// project applies histories as one batch.
func (p *projected) project(orders int) {
	p.t.Helper()
	store, err := readmodel.OpenStore(p.t.Context(), readmodel.Config{URL: p.url})
	if err != nil {
		p.t.Fatal(err)
	}
	defer store.Close()
	part := projector.Partition{Topic: "all"}
	claims, err := store.Claim(p.t.Context(), "test", "cluster", []projector.Partition{part})
	if err != nil {
		p.t.Fatal(err)
	}
	b := projector.Batch{Advances: []projector.Advance{{Partition: part, Epoch: claims[part].Epoch, From: claims[part].Next}}}
	next := claims[part].Next
	for i := range orders {
		for _, e := range scenario.Order(11, i) {
			m, err := events.Encode(e)
			if err != nil {
				p.t.Fatal(err)
			}
			one, err := projector.Decode(&projector.Record{Partition: part, Offset: next, Message: m})
			if err != nil {
				p.t.Fatal(err)
			}
			b.Events = append(b.Events, one)
			next++
		}
	}
	b.Advances[0].To, b.Advances[0].LastSeen = next, next-1
	if _, err := store.Apply(p.t.Context(), b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *projected) exec(statements ...string) {
	p.t.Helper()
	for _, s := range statements {
		if _, err := p.conn.Exec(p.t.Context(), s); err != nil {
			p.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (p *projected) one(query string) (s string) {
	p.t.Helper()
	if err := p.conn.QueryRow(p.t.Context(), query).Scan(&s); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// call runs a command on the database.
func (p *projected) call(args ...string) clitest.Outcome {
	p.t.Helper()
	return clitest.Call(p.t, run, append(args, "--database-url="+p.url), nil)
}

// A process that is killed in any phase of a fill leaves what it has filled; the
// last one goes on from there and swaps.
func TestRebuild_killedInEveryPhaseGoesOn(t *testing.T) {
	t.Parallel()
	p := newProjected(t, 40)
	p.exec(`CREATE TABLE public.stuck (phase text)`, `GRANT SELECT ON public.stuck TO PUBLIC`,
		`CREATE FUNCTION public.stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF EXISTS (SELECT FROM public.stuck WHERE phase = NEW.phase) AND (SELECT count(*) FROM rebuild.chunks c WHERE c.phase = NEW.phase AND c.done) >= 1 THEN
				PERFORM pg_advisory_xact_lock_shared(4711);
			END IF;
			RETURN NEW; END $$`,
		`CREATE TRIGGER stick BEFORE UPDATE ON rebuild.chunks FOR EACH ROW EXECUTE FUNCTION public.stick()`)
	killed := 0
	for _, phase := range []string{"assignments", "shipments", "orders"} {
		p.exec(`SELECT pg_advisory_lock(4711)`, `TRUNCATE public.stuck`, `INSERT INTO public.stuck VALUES ('`+phase+`')`)
		c := clitest.Start(t, []string{"rebuild", "--chunk-events=30", "--workers=2", "--database-url=" + p.url}, nil)
		clitest.Eventually(t, func() error {
			if n := p.one(`SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'`); n == "0" {
				return fmt.Errorf("nobody is stuck in %s; it said:\n%s", phase, c.Said())
			}
			return nil
		})
		c.Signal(syscall.SIGKILL)
		if code := c.Wait(); code == 0 {
			t.Fatalf("it ended well in %s", phase)
		}
		killed++
		if got := p.one(`SELECT phase FROM rebuild.run`); got != phase {
			t.Errorf("it was killed in %s, want %s", got, phase)
		}
		p.exec(`SELECT pg_advisory_unlock(4711)`)
	}
	p.exec(`TRUNCATE public.stuck`)
	c := clitest.Start(t, []string{"rebuild", "--chunk-events=60", "--json", "--database-url=" + p.url}, nil)
	if code := c.Wait(); code != 0 {
		t.Fatalf("exit code = %d, want 0:\n%s", code, c.Said())
	}
	var done readmodel.Rebuilt
	said := c.Said()
	if err := json.Unmarshal([]byte(said[strings.Index(said, "{"):]), &done); err != nil {
		t.Fatalf("%v in:\n%s", err, said)
	}
	stored := p.one(`SELECT count(*)::text FROM waybill.events`)
	if !done.Resumed || !done.Swapped || done.Version != 2 || done.Events == 0 || fmt.Sprint(done.Events) >= stored && len(fmt.Sprint(done.Events)) == len(stored) {
		t.Errorf("the last one says %+v, want resumed, swapped, and some of %s events", done, stored)
	}
	if o := p.call("verify"); o.Err != nil {
		t.Errorf("verify after %d kills: %v\n%s", killed, o.Err, o.Stdout)
	}
}

// A running consumer goes over to the new version by itself, and what it is told
// then is there.
func TestRebuild_besideARunningConsumer(t *testing.T) {
	t.Parallel()
	o := newOperated(t)
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: []string{o.broker}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pub.Close(); err != nil {
			t.Error(err)
		}
	}()
	p := &projected{t: t, url: o.url, conn: o.conn}
	sent := 0
	send := func(from, to int, version string) {
		t.Helper()
		for i := from; i < to; i++ {
			evs := scenario.Order(11, i)
			if err := pub.Publish(t.Context(), evs); err != nil {
				t.Fatal(err)
			}
		}
		sent = to
		clitest.Eventually(t, func() error {
			if got := p.one(`SELECT count(*)::text FROM ` + version + `.orders WHERE known`); got != fmt.Sprint(sent) {
				return fmt.Errorf("%s orders in %s, want %d", got, version, sent)
			}
			return nil
		})
	}
	o.start()
	send(0, 10, "rm_1")
	if o := p.call("rebuild"); o.Err != nil || !strings.Contains(o.Stdout, "live instead of version 1") {
		t.Fatalf("rebuild: %v\n%s%s", o.Err, o.Stdout, o.Stderr)
	}
	send(10, 15, "rm_2")
	if got := p.one(`SELECT count(*)::text FROM rm_1.orders WHERE known`); got != "10" {
		t.Errorf("the old version has %s orders, want the 10 from before", got)
	}
	if o := p.call("rebuild", "--drop-old"); o.Err != nil || o.Stdout != "dropped versions [1]\n" {
		t.Errorf("--drop-old says %q, %v; want version 1", o.Stdout, o.Err)
	}
	send(15, 20, "rm_2")
	if o := p.call("verify"); o.Err != nil {
		t.Errorf("verify: %v\n%s", o.Err, o.Stdout)
	}
	o.stop()
}

func TestRebuild_saysWhereVersionsDiffer(t *testing.T) {
	t.Parallel()
	p := newProjected(t, 5)
	p.exec(`UPDATE rm_1.parcels SET attempts = 7 WHERE ctid = (SELECT min(ctid) FROM rm_1.parcels)`)
	o := p.call("rebuild")
	coder, ok := errors.AsType[cli.ExitCoder](o.Err)
	if !ok || coder.ExitCode() != 3 || !strings.Contains(o.Err.Error(), "--force") {
		t.Errorf("error = %v, want exit code 3 and what to do", o.Err)
	}
	if fields := strings.Fields(o.Stdout[strings.Index(o.Stdout, "\nparcels ")+1:]); len(fields) < 4 || !slices.Equal(fields[:4], []string{"parcels", "0", "0", "1"}) {
		t.Errorf("it says\n%s\nwant one different row of parcels", o.Stdout)
	}
	if o := p.call("rebuild", "--abandon"); o.Err != nil || o.Stdout != "abandoned version 2\n" {
		t.Errorf("--abandon says %q, %v", o.Stdout, o.Err)
	}
	if o := p.call("rebuild", "--abandon"); o.Err != nil || o.Stdout != "no rebuild has begun\n" {
		t.Errorf("--abandon again says %q, %v", o.Stdout, o.Err)
	}
	if o := p.call("rebuild", "--force"); o.Err != nil || !strings.Contains(o.Stdout, "live instead of version 1") {
		t.Errorf("--force says %q, %v", o.Stdout, o.Err)
	}
	if o := p.call("verify"); o.Err != nil {
		t.Errorf("verify: %v\n%s", o.Err, o.Stdout)
	}
}

func TestVerify_namesTheWrongColumnAndEndsWithOne(t *testing.T) {
	t.Parallel()
	p := newProjected(t, 5)
	shipment, tenant := p.one(`SELECT min(shipment_id) FROM rm_1.shipments`), p.one(`SELECT min(tenant_id) FROM rm_1.shipments`)
	p.exec(`UPDATE rm_1.shipments SET status = 'lost' WHERE shipment_id = '` + shipment + `'`)
	for name, args := range map[string][]string{
		"all": {"--all"}, "a sample": {"--sample=1000"}, "the shipment": {"--tenant=" + tenant, "--shipment=" + shipment},
	} {
		o := p.call(append([]string{"verify"}, args...)...)
		coder, ok := errors.AsType[cli.ExitCoder](o.Err)
		if !ok || coder.ExitCode() != 1 || !strings.Contains(o.Stdout, `"`+shipment+`"`) || !strings.Contains(o.Stdout, `status: stored "lost", folded "`) {
			t.Errorf("%s: %v\n%s\nwant exit code 1 and the column", name, o.Err, o.Stdout)
		}
	}
	o := p.call("verify", "--json")
	var found struct {
		Wrong      int `json:"wrong"`
		Mismatches []struct {
			Table, Column, Stored string
			Key                   map[string]string
		} `json:"mismatches"`
	}
	if err := json.Unmarshal([]byte(o.Stdout), &found); err != nil {
		t.Fatalf("%v in:\n%s", err, o.Stdout)
	}
	if found.Wrong != 1 || len(found.Mismatches) != 1 || found.Mismatches[0].Stored != "lost" || found.Mismatches[0].Key["shipment_id"] != shipment {
		t.Errorf("found %+v, want the status of %s", found, shipment)
	}
	for _, one := range []string{"--order=none", "--shipment=none"} {
		if o := p.call("verify", "--tenant=acme", one); o.Err == nil || !strings.Contains(o.Err.Error(), "none") {
			t.Errorf("verify %s: %v, want that there is no such thing", one, o.Err)
		}
	}
	if o := p.call("verify", "--tenant=nobody"); o.Err != nil {
		t.Errorf("verify of a tenant without rows: %v", o.Err)
	}
}

func TestRebuild_wrongUsage(t *testing.T) {
	url := "--database-url=postgres://h/w"
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "rebuild without a database", Args: []string{"rebuild"}, Want: []string{"--database-url"}},
		{Name: "rebuild with no worker", Args: []string{"rebuild", url, "--workers=0"}, Want: []string{"--workers"}},
		{Name: "rebuild in empty chunks", Args: []string{"rebuild", url, "--chunk-events=0"}, Want: []string{"--chunk-events"}},
		{Name: "rebuild and drop", Args: []string{"rebuild", url, "--drop-old", "--force"}, Want: []string{"--drop-old"}},
		{Name: "drop and abandon", Args: []string{"rebuild", url, "--drop-old", "--abandon"}, Want: []string{"--abandon"}},
		{Name: "verify without a database", Args: []string{"verify"}, Want: []string{"--database-url"}},
		{Name: "verify an order of nobody", Args: []string{"verify", url, "--order=o1"}, Want: []string{"--tenant"}},
		{Name: "verify a sample of all", Args: []string{"verify", url, "--sample=3", "--all"}, Want: []string{"--sample"}},
		{Name: "verify a negative sample", Args: []string{"verify", url, "--sample=-3"}, Want: []string{"--sample"}},
	})
	clitest.Helps(t, run, map[string][]string{
		"rebuild": {"WAYBILL_DATABASE_URL", "WAYBILL_CHUNK_EVENTS"}, "verify": {"WAYBILL_DATABASE_URL", "WAYBILL_SAMPLE"},
	})
}

func TestBar_movesOnATerminalAndIsTerseElsewhere(t *testing.T) {
	var said strings.Builder
	b := &bar{w: &said, terminal: true}
	b.show(readmodel.RebuildProgress{Version: 2, Phase: "shipments", Done: 50, Total: 200, Rate: 100, ETA: 1500 * time.Millisecond})
	b.end()
	if want := "\r\x1b[K[#######.......................] version 2, shipments, 50 of 200 events, 100/s, 2s left\n"; said.String() != want {
		t.Errorf("on a terminal: %q, want %q", said.String(), want)
	}
	said.Reset()
	b = &bar{w: &said}
	for range 5 {
		b.show(readmodel.RebuildProgress{Version: 2, Phase: "plan"})
	}
	b.end()
	if want := "rebuild: version 2, plan\n"; said.String() != want {
		t.Errorf("elsewhere: %q, want %q", said.String(), want)
	}
}
