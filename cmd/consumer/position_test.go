package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// operated is a consumer that runs, and what an operator sees of it.
type operated struct {
	t       *testing.T
	url     string
	broker  string
	opsAddr string
	group   string
	conn    *pgx.Conn
	process *clitest.Process
}

func newOperated(t *testing.T) *operated {
	t.Helper()
	o := &operated{t: t, url: stacktest.Postgres(t), broker: stacktest.Embedded(t, devstack.BrokerConfig{}).Addr(), group: "operated"}
	if _, _, err := readmodel.Migrate(t.Context(), o.url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), o.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	o.conn = conn
	return o
}

func (o *operated) start() {
	o.t.Helper()
	o.opsAddr = clitest.Free(o.t)
	o.process = clitest.Start(o.t, []string{"run", "--brokers=" + o.broker, "--database-url=" + o.url, "--ops-addr=" + o.opsAddr, "--group=" + o.group}, nil)
}

func (o *operated) stop() {
	o.t.Helper()
	o.process.Signal(syscall.SIGTERM)
	if code := o.process.Wait(); code != 0 {
		o.t.Fatalf("exit code = %d: %s", code, o.process.Said())
	}
}

// publish writes events from..to-1 of orders that belong on a partition.
func (o *operated) publish(partition int32, from, to int) {
	o.t.Helper()
	pub, err := topic.NewPublisher(topic.PublisherConfig{Brokers: []string{o.broker}})
	if err != nil {
		o.t.Fatal(err)
	}
	var list []events.Event
	for _, id := range ordersOf(partition, to)[from:] {
		fact := events.Fact{OccurredAt: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
		list = append(list, events.New("demo", "urn:test", "e-1", string(id), &events.OrderConfirmed{OrderFact: events.OrderFact{Fact: fact, OrderID: id}}))
	}
	if err := errors.Join(pub.Publish(o.t.Context(), list), pub.Close()); err != nil {
		o.t.Fatal(err)
	}
}

// stands waits until the read model stands so in a partition.
func (o *operated) stands(partition int32, next int64) {
	o.t.Helper()
	clitest.Eventually(o.t, func() error {
		var got int64
		err := o.conn.QueryRow(o.t.Context(), `SELECT next_offset FROM waybill.projection_offsets WHERE topic = $1 AND partition = $2`, events.OrdersTopic, partition).Scan(&got)
		if err == nil && got != next {
			err = fmt.Errorf("partition %d stands at %d, want %d", partition, got, next)
		}
		return err
	})
}

// events lists what the timeline has of a partition.
func (o *operated) events(partition int32) string {
	o.t.Helper()
	var all string
	err := o.conn.QueryRow(o.t.Context(), `SELECT coalesce(string_agg(stream_id || '@' || "offset", ' ' ORDER BY applied_at, "offset"), '')
		FROM waybill.events WHERE topic = $1 AND partition = $2`, events.OrdersTopic, partition).Scan(&all)
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// halted waits until the consumer says that it is not ready, for these reasons.
func (o *operated) halted(why ...string) {
	o.t.Helper()
	clitest.Eventually(o.t, func() error {
		status := clitest.NotReady(o.t, o.opsAddr, "projector")
		for _, w := range why {
			if !strings.Contains(status.Detail, w) {
				return fmt.Errorf("detail = %q, want %q in it", status.Detail, w)
			}
		}
		return nil
	})
}

// call runs a command against the same broker and database.
func (o *operated) call(args ...string) clitest.Outcome {
	o.t.Helper()
	return clitest.Call(o.t, run, append([]string{args[0], "--brokers=" + o.broker, "--database-url=" + o.url}, args[1:]...), nil)
}

func (o *operated) must(args ...string) string {
	o.t.Helper()
	out := o.call(args...)
	if out.Err != nil {
		o.t.Fatalf("%v: %v", args, out.Err)
	}
	return out.Stdout
}

// position is what `positions --json` says of a partition of orders.
func (o *operated) position(partition int32) row {
	o.t.Helper()
	for line := range strings.Lines(o.must("positions", "--json")) {
		var r row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			o.t.Fatalf("%q: %v", line, err)
		}
		if r.Topic == events.OrdersTopic && r.Partition == partition {
			return r
		}
	}
	o.t.Fatalf("no row of partition %d", partition)
	return row{}
}

// request asks the broker for one thing.
func request[T any](o *operated, ask func(*kgo.Client) (T, error)) T {
	o.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(o.broker))
	if err != nil {
		o.t.Fatal(err)
	}
	defer c.Close()
	res, err := ask(c)
	if err != nil {
		o.t.Fatal(err)
	}
	return res
}

