package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
)

// graveyard is a database with dead letters, as a consumer left them there.
type graveyard struct {
	t    *testing.T
	url  string
	conn *pgx.Conn
}

func newGraveyard(t *testing.T) *graveyard {
	t.Helper()
	g := &graveyard{t: t, url: stacktest.Postgres(t)}
	if o := clitest.Call(t, run, []string{"migrate", "--database-url=" + g.url}, nil); o.Err != nil {
		t.Fatal(o.Err)
	}
	conn, err := pgx.Connect(t.Context(), g.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	g.conn = conn
	return g
}

// bury keeps a record as a dead letter of partition 0 of the orders' topic.
func (g *graveyard) bury(offset int64, class string, m events.Message) {
	g.t.Helper()
	headers := make([][2]any, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = [2]any{h.Key, h.Value}
	}
	doc, err := json.Marshal(headers)
	if err != nil {
		g.t.Fatal(err)
	}
	_, err = g.conn.Exec(g.t.Context(), `INSERT INTO waybill.dead_letters (projection, topic, partition, "offset", key, value, headers, class, message)
		VALUES ('rm_1', $1, 0, $2, $3, $4, $5, $6, 'because')`, events.OrdersTopic, offset, m.Key, m.Value, string(doc), class)
	if err != nil {
		g.t.Fatal(err)
	}
}

// call runs a command about dead letters.
func (g *graveyard) call(args ...string) clitest.Outcome {
	g.t.Helper()
	return clitest.Call(g.t, run, append([]string{"deadletters", args[0], "--database-url=" + g.url}, args[1:]...), nil)
}

// order says that an order was confirmed.
func order(t *testing.T, id string) events.Message {
	t.Helper()
	fact := events.Fact{OccurredAt: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	e := events.New("demo", "urn:test", events.EventID("e-"+id), id, &events.OrderConfirmed{OrderFact: events.OrderFact{Fact: fact, OrderID: events.OrderID(id)}})
	m, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDeadLetters_commands(t *testing.T) {
	t.Parallel()
	g := newGraveyard(t)
	g.bury(1, "schema_violation", order(t, "o-1"))
	g.bury(2, "malformed_json", events.Message{Key: []byte("demo|o-\x1b[2J"), Value: []byte("{\n\x1b]0;pwned\a\u202e"), Headers: []events.Header{{Key: "h", Value: []byte{0xff}}, {Key: "n"}}})
	g.bury(3, "null_value", events.Message{Key: []byte("other|o-3")})
	const id = events.OrdersTopic + "/0/"
	for _, tt := range []struct {
		name   string
		args   []string
		want   []string // in what is printed, in this order
		not    []string
		errors string // in the error; none without
	}{
		{"list", []string{"list"}, []string{"ID", id + "1", "schema_violation", "demo|o-1", "because", id + "2", `demo|o-\x1b[2J`, id + "3"}, []string{"\x1b", "\u202e"}, ""},
		{"list of a tenant", []string{"list", "--tenant=other"}, []string{id + "3"}, []string{id + "1", id + "2"}, ""},
		{"list of a key", []string{"list", "--key=demo|o-1"}, []string{id + "1"}, []string{id + "2"}, ""},
		{"list of a class", []string{"list", "--class=null_value,x"}, []string{id + "3"}, []string{id + "1"}, ""},
		{"list of a range", []string{"list", "--offset=2-"}, []string{id + "2", id + "3"}, []string{id + "1"}, ""},
		{"list of one", []string{"list", "--offset=2", "--topic=" + events.OrdersTopic, "--partition=0", "--since=1h"}, []string{id + "2"}, []string{id + "1", id + "3"}, ""},
		{"list of another partition", []string{"list", "--partition=1"}, []string{"no dead letters that were chosen, of status new"}, []string{id}, ""},
		{"list of a tenant that has none", []string{"list", "--tenant=nobody"}, []string{"no dead letters that were chosen, of tenant nobody, of status new"}, []string{id}, ""},
		{"list of what is settled", []string{"list", "--status=discarded"}, nil, []string{id}, ""},
		{"list with a limit", []string{"list", "--limit=1"}, []string{id + "1", "2 more; raise --limit"}, []string{id + "2"}, ""},
		{"list for programs", []string{"list", "--json", "--limit=1"}, []string{`{"id":"` + id + `1","topic":"waybill.orders.v1","partition":0,"offset":1,"class":"schema_violation"`, `"key":"demo|o-1"`}, []string{`"value"`}, ""},
		{"show", []string{"show", id + "2"}, []string{id + "2", "class      malformed_json", "reason     because", "published  not yet", `key        demo|o-\x1b[2J`,
			"header     h = base64:/w==", "header     n = null", "  | {\n", `  | \x1b]0;pwned\x07\u202e`}, []string{"\x1b", "\a", "\u202e"}, ""},
		{"show of no value", []string{"show", id + "3"}, []string{"value      null"}, nil, ""},
		{"show for programs", []string{"show", "--json", id + "2"}, []string{`"headers":[{"name":"h","value_base64":"/w=="},{"name":"n"}]`, `"value":"{\n\u001b]0;pwned`}, []string{"\x1b"}, ""},
		{"show of what is not there", []string{"show", id + "1", id + "9"}, []string{id + "1"}, nil, "no dead letter is kept of " + id + "9"},
		{"dry replay", []string{"replay", "--dry-run"}, []string{"would: " + id + "1\tapplied", "would: " + id + "2\tpoison\t", "would: " + id + "3\tpoison\tnull_value: "}, nil, "2 of 3 records could still not be applied"},
		{"replay of one", []string{"replay", id + "1", "--by=ann"}, []string{id + "1\tapplied"}, []string{"would", id + "2"}, ""},
		{"replay of the same", []string{"replay", id + "1"}, []string{id + "1\talready replayed"}, nil, ""},
		{"replay of the rest", []string{"replay", "--json"}, []string{`{"id":"` + id + `2","outcome":"poison","status":"new","class":`, `{"id":"` + id + `3","outcome":"poison","status":"new","class":"null_value"`}, []string{id + `1"`}, "2 of 2"},
		{"replay of what is not there", []string{"replay", id + "9"}, nil, nil, "no dead letter is kept of " + id + "9"},
		{"show of what was tried", []string{"show", id + "2"}, []string{"tries      2", "replayed   20"}, nil, ""},
		{"show of what was replayed", []string{"show", id + "1"}, []string{"status     replayed", "by ann"}, nil, ""},
		{"dry discard", []string{"discard", "--reason=test data", "--all", "--dry-run"}, []string{"would: " + id + "2\tdiscarded", "would: " + id + "3\tdiscarded"}, []string{id + "1"}, ""},
		{"discard", []string{"discard", "--reason=test data", "--by=bob", "--class=null_value"}, []string{id + "3\tdiscarded"}, []string{"would", id + "2"}, ""},
		{"show of what was discarded", []string{"show", id + "3"}, []string{"status     discarded", "by bob: test data"}, nil, ""},
		{"discard of the same", []string{"discard", "--reason=x", "--json", id + "3"}, []string{`{"id":"` + id + `3","outcome":"already settled"}`}, nil, ""},
	} {
		ok := t.Run(tt.name, func(t *testing.T) {
			o := g.call(tt.args...)
			said := o.Stdout + o.Stderr
			rest := said
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is missing, or in another place, in\n%s", want, said)
				}
				rest = after
			}
			for _, not := range tt.not {
				if strings.Contains(said, not) {
					t.Errorf("%q is in\n%s", not, said)
				}
			}
			if tt.errors == "" && o.Err != nil || tt.errors != "" && (o.Err == nil || !strings.Contains(o.Err.Error(), tt.errors)) {
				t.Errorf("error = %v, want %q", o.Err, tt.errors)
			}
		})
		if !ok {
			t.FailNow() // each goes on where the one before it ended
		}
	}
	var applied int
	if err := g.conn.QueryRow(t.Context(), `SELECT count(*) FROM rm_1.orders WHERE order_id = 'o-1'`).Scan(&applied); err != nil || applied != 1 {
		t.Errorf("%d orders after the replay, %v", applied, err)
	}
}

func TestDeadLetters_refuseWrongUsage(t *testing.T) {
	with := func(command string, args ...string) []string {
		return append([]string{"deadletters", command, "--database-url=postgres://u:" + secret + "@127.0.0.1:1/w"}, args...)
	}
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "no command", Args: []string{"deadletters"}, Want: []string{"list", "show", "replay", "discard"}},
		{Name: "no database", Args: []string{"deadletters", "list"}, Want: []string{"--database-url"}},
		{Name: "a partition below 0", Args: with("list", "--partition=-1"), Want: []string{"--partition"}, Secret: secret},
		{Name: "a partition that is none", Args: with("list", "--partition=x"), Want: []string{"--partition"}, Secret: secret},
		{Name: "an offset that is none", Args: with("list", "--offset=x"), Want: []string{"--offset", `"x"`}, Secret: secret},
		{Name: "a range backwards", Args: with("list", "--offset=9-3"), Want: []string{"--offset", `"9-3"`}, Secret: secret},
		{Name: "a range of nothing", Args: with("list", "--offset=-"), Want: []string{"--offset"}, Secret: secret},
		{Name: "a time that is none", Args: with("list", "--since=yesterday"), Want: []string{"--since", `"yesterday"`}, Secret: secret},
		{Name: "a tenant that is none", Args: with("list", "--tenant=a b"), Want: []string{"--tenant"}, Secret: secret},
		{Name: "a status that is none", Args: with("list", "--status=old"), Want: []string{"--status"}, Secret: secret},
		{Name: "a limit of nothing", Args: with("list", "--limit=0"), Want: []string{"--limit"}, Secret: secret},
		{Name: "a variable's limit of nothing", Args: with("list"), Env: map[string]string{"WAYBILL_LIMIT": "0"}, Want: []string{"--limit", "WAYBILL_LIMIT"}, Secret: secret},
		{Name: "show of nothing", Args: with("show"), Want: []string{"id"}, Secret: secret},
		{Name: "show of half a place", Args: with("show", "waybill.orders.v1/3"), Want: []string{"topic/partition/offset"}, Secret: secret},
		{Name: "replay of no place", Args: with("replay", "a/b/c"), Want: []string{"topic/partition/offset"}, Secret: secret},
		{Name: "discard without a reason", Args: with("discard", "--all"), Want: []string{"--reason"}, Secret: secret},
		{Name: "discard for an empty reason", Args: with("discard", "--all", "--reason= "), Want: []string{"--reason"}, Secret: secret},
		{Name: "discard of everything by mistake", Args: with("discard", "--reason=x"), Want: []string{"--all"}, Secret: secret},
	})
}

