package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
)

// says runs a command about dead letters, and fails the test unless it prints just
// this and ends with this error.
func (g *graveyard) says(want, wantErr string, args ...string) {
	g.t.Helper()
	o := g.call(args...)
	if o.Stdout != want {
		g.t.Errorf("%q prints\n%s\nwant\n%s", args, o.Stdout, want)
	}
	if wantErr == "" && o.Err != nil || wantErr != "" && (o.Err == nil || !strings.Contains(o.Err.Error(), wantErr)) {
		g.t.Errorf("%q: error = %v, want %q", args, o.Err, wantErr)
	}
}

// A running consumer parks keys by its flag, and takes notice of what the commands
// let go.
func TestDeadLetters_letGoWhatWaits(t *testing.T) {
	t.Parallel()
	g := newGraveyard(t)
	broker := stacktest.Embedded(t, devstack.BrokerConfig{Topics: []devstack.Topic{
		{Name: events.OrdersTopic, Partitions: 1}, {Name: events.ShipmentsTopic, Partitions: 1},
	}}).Addr()
	opsAddr := clitest.Free(t)
	p := clitest.Start(t, []string{"run", "--brokers=" + broker, "--ops-addr=" + opsAddr, "--database-url=" + g.url},
		map[string]string{"WAYBILL_PARK": "order.*"})
	clitest.Ready(t, opsAddr)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(events.OrdersTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	read := 0
	write := func(id, value string) {
		t.Helper()
		m := order(t, id)
		r := &kgo.Record{Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			if h.Key == "ce_id" {
				h.Value = fmt.Appendf(nil, "e%d", read)
			}
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if value != "" {
			r.Value = []byte(value)
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		read++
		clitest.Eventually(t, func() error {
			var at int
			err := g.conn.QueryRow(context.WithoutCancel(t.Context()), `SELECT next_offset FROM waybill.projection_offsets WHERE topic = $1`, events.OrdersTopic).Scan(&at)
			if err == nil && at != read {
				err = fmt.Errorf("position %d, want %d", at, read)
			}
			return err
		})
	}
	write("a", "{")
	write("b", "")
	write("a", "")
	write("a", "[")
	write("a", "")
	const id = events.OrdersTopic + "/0/"
	const second = "schema_violation: " // [ is JSON at least as far as it goes

	list := g.call("list")
	if want := "malformed_json  1      new     3 "; !strings.Contains(list.Stdout, want) || strings.Count(list.Stdout, "\n") != 2 {
		t.Errorf("list prints\n%s\nwant one letter, for which 3 wait", list.Stdout)
	}
	shown := g.call("show", id+"0")
	for _, want := range []string{"waiting    3 records of this key\n", "\n  > 2  20", "Z  order.confirmed.v1\n  > 3  ", "order.confirmed.v1  schema_violation\n  > 4  "} {
		if !strings.Contains(shown.Stdout, want) {
			t.Errorf("show prints\n%s\nwhere %q is missing", shown.Stdout, want)
		}
	}
	var j struct {
		Waiting *int
		Parked  []struct{ ID, Type, Class string }
	}
	if out := g.call("show", "--json", id+"0").Stdout; json.Unmarshal([]byte(out), &j) != nil || j.Waiting == nil || *j.Waiting != 3 ||
		len(j.Parked) != 3 || j.Parked[1].ID != id+"3" || j.Parked[1].Type != "order.confirmed.v1" || j.Parked[1].Class != "schema_violation" {
		t.Errorf("show --json prints %s", out)
	}

	var dry struct {
		Unparked struct {
			Head    string
			Message string
		}
	}
	out := g.call("discard", "--reason=r", "--json", "--dry-run", id+"0").Stdout
	if err := json.Unmarshal([]byte(out), &dry); err != nil || dry.Unparked.Head != id+"3" {
		t.Errorf("dry discard prints %s, %v", out, err)
	}
	reason, err := json.Marshal(dry.Unparked.Message)
	if err != nil {
		t.Fatal(err)
	}
	const behind = "behind 1 of 1 records one that waited could not be applied"
	text := "would: " + id + "0\tdiscarded\nwould: " + id + "0\t1 behind it applied\nwould: " + id + "0\tthen poison: " + id + "3\t" + second + dry.Unparked.Message +
		"\nwould: " + id + "0\t1 wait for that now\n"
	g.says(text, behind, "discard", "--reason=r", "--dry-run", id+"0")
	g.says(`{"id":"`+id+`0","outcome":"discarded","status":"discarded","unparked":{"applied":1,"waiting":1,"head":"`+id+`3","class":"schema_violation","message":`+string(reason)+"}}\n",
		behind, "discard", "--reason=r", "--json", id+"0")
	write("a", "") // waits for the next one
	g.says(id+"3\tpoison\t"+second+dry.Unparked.Message+"\n", "1 of 1 records could still not be applied", "replay", id+"3")

	// As if this release could read it: the letter has what another one kept.
	fixed := order(t, "a")
	if _, err := g.conn.Exec(t.Context(), `UPDATE waybill.dead_letters SET value = $1 WHERE "offset" = 3`, fixed.Value); err != nil {
		t.Fatal(err)
	}
	g.says("would: "+id+"3\tapplied\nwould: "+id+"3\t2 behind it applied\n", "", "replay", "--dry-run")
	g.says(`{"id":"`+id+`3","outcome":"applied","status":"replayed","unparked":{"applied":2,"waiting":0}}`+"\n", "", "replay", "--json")
	write("a", "") // goes on
	var keys, records, applied int
	err = g.conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM waybill.parked_keys), (SELECT count(*) FROM waybill.parked_records), (SELECT count(*) FROM waybill.events)`).
		Scan(&keys, &records, &applied)
	if err != nil || keys != 0 || records != 0 || applied != 6 {
		t.Errorf("%d keys, %d records wait, %d events are applied, %v; want 0, 0 and 6", keys, records, applied, err)
	}
	stops(t, p)
}