// cut removes what stands before an offset, as retention does.
func (o *operated) cut(partition int32, start int64) {
	o.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	dt := kmsg.NewDeleteRecordsRequestTopic()
	dt.Topic = events.OrdersTopic
	dp := kmsg.NewDeleteRecordsRequestTopicPartition()
	dp.Partition, dp.Offset = partition, start
	dt.Partitions = append(dt.Partitions, dp)
	req.Topics = append(req.Topics, dt)
	res := request(o, func(c *kgo.Client) (*kmsg.DeleteRecordsResponse, error) { return req.RequestWith(o.t.Context(), c) })
	if code := res.Topics[0].Partitions[0].ErrorCode; code != 0 {
		o.t.Fatalf("delete records: error %d", code)
	}
}

// recreate makes the orders' topic anew, without a record.
func (o *operated) recreate() {
	o.t.Helper()
	remove := kmsg.NewPtrDeleteTopicsRequest()
	dt := kmsg.NewDeleteTopicsRequestTopic()
	dt.Topic = new(events.OrdersTopic)
	remove.Topics, remove.TopicNames = append(remove.Topics, dt), []string{events.OrdersTopic}
	request(o, func(c *kgo.Client) (*kmsg.DeleteTopicsResponse, error) { return remove.RequestWith(o.t.Context(), c) })
	create := kmsg.NewPtrCreateTopicsRequest()
	ct := kmsg.NewCreateTopicsRequestTopic()
	ct.Topic, ct.NumPartitions, ct.ReplicationFactor = events.OrdersTopic, 12, -1
	create.Topics = append(create.Topics, ct)
	res := request(o, func(c *kgo.Client) (*kmsg.CreateTopicsResponse, error) { return create.RequestWith(o.t.Context(), c) })
	if code := res.Topics[0].ErrorCode; code != 0 {
		o.t.Fatalf("create the topic: error %d", code)
	}
}

