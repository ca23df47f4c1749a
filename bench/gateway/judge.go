package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/bench/internal/report"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// filters are those of the clients that watch Postgres, in turn: what a team of
// a carrier has on its screen. A change is of one or two of them, or of none.
func filters() []string {
	var all []string
	for _, carrier := range []string{"DHL", "UPSN", "FDEG", "DPD", "GLS", "USPS", "CPCC", "CORREIOS", "JADLOG", "SAGAWA", "AUSPOST"} {
		for _, status := range []string{`"in_transit"`, `"out_for_delivery"`, `"delivered"`, `"label_created","picked_up"`, `"exception","delivery_failed","held"`} {
			all = append(all, fmt.Sprintf(`{"and":[{"f":"carrier","op":"eq","v":%q},{"f":"status","op":"in","v":[%s]}]}`, carrier, status))
		}
	}
	return all
}

// verdict is what the clients that watch Postgres come to.
type verdict struct {
	Ages      report.Spread // of changes, from their commit to a client
	PerSecond float64       // changes
	Compared  int           // rows
	Wrong     int
}

// catchUp is how long clients have to come to what the database has, once nothing
// changes any more.
const catchUp = 5 * time.Second

// judge compares every client's rows with those of the database, and finds out
// how old the changes were that they heard of since begin.
func (l *load) judge(ctx context.Context, o order) (v verdict, err error) {
	reader, err := readmodel.OpenReader(ctx, readmodel.Config{URL: o.URL, Name: "bench judge"})
	if err != nil {
		return v, err
	}
	defer reader.Close()
	want := make(map[string]map[string]string)
	for _, c := range l.clients {
		if want[c.filter] == nil {
			if want[c.filter], err = selected(ctx, reader, c.filter); err != nil {
				return v, err
			}
		}
	}
	for deadline := time.Now().Add(catchUp); ; {
		if v.Compared, v.Wrong, err = l.wrong(want); err != nil {
			return v, err
		}
		if v.Wrong == 0 || time.Now().After(deadline) {
			break
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return v, err
		}
	}
	log, err := changesOf(ctx, o.URL)
	if err != nil {
		return v, err
	}
	v.PerSecond = perSecond(o.Marks, l.began)
	v.Ages = l.waits(log, o.Marks)
	return v, nil
}

// selected is what a SELECT says that a client with a filter should have.
func selected(ctx context.Context, r *readmodel.Reader, text string) (map[string]string, error) {
	filter, problem := fanout.ParseFilter(fanout.Shipments, []byte(text))
	if problem != nil {
		return nil, problem
	}
	out := map[string]string{}
	_, err := r.Snapshot(ctx, fanout.Query{Tenant: tenant, Topic: fanout.Shipments}, func(page []fanout.Row) error {
		for _, row := range page {
			if !filter.Match(row) {
				continue
			}
			text, err := json.Marshal(row)
			if err != nil {
				return err
			}
			out[row.Key()] = string(text)
		}
		return nil
	})
	return out, err
}

// wrong counts the rows of all clients that are not as they should be.
func (l *load) wrong(want map[string]map[string]string) (compared, wrong int, err error) {
	for _, c := range l.clients {
		if err := c.book.read(); err != nil {
			return 0, 0, err
		}
		n, w := c.book.wrong(want[c.filter])
		compared, wrong = compared+n, wrong+w
	}
	return compared, wrong, nil
}

func (b *book) wrong(want map[string]string) (compared, wrong int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, row := range want {
		if b.rows[id] != row {
			wrong++
		}
	}
	for id := range b.rows {
		if _, ok := want[id]; !ok {
			wrong++
		}
	}
	return len(want), wrong
}

// changesOf reads the positions of all changes of every shipment, in order.
func changesOf(ctx context.Context, url string) (map[string][]int64, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT entity_id, seq FROM waybill.changes WHERE tenant_id = $1 AND kind = 'shipment' ORDER BY seq`, string(tenant))
	if err != nil {
		return nil, err
	}
	log := map[string][]int64{}
	var id string
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		log[id] = append(log[id], seq)
		return nil
	})
	return log, errors.Join(err, ctx.Err())
}

// waits are those between a change's commit and the frame that told a client of
// it, for everything that was committed since begin. Every change of a row that
// the client had concerns it; of one that it did not have, the newest does for
// certain.
func (l *load) waits(log map[string][]int64, marks []mark) report.Spread {
	var ms []float64
	for _, c := range l.clients {
		for _, a := range c.book.heard {
			news := within(log[a.id], a.p, a.q)
			if !a.had && len(news) > 1 {
				news = news[len(news)-1:]
			}
			for _, seq := range news {
				if at := committed(marks, seq); at.After(l.began) {
					ms = append(ms, millis(a.at.Sub(at)))
				}
			}
		}
	}
	return report.SpreadOf(ms)
}

// within are the positions in (p, q].
func within(seqs []int64, p, q int64) []int64 {
	from, _ := slices.BinarySearch(seqs, p+1)
	upto, _ := slices.BinarySearch(seqs, q+1)
	return seqs[from:upto]
}

// committed is when a position was.
func committed(marks []mark, seq int64) time.Time {
	i := sort.Search(len(marks), func(i int) bool { return marks[i].Upto >= seq })
	if i == len(marks) {
		return time.Time{}
	}
	return marks[i].At
}

// perSecond is the rate of changes since a time.
func perSecond(marks []mark, since time.Time) float64 {
	i := sort.Search(len(marks), func(i int) bool { return marks[i].At.After(since) })
	if i == 0 || i >= len(marks)-1 {
		return 0
	}
	last := marks[len(marks)-1]
	return float64(last.Upto-marks[i-1].Upto) / last.At.Sub(marks[i-1].At).Seconds()
}
