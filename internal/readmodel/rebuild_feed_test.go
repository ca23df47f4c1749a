package readmodel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// listener is the socket of a client that reads all that it is told.
type listener struct{ book *fanouttest.Book }

func (l listener) Write(_ context.Context, parts [][]byte) error {
	l.book.Message(bytes.Join(parts, nil))
	return nil
}
func (l listener) Ping(context.Context) error { return nil }
func (l listener) Close(fanout.CloseCode)     {}

// project applies batches as a projector does, which claims again when it is
// fenced, until there are none left or stop is closed. It returns how often it
// was fenced.
func (w *worker) project(t *testing.T, batches [][]events.Event, stop <-chan struct{}) (fenced int) {
	for _, evs := range batches {
		select {
		case <-stop:
			return fenced
		default:
		}
		for {
			_, err := w.store.Apply(t.Context(), w.batch(t, evs))
			if err == nil {
				break
			}
			if !errors.Is(err, projector.ErrFenced) {
				t.Errorf("Apply: %v", err)
				return fenced
			}
			fenced++
			w.claim(t)
		}
	}
	return fenced
}

// Clients that are subscribed while the read model is rebuilt under load hear
// the epoch change, once, take a new snapshot, and notice nothing else: no row
// goes or comes back, and what they know in the end is what is stored.
func TestClientsHearOfARebuildUnderLoadByItsEpochAlone(t *testing.T) {
	r := newRig(t)
	all := ofTenant("a", histories(5, 400))
	batches := cut(rand.New(rand.NewPCG(2, 2)), all, 40)
	before := len(batches) / 4
	for _, evs := range batches[:before] {
		r.apply(t, evs)
	}
	reader := r.reader(t)
	ctx, stop := context.WithCancel(t.Context())
	hub := fanout.New(reader, reader, fanout.Config{})
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx) }()
	l := listener{fanouttest.NewBook()}
	conn, err := hub.Connect(l, fanout.Peer{Subject: "ann", Tenant: "a", Scope: []string{"read"}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close(fanout.CloseNormal)
		conn.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("hub: %v", err)
		}
	}()
	topics := map[int64]fanout.Topic{1: fanout.Shipments, 2: fanout.Orders}
	for sid, topic := range topics {
		l.book.Ask(sid, nil)
		if err := conn.Subscribe(fanout.Request{SID: sid, Topic: topic}); err != nil {
			t.Fatal(err)
		}
	}
	abreast(t, r, l.book)

	enough, fenced := make(chan struct{}), make(chan int)
	go func() { fenced <- r.project(t, batches[before:], enough) }()
	done := r.mustRebuild(t, func(c *readmodel.RebuildConfig) { c.ChunkEvents, c.SwapStreams = 500, 5 })
	close(enough)
	if n := <-fenced; n > 1 {
		t.Errorf("the worker was fenced %d times, want once at most", n)
	}
	r.claim(t)
	r.apply(t, []events.Event{(&teller{tenant: "a"}).created("s-after", "o-after", 0)})
	abreast(t, r, l.book)

	now := snapshot(t, reader, "a", 0)
	for sid, topic := range topics {
		v := l.book.View(sid)
		if fmt.Sprint(v.Resets) != "[epoch]" || v.Loads != 2 || len(v.Removed) > 0 {
			t.Errorf("%s: resets %v, %d snapshots, removed %v; want one epoch, 2 snapshots and nothing removed", topic, v.Resets, v.Loads, v.Removed)
		}
		if diff := cmp.Diff(encoded(t, now, topic), rowsTold(v)); diff != "" {
			t.Errorf("%s (-stored +known):\n%s", topic, diff)
		}
	}
	for _, violation := range l.book.Violations() {
		t.Error(violation)
	}
	t.Logf("%d events filled, %d streams folded again, %.3f s of pause", done.Events, done.Followed, done.Pause)
	if done.Followed == 0 {
		t.Error("nothing came meanwhile: there was no load")
	}
	if v := verify(t, r, readmodel.VerifyConfig{}); v.Wrong != 0 || v.Version != 2 {
		t.Errorf("version %d has %d wrong rows, want none of version 2: %+v", v.Version, v.Wrong, v.Mismatches)
	}
}

// abreast waits until all subscriptions are live where the feed stands.
func abreast(t *testing.T, r *rig, book *fanouttest.Book) {
	t.Helper()
	seq := one[int64](t, r, `SELECT seq FROM waybill.tenant_stream WHERE tenant_id = 'a'`)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		a, b := book.View(1), book.View(2)
		if a.Live && b.Live && a.Pos == seq && b.Pos == seq && a.Epoch == b.Epoch {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("shipments at %d (%t), orders at %d (%t); want both live at %d", a.Pos, a.Live, b.Pos, b.Live, seq)
		}
	}
}

func encoded(t *testing.T, c client, topic fanout.Topic) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for of, row := range c.rows {
		if of.Topic != topic {
			continue
		}
		doc, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		rows[of.ID] = string(doc)
	}
	return rows
}

func rowsTold(v *fanouttest.View) map[string]string {
	rows := map[string]string{}
	for id, row := range v.Rows {
		rows[id] = string(row)
	}
	return rows
}