// Whatever became of the log behind a position, its partition stands still with
// its rows as they are, the others go on, and it goes on itself, without a
// restart, once an operator has said from where.
func TestAcceptGap_movesAHaltedPartitionOn(t *testing.T) {
	const part, other = int32(4), int32(7)
	tests := []struct {
		name  string
		spoil func(*operated)
		why   []string
		to    string
		gap   moved // as it is recorded
		next  int64 // where the partition stands in the end
	}{
		{
			name:  "retention has passed the position",
			spoil: func(o *operated) { o.publish(part, 5, 20); o.cut(part, 12) },
			why:   []string{"log_gap", "7 records are lost: the position is 5, the log begins at 12"},
			gap:   moved{Cause: "log_gap", From: 5, To: 12, LogStart: 12, LogEnd: 20},
			to:    "earliest", next: 21,
		},
		{
			name:  "the topic was made anew and has grown past the position",
			spoil: func(o *operated) { o.recreate(); o.publish(part, 5, 20) },
			why:   []string{"other_log", "the record at 4 is not the one that was applied last, before the position 5"},
			gap:   moved{Cause: "other_log", From: 5, To: 15, LogStart: 0, LogEnd: 15},
			to:    "latest", next: 16,
		},
		{
			name:  "the topic was made anew and is shorter",
			spoil: func(o *operated) { o.recreate(); o.publish(part, 5, 7) },
			why:   []string{"other_log", "the position 5 lies behind the log's end 2"},
			gap:   moved{Cause: "other_log", From: 5, To: 0, LogStart: 0, LogEnd: 2},
			to:    "earliest", next: 3,
		},
		{
			name: "another cluster is behind the address",
			spoil: func(o *operated) {
				o.broker = stacktest.Embedded(o.t, devstack.BrokerConfig{Options: []kfake.Opt{kfake.ClusterID("another")}}).Addr()
				o.publish(part, 5, 20)
			},
			why: []string{"other_log", `the broker is of cluster "another"`},
			gap: moved{Cause: "other_log", From: 5, To: 7, LogStart: 0, LogEnd: 15},
			to:  "7", next: 16,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOperated(t)
			o.publish(part, 0, 5)
			o.start()
			o.stands(part, 5)
			clitest.Ready(t, o.opsAddr)
			if got := o.position(part); got.Halted != "" || got.Position != 5 || got.LogEnd != 5 || got.Lag != 0 || got.Owner == "" {
				t.Errorf("position of a healthy partition = %+v", got)
			}
			o.stop()
			tt.spoil(o)
			rows := o.events(part)

			o.start()
			o.publish(other, 0, 3)
			o.stands(other, 3)
			o.halted(append(tt.why, fmt.Sprintf("%s/%d", events.OrdersTopic, part))...)
			if got := o.position(part); got.Halted != tt.gap.Cause || got.Position != 5 || !strings.Contains(got.Detail, tt.why[1]) {
				t.Errorf("position of the halted partition = %+v, want %s at 5", got, tt.gap.Cause)
			}
			accept := []string{"accept-gap", "--topic=" + events.OrdersTopic, fmt.Sprintf("--partition=%d", part), "--to=" + tt.to, "--reason=it is gone", "--by=an operator", "--json"}
			o.must(append(accept, "--dry-run")...)
			o.stands(part, 5)
			if got := o.events(part); got != rows {
				t.Errorf("rows changed while the partition was halted:\n%s\nwere %s", got, rows)
			}
			if got := o.lost(); len(got) != 0 {
				t.Errorf("lost ranges after the dry run: %v", got)
			}

			var said moved
			if err := json.Unmarshal([]byte(o.must(accept...)), &said); err != nil {
				t.Fatal(err)
			}
			clitest.Ready(t, o.opsAddr)
			o.publish(part, 30, 31)
			o.stands(part, tt.next)
			want := tt.gap
			want.Topic, want.Partition, want.Reason, want.By = events.OrdersTopic, part, "it is gone", "an operator"
			want.Cluster, want.ToCluster, want.Epoch = said.Cluster, said.ToCluster, said.Epoch
			if diff := cmp.Diff(want, said); diff != "" {
				t.Errorf("accept-gap says (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]moved{said}, o.lost()); diff != "" {
				t.Errorf("lost ranges (-said +recorded):\n%s", diff)
			}
			if (said.Cluster != said.ToCluster) != strings.Contains(tt.why[1], "cluster") {
				t.Errorf("from cluster %q to %q", said.Cluster, said.ToCluster)
			}
			o.stop()
			o.start() // and what was accepted holds
			clitest.Ready(t, o.opsAddr)
			o.stop()
		})
	}
}

// lost reads what was recorded.
func (o *operated) lost() []moved {
	o.t.Helper()
	rows, err := o.conn.Query(o.t.Context(), `SELECT topic, partition, cause, from_offset, to_offset, log_start, log_end, cluster_id, to_cluster_id, reason, accepted_by, false, epoch
		FROM waybill.lost_ranges ORDER BY accepted_at`)
	if err != nil {
		o.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[moved])
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

func TestAcceptGap_refusesWhatWouldLoseMore(t *testing.T) {
	t.Parallel()
	o := newOperated(t)
	o.publish(2, 0, 5)
	o.start()
	o.stands(2, 5)
	o.stop()
	with := func(partition, to string) []string {
		return []string{"accept-gap", "--topic=" + events.OrdersTopic, "--partition=" + partition, "--to=" + to, "--reason=why not"}
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"nothing is lost":                      {with("2", "latest"), "nothing is lost: the position is 5, the log holds 0..5"},
		"an offset that the log does not have": {with("2", "99"), "99 lies outside of the log, which holds 0..5"},
		"a partition that there is not":        {with("40", "earliest"), "there is no partition waybill.orders.v1/40"},
	} {
		if got := o.call(tt.args...); got.Err == nil || !strings.Contains(got.Err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want %q", name, got.Err, tt.want)
		}
	}
	o.stands(2, 5)

	// Over records that are there one moves by naming an offset.
	if out := o.must(with("2", "3")...); !strings.Contains(out, "moved from 5 to 3 (by_choice; the log holds 0..5)") {
		t.Errorf("accept-gap says %q", out)
	}
	o.stands(2, 3)
	if out := o.must("positions"); !strings.Contains(out, "LAG") || !strings.Contains(out, events.OrdersTopic) {
		t.Errorf("positions says:\n%s", out)
	}
	o.start()
	o.stands(2, 5)
	o.stop()
}