// A poison record goes to its topic for dead letters while the others are
// applied; a topic that is missing keeps nobody back, and costs no letter.
func TestRun_publishesDeadLetters(t *testing.T) {
	t.Parallel()
	g := newGraveyard(t)
	broker := stacktest.Embedded(t, devstack.BrokerConfig{Topics: []devstack.Topic{
		{Name: events.OrdersTopic, Partitions: 2}, {Name: events.ShipmentsTopic, Partitions: 2}, {Name: events.ShipmentsTopic + ".dlq", Partitions: 2},
	}}).Addr()
	opsAddr := clitest.Free(t)
	p := clitest.Start(t, []string{"run", "--brokers=" + broker, "--ops-addr=" + opsAddr, "--database-url=" + g.url}, nil)
	clitest.Ready(t, opsAddr)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		events.OrdersTopic + ".dlq":    {0: kgo.NewOffset().AtStart(), 1: kgo.NewOffset().AtStart()},
		events.ShipmentsTopic + ".dlq": {0: kgo.NewOffset().AtStart(), 1: kgo.NewOffset().AtStart()},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	write := func(topic string, partition int32, value string) {
		r := &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("h")}}}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	write(events.OrdersTopic, 1, "order")
	write(events.ShipmentsTopic, 1, "shipment")
	if got := poll(t, client); got != "shipment on waybill.shipments.v1.dlq/1" {
		t.Errorf("first copy = %s: the missing topic keeps the other back", got)
	}
	publish(t, broker) // behind the poison, and elsewhere
	clitest.Eventually(t, func() error { return (&server{url: g.url}).has(t, 1) })
	if o := clitest.Call(t, run, []string{"migrate", "--database-url=" + g.url, "--brokers=" + broker, "--partitions=2"}, nil); o.Err != nil {
		t.Fatal(o.Err)
	}
	if got := poll(t, client); got != "order on waybill.orders.v1.dlq/1" {
		t.Errorf("second copy = %s", got)
	}
	clitest.Eventually(t, func() error {
		var waiting int
		err := g.conn.QueryRow(t.Context(), `SELECT count(*) FROM waybill.dead_letters WHERE published_at IS NULL`).Scan(&waiting)
		if err == nil && waiting > 0 {
			err = fmt.Errorf("%d letters are not marked", waiting)
		}
		return err
	})
	if said := body(t, opsAddr); !strings.Contains(said, "waybill_dead_letters_published_total 2") {
		t.Errorf("metrics say otherwise than 2 published:\n%s", said)
	}
	stops(t, p)
}

// poll waits for one record and says what it is.
func poll(t *testing.T, client *kgo.Client) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		got := client.PollRecords(ctx, 1).Records()
		if err := ctx.Err(); err != nil {
			t.Fatal(errors.Join(errors.New("no copy came"), err))
		}
		if len(got) == 0 {
			continue
		}
		r := got[0]
		own := slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "own" && string(h.Value) == "h" })
		if !own || string(r.Key) != "k" {
			t.Errorf("copy = %+v, want the record's own key and headers", r)
		}
		return fmt.Sprintf("%s on %s/%d", r.Value, r.Topic, r.Partition)
	}
}
