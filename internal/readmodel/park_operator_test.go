package readmodel_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// operator settles dead letters as they come.
type operator struct {
	t         *testing.T
	r         *parkRig
	store     *readmodel.Store
	conns     []*pgx.Conn
	last      chan struct{} // closed when no more will come
	done      sync.WaitGroup
	mu        sync.Mutex
	replayed  int
	discarded int
	unparked  int
}

// operate settles letters, two at a time, until finish, and then those that are
// left.
func operate(t *testing.T, r *parkRig) *operator {
	t.Helper()
	store, err := readmodel.OpenStore(t.Context(), readmodel.Config{URL: r.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	o := &operator{t: t, r: r, store: store, last: make(chan struct{})}
	for range 2 {
		conn := connect(t, r.url)
		o.done.Go(func() {
			for o.round(conn) || !o.over() {
				time.Sleep(time.Millisecond) // between looks, as an operator does
			}
		})
	}
	return o
}

func (o *operator) over() bool {
	select {
	case <-o.last:
		return true
	default:
		return false
	}
}

func (o *operator) finish() {
	close(o.last)
	o.done.Wait()
}

// round settles what there is, and reports whether there was something.
func (o *operator) round(conn *pgx.Conn) bool {
	var list []readmodel.Letter
	o.patiently("Letters", func() (err error) {
		list, _, err = o.store.Letters(o.t.Context(), readmodel.LetterFilter{Status: "new"})
		return err
	})
	for i := range list {
		o.settle(conn, &list[i])
	}
	return len(list) > 0
}

func (o *operator) settle(conn *pgx.Conn, l *readmodel.Letter) {
	at := l.Place()
	if l.Code == "malformed_json" {
		var got readmodel.Discarded
		o.patiently("Discard", func() (err error) {
			got, err = o.store.Discard(o.t.Context(), at, "operator", "garbage", false)
			return err
		})
		if got.Done { // and not by the other one
			o.count(0, 1, got.Behind.Applied)
		}
		return
	}
	i := slices.IndexFunc(l.Headers, func(h events.Header) bool { return h.Key == "ce_id" })
	if i < 0 {
		o.t.Errorf("%s has no id", at)
		return
	}
	o.patiently("allow", func() error {
		_, err := conn.Exec(o.t.Context(), `DELETE FROM public.refused WHERE id = $1`, string(l.Headers[i].Value))
		if err != nil && conn.IsClosed() { // it was cut too
			conn, err = pgx.Connect(o.t.Context(), o.r.url)
			return errors.Join(err, fmt.Errorf("connect again"))
		}
		return err
	})
	var got readmodel.Replayed
	o.patiently("Replay", func() (err error) {
		got, err = o.store.Replay(o.t.Context(), at, "operator", false)
		return err
	})
	if got.Refused != nil {
		o.t.Errorf("Replay(%s) = %+v, want it applied", at, got.Refused)
	}
	if !got.Before {
		o.count(1, 0, got.Behind.Applied)
	}
}

func (o *operator) count(replayed, discarded, unparked int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.replayed += replayed
	o.discarded += discarded
	o.unparked += unparked
}

// patiently tries again what passes.
func (o *operator) patiently(what string, do func() error) {
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			o.t.Errorf("%s: %v", what, err)
			return
		}
	}
}
