package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/internal/fanout/fanouttest"
)

// client is a WebSocket client that holds the server to the protocol: a delta
// that does not tile, or a row that goes back, is a violation in its book.
type client struct {
	t    testing.TB
	ws   *websocket.Conn
	book *fanouttest.Book
	done chan struct{} // closed when reading has ended
	end  error         // why, after done
}

type m = map[string]any

// dial connects and subscribes, with the ids 1, 2, ... in their order. A
// subscription goes on from the view that is its since.
func (s *site) dial(t testing.TB, of string, subs ...m) *client {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), "ws://"+s.addr+"/v1/live", &websocket.DialOptions{
		Subprotocols: []string{"track.v1.json"}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(16 << 20)
	c := &client{t: t, ws: ws, book: fanouttest.NewBook(), done: make(chan struct{})}
	go c.read()
	t.Cleanup(func() {
		_ = ws.CloseNow()
		<-c.done
		for _, v := range c.book.Violations() {
			t.Errorf("the server broke the protocol: %s", v)
		}
	})
	for i, sub := range subs {
		delete(sub, "t") // in hello it is no frame of its own
		sub["sid"] = i + 1
		from, _ := sub["since"].(*fanouttest.View)
		if from != nil {
			sub["since"] = m{"epoch": from.Epoch, "seq": from.Pos, "shape": from.Shape}
		}
		c.book.Ask(int64(i+1), from)
	}
	c.send(m{"t": "hello", "v": 1, "token": token(t, of), "client": "e2e/1", "subs": subs})
	return c
}

func (c *client) read() {
	defer close(c.done)
	for {
		_, text, err := c.ws.Read(context.Background())
		if err != nil {
			c.end = err
			return
		}
		c.book.Message(text)
	}
}

func (c *client) send(frame m) {
	c.t.Helper()
	text, err := json.Marshal(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	published, err := fanouttest.PublishedSchemas()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := published.Check("client", text); err != nil {
		c.t.Errorf("our own frame %s is not as published: %v", text, err)
	}
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, text); err != nil {
		c.t.Fatal(err)
	}
}

// closed waits for the end of the connection and returns its code.
func (c *client) closed() websocket.StatusCode {
	c.t.Helper()
	must(c.t, "the connection is closed", func() bool {
		select {
		case <-c.done:
			return true
		default:
			return false
		}
	})
	return websocket.CloseStatus(c.end)
}

// row is what rows of orders and shipments have in common.
type row struct {
	ID       string `json:"id"`
	Revision int64  `json:"v"`
	Status   string `json:"status"`
}

// rows are the rows of a subscription, in one line each.
func (c *client) rows(sid int64) map[string]row {
	c.t.Helper()
	rows := map[string]row{}
	for id, text := range c.book.View(sid).Rows {
		var r row
		if err := json.Unmarshal(text, &r); err != nil {
			c.t.Fatal(err)
		}
		rows[id] = r
	}
	return rows
}

// live waits until the subscription has its snapshot.
func (c *client) live(sid int64) {
	c.t.Helper()
	clitest.Eventually(c.t, func() error {
		if v := c.book.View(sid); !v.Live {
			return fmt.Errorf("subscription %d is not live; the server said %+v", sid, c.book.Frames(""))
		}
		return nil
	})
}

// sees waits until the subscription shows this row.
func (c *client) sees(sid int64, want row) {
	c.t.Helper()
	clitest.Eventually(c.t, func() error {
		if got := c.rows(sid)[want.ID]; got != want {
			return fmt.Errorf("the client sees %+v, want %+v", got, want)
		}
		return nil
	})
}

// reaches waits until the subscription has got everything that was committed.
func (c *client) reaches(p *platform, sid int64, of string) {
	c.t.Helper()
	seq := value[int64](p, `SELECT seq FROM waybill.tenant_stream WHERE tenant_id = $1`, of)
	clitest.Eventually(c.t, func() error {
		if at := c.book.View(sid).Pos; at < seq {
			return fmt.Errorf("subscription %d is at %d of %d", sid, at, seq)
		}
		return nil
	})
}
