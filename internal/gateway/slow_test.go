package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
)

// A client that stops reading fills little more than the kernel's small buffers;
// everything else is replaced by newer rows or dropped, and then it is closed.
func TestAClientThatStopsReadingIsClosedBeforeMuchIsSent(t *testing.T) {
	cfg := fanout.Config{StallDrop: 500 * time.Millisecond, StallClose: time.Second, PendingBytes: 256 << 10}
	s := start(t, cfg, gatewayConfig())
	w := s.wire()
	if tcp, ok := w.conn.(*net.TCPConn); !ok || tcp.SetReadBuffer(16<<10) != nil {
		t.Fatal("the client's buffer cannot be made small")
	}
	w.write(masked(0x81, []byte(`{"t":"sub","sid":1,"topic":"shipments"}`)))
	eventually(t, "a group", func() bool { return s.hub.Stats().Groups == 1 })
	healthy := s.connect(auth.Principal{})
	healthy.book.Ask(1, nil)
	healthy.send(m{"t": "sub", "sid": 1, "topic": "shipments", "filter": m{"f": "id", "op": "in", "v": []string{"S-1", "S-2", "S-3"}}})
	healthy.frame("live", 1)

	written, i := 0, 0
	eventually(t, "the close of the client that does not read", func() bool {
		for range 10 {
			r := shipment(fmt.Sprint("S-", i%2000), int64(i), "in_transit")
			r.LastLocation = strings.Repeat("x", 2000)
			s.model.Put(acme, r)
			written, i = written+2000, i+1
		}
		time.Sleep(5 * time.Millisecond)
		return s.hub.Stats().Connections == 1
	})
	if got := s.metric("waybill_ws_closes_total", "4003"); got != 1 {
		t.Errorf("%v connections closed with 4003, want 1", got)
	}
	swallowed := 0
	for {
		op, payload := w.frame()
		if op == -1 {
			break
		}
		swallowed += len(payload)
	}
	if swallowed > 600<<10 || swallowed > written/2 {
		t.Errorf("the client swallowed %d of %d bytes before that was noticed", swallowed, written)
	}
	if v := healthy.book.View(1); len(v.Resets) != 0 || !v.Live {
		t.Errorf("the client that reads was reset: %v", v.Resets)
	}
	for _, v := range healthy.book.Violations() {
		t.Error(v)
	}
	t.Logf("%d KiB written, %d KiB swallowed", written>>10, swallowed>>10)
}

// R5 on real sockets: connections are cut at any moment and resumed; in the end
// everybody has what the read model has, and no frame broke the protocol.
func TestClientsThatAreCutOffResumeWithoutAGap(t *testing.T) {
	s := start(t, fanout.Config{UserConnections: 100, PageRows: 5}, gatewayConfig())
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for v := int64(1); ; v++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			status := []string{"in_transit", "delivered"}[rand.IntN(2)]
			s.model.Put(acme, shipment(fmt.Sprint("S-", rand.IntN(40)), v, status))
		}
	})
	clients := make([]*resumer, 8)
	for i := range clients {
		clients[i] = &resumer{stack: s}
		work.Go(func() { clients[i].run(stop) })
	}
	time.Sleep(2 * time.Second)
	close(stop)
	work.Wait()
	resumes := 0
	for i, c := range clients {
		eventually(t, fmt.Sprint("the rows of client ", i), c.upToDate)
		resumes += c.resumes
		for _, v := range c.client.book.Violations() {
			t.Errorf("client %d: %s", i, v)
		}
	}
	if resumes < 20 {
		t.Errorf("%d resumes, want many", resumes)
	}
}

// resumer is a client whose connection is cut again and again.
type resumer struct {
	stack   *stack
	client  *client
	resumes int
}

func (r *resumer) run(stop chan struct{}) {
	r.connect()
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(20+rand.IntN(200)) * time.Millisecond):
		}
		r.client.leave()
		r.connect()
	}
}

func (r *resumer) connect() {
	before := r.client
	r.client = r.stack.dial()
	sub := m{"sid": 1, "topic": "shipments", "filter": m{"f": "status", "op": "eq", "v": "in_transit"}}
	r.client.book.Ask(1, nil)
	if before != nil {
		for _, v := range before.book.Violations() {
			r.stack.t.Error(v)
		}
		if v := before.book.View(1); v.Live {
			r.client.book.Ask(1, v)
			since := v.Since()
			sub["since"] = m{"epoch": since.Epoch, "seq": since.Seq, "shape": since.Shape}
			r.resumes++
		}
	}
	r.client.hello(r.stack.token(auth.Principal{}), sub)
}

func (r *resumer) upToDate() bool {
	v := r.client.book.View(1)
	want := r.stack.model.Rows(acme, fanout.Shipments, func(row fanout.Row) bool { return row.StatusName() == "in_transit" })
	if !v.Live || len(v.Rows) != len(want) {
		return false
	}
	for id, row := range want {
		ship, ok := row.(*fanout.ShipmentRow)
		if !ok || !strings.Contains(string(v.Rows[id]), fmt.Sprintf(`"v":%d,`, ship.Revision)) {
			return false
		}
	}
	return true
}
