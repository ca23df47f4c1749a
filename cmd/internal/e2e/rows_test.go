package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// tables are what two runs over the same events must agree on.
func tables() []string {
	return []string{
		"events", "event_marks", "orders", "order_lines", "shipments", "parcels", "shipment_contents",
		"tracking_numbers", "eta_history", "exceptions", "unmatched_scans",
	}
}

// bookkeeping are the columns that say how rows came to be, and that two runs
// need not agree on.
const bookkeeping = `- 'ingested_at' - 'updated_at' - 'topic' - 'partition' - 'offset' - 'arrived_late' - 'applied_at'`

// rows reads all rows but for their bookkeeping.
func (p *platform) rows() map[string][]string {
	p.t.Helper()
	return p.read(`SELECT (to_jsonb(x) ` + bookkeeping + `)::text FROM waybill.%s x ORDER BY 1`)
}

// versions reads all rows whole, each with the transaction that wrote it: what
// was written again is another version, even if nothing in it is new.
func (p *platform) versions() map[string][]string {
	p.t.Helper()
	all := map[string][]string{}
	for _, name := range tables() {
		schema := "rm_1"
		if name == "events" {
			schema = "waybill"
		}
		all[name] = p.lines(fmt.Sprintf(`SELECT x.xmin || ' ' || to_jsonb(x)::text FROM %s.%s x ORDER BY 1`, schema, name))
	}
	return all
}

func (p *platform) read(query string) map[string][]string {
	p.t.Helper()
	all := map[string][]string{}
	for _, name := range tables() {
		all[name] = p.lines(fmt.Sprintf(query, name))
	}
	return all
}

func (p *platform) lines(query string) []string {
	p.t.Helper()
	rows, _ := p.pool.Query(context.WithoutCancel(p.t.Context()), query) // the error is CollectRows' too
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return list
}

// equal fails the test where rows differ, table by table.
func equal(t testing.TB, what string, want, got map[string][]string) {
	t.Helper()
	for _, name := range tables() {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s: table %s (-want +got):\n%.4000s", what, name, diff)
		}
	}
}

// drained waits until everything that is in the log is in the read model.
func (p *platform) drained() {
	p.t.Helper()
	ends := p.ends()
	clitest.Eventually(p.t, func() error {
		for name, end := range ends {
			at := p.position(name)
			if at != end {
				return fmt.Errorf("%s: %d of %d records are in the read model", name, at, end)
			}
		}
		return nil
	})
}

// position is how many records of a topic have been applied.
func (p *platform) position(name string) int64 {
	p.t.Helper()
	return value[int64](p, `SELECT coalesce(sum(next_offset), 0)::bigint FROM waybill.projection_offsets WHERE topic = $1`, name)
}

// ends adds up the ends of the partitions of each topic.
func (p *platform) ends() map[string]int64 {
	p.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	ends, err := p.endsBy(p.t.Context(), client)
	if err != nil {
		p.t.Fatalf("list offsets: %v", err)
	}
	return ends
}

// endsBy asks a client that there is.
func (p *platform) endsBy(ctx context.Context, client *kgo.Client) (map[string]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, name := range []string{p.topics.Orders, p.topics.Shipments} {
		of := kmsg.NewListOffsetsRequestTopic()
		of.Topic = name
		for i := range p.partitions {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = i, -1
			of.Partitions = append(of.Partitions, part)
		}
		req.Topics = append(req.Topics, of)
	}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	ends := map[string]int64{}
	for _, of := range res.Topics {
		for _, part := range of.Partitions {
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", of.Topic, part.Partition, err)
			}
			ends[of.Topic] += part.Offset
		}
	}
	return ends, nil
}

// summary is how many rows there are.
func summary(rows map[string][]string) string {
	var s []string
	for _, name := range tables() {
		s = append(s, fmt.Sprintf("%s=%d", name, len(rows[name])))
	}
	return strings.Join(s, " ")
}
