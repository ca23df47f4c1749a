package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/internal/topic"
)

// account is what must have become of the records of the log.
type account struct {
	records int
	events  int               // distinct ones that can be stored
	dead    map[string][]byte // the values of those that cannot, by topic/partition@offset
}

// account reads the whole log and decides for each record.
func (p *platform) account() account {
	p.t.Helper()
	a, first := account{dead: map[string][]byte{}}, map[string][]byte{}
	p.readAll(p.topics, func(r *kgo.Record) { a.add(r, first) })
	a.events = len(first)
	return a
}

// readAll reads what is in topics by now.
func (p *platform) readAll(names topic.Names, each func(*kgo.Record)) {
	p.t.Helper()
	of := *p
	of.topics = names
	var all, read int64
	for _, end := range of.ends() {
		all += end
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.ConsumeTopics(names.Orders, names.Shipments))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), 2*limit)
	defer cancel()
	for read < all {
		got := client.PollFetches(ctx)
		if err := got.Err(); err != nil {
			p.t.Fatalf("read the log, %d of %d records: %v", read, all, err)
		}
		got.EachRecord(func(r *kgo.Record) {
			each(r)
			read++
		})
	}
}

// copied waits until every dead letter has been published, and fails the test
// unless all of them, and nothing else, are on the topics for them.
func (p *platform) copied() {
	p.t.Helper()
	p.drained()
	must(p.t, "copies of all dead letters are published", func() bool {
		return value[int](p, `SELECT count(*) FROM waybill.dead_letters WHERE published_at IS NULL`) == 0
	})
	copies := map[string]int{}
	p.readAll(topic.Names{Orders: p.topics.Orders + ".dlq", Shipments: p.topics.Shipments + ".dlq"}, func(r *kgo.Record) {
		const of = "__connect.errors."
		copies[fmt.Sprintf("%s/%s@%s", header(r, of+"topic"), header(r, of+"partition"), header(r, of+"offset"))]++
	})
	letters := p.lines(`SELECT format('%s/%s@%s', topic, partition, "offset") FROM waybill.dead_letters`)
	more := -len(letters)
	for _, place := range letters {
		if copies[place] == 0 {
			p.t.Errorf("the dead letter %s has no copy", place)
		}
		more += copies[place]
		delete(copies, place)
	}
	for place := range copies {
		p.t.Errorf("there is a copy of %s, which is no dead letter", place)
	}
	p.t.Logf("%d dead letters have copies, %d more than needed", len(letters), more)
}

// add counts a record. Of those of an id the first of the partition, which has
// all of them, is stored; others with its content are copies.
func (a *account) add(r *kgo.Record, first map[string][]byte) {
	a.records++
	place := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
	source, id := header(r, "ce_source"), header(r, "ce_id")
	if string(r.Value) == garbage || source == refused {
		a.dead[place] = r.Value
		return
	}
	key := string(r.Key) + " " + source + " " + id
	stored, known := first[key]
	if !known {
		first[key] = r.Value
	} else if !bytes.Equal(stored, r.Value) {
		a.dead[place] = r.Value
	}
}

func header(r *kgo.Record, name string) string {
	i := slices.IndexFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == name })
	if i < 0 {
		return ""
	}
	return string(r.Headers[i].Value)
}

// accounted fails the test unless every record of the log is an event of the read
// model, a copy of one, or a dead letter, each where it belongs. It returns how
// many dead letters there are.
func (p *platform) accounted() int {
	p.t.Helper()
	want := p.account()
	if got := value[int](p, `SELECT count(*) FROM waybill.events`); got != want.events {
		p.t.Errorf("%d events in the read model, the log has %d", got, want.events)
	}
	rows, _ := p.pool.Query(context.WithoutCancel(p.t.Context()), // the error is ForEachRow's too
		`SELECT format('%s/%s@%s', topic, partition, "offset"), value, class FROM waybill.dead_letters`)
	var place, class string
	var text []byte
	seen := map[string]int{}
	_, err := pgx.ForEachRow(rows, []any{&place, &text, &class}, func() error {
		seen[place]++
		if poison, ok := want.dead[place]; !ok {
			p.t.Errorf("%s is a dead letter (%s), and nothing is wrong with it: %.200s", place, class, text)
		} else if !bytes.Equal(poison, text) {
			p.t.Errorf("%s as a dead letter is %.200q, in the log %.200q", place, text, poison)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for place, text := range want.dead {
		if seen[place] != 1 {
			p.t.Errorf("%s is %d times among the dead letters, want once: %.200s", place, seen[place], text)
		}
	}
	p.t.Logf("%d records in the log: %d events, %d dead letters, the others copies", want.records, want.events, len(want.dead))
	return len(want.dead)
}

// likeCalm waits until everything is applied, compares with a consumer that
// nothing has happened to, and accounts for every record.
func (p *platform) likeCalm(t testing.TB) {
	t.Helper()
	calm := p.beside()
	calm.refuses(refused)
	began := time.Now()
	calm.project()
	p.drained()
	calm.drained()
	want := calm.rows()
	t.Logf("an undisturbed run, over by %v: %s", time.Since(began).Round(time.Millisecond), summary(want))
	same(t, want, p.rows())
	if n, calmly := p.accounted(), value[int](calm, `SELECT count(*) FROM waybill.dead_letters`); n != calmly {
		t.Errorf("an undisturbed run has %d dead letters, want %d", calmly, n)
	}
}

// same compares sorted rows of many thousand lines, table by table.
func same(t testing.TB, want, got map[string][]string) {
	t.Helper()
	for _, name := range tables() {
		w, g := want[name], got[name]
		var lacks, extra []string
		for len(w) > 0 || len(g) > 0 {
			switch {
			case len(g) == 0 || len(w) > 0 && w[0] < g[0]:
				lacks, w = append(lacks, w[0]), w[1:]
			case len(w) == 0 || w[0] > g[0]:
				extra, g = append(extra, g[0]), g[1:]
			default:
				w, g = w[1:], g[1:]
			}
		}
		if len(lacks)+len(extra) > 0 {
			t.Errorf("table %s lacks %d rows of an undisturbed run and has %d others\nlacks %.3000q\nhas %.3000q", name, len(lacks), len(extra), lacks, extra)
		}
	}
}
