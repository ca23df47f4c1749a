package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// client is one subscriber. It holds the server to the tiling rule, and comes
// back at once with its position when its connection ends.
type client struct {
	load   *load
	nth    int
	filter string // JSON
	wire   *wire
	book   *book // keeps what it is told, for those that are compared in the end
	mute   bool  // never reads after its first live

	epoch, shape string
	q            atomic.Int64
	live         atomic.Bool
}

// run keeps the client connected until the load is over.
func (c *client) run() {
	for !c.load.over() {
		if err := c.follow(); err != nil && !c.load.over() {
			c.load.lost(c, err)
		}
	}
}

// follow opens a connection and reads until it ends.
func (c *client) follow() error {
	c.load.dials <- struct{}{}
	err := c.open()
	<-c.load.dials
	if err != nil {
		time.Sleep(20 * time.Millisecond) // nobody listens, perhaps
		return err
	}
	defer c.leave()
	for {
		op, payload, err := c.wire.next()
		if err != nil {
			return err
		}
		switch op {
		case opText:
			now := time.Now()
			for text := range bytes.SplitSeq(payload, []byte("\n")) {
				if err := c.take(text, now); err != nil {
					return err
				}
			}
		case opPing:
			err = c.wire.send(opPong, payload)
		case opClose:
			return fmt.Errorf("closed by the server: %x", payload)
		}
		if err != nil {
			return err
		}
		if c.mute && c.live.Load() {
			<-c.load.done
			return nil
		}
	}
}

func (c *client) open() error {
	w, err := dialWire(c.load.url, c.nth)
	if err != nil {
		return err
	}
	if !c.load.enter(w.conn) {
		return w.conn.Close()
	}
	if c.mute {
		if tcp, ok := w.conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4 << 10) // so that it is stuck soon
		}
	}
	c.wire = w
	return w.send(opText, c.hello())
}

func (c *client) leave() {
	c.live.Store(false)
	c.load.exit(c.wire.conn)
}

func (c *client) hello() []byte {
	since := ""
	if c.epoch != "" {
		since = fmt.Sprintf(`,"since":{"epoch":%q,"seq":%d,"shape":%q}`, c.epoch, c.q.Load(), c.shape)
	}
	return fmt.Appendf(nil, `{"t":"hello","v":1,"token":%q,"client":"bench/1","subs":[{"sid":1,"topic":"shipments","filter":%s,"max_hz":1000000%s}]}`,
		c.load.token, c.filter, since)
}

// said is any frame that is no delta.
type said struct {
	T       string            `json:"t"`
	Epoch   string            `json:"epoch"`
	Shape   string            `json:"shape"`
	Q       json.RawMessage   `json:"q"`
	Page    int               `json:"page"`
	Rows    json.RawMessage   `json:"rows"`
	Resumed bool              `json:"resumed"`
	Code    string            `json:"code"`
	Msg     string            `json:"msg"`
	U       []json.RawMessage `json:"u"`
	R       []string          `json:"r"`
}

var delta = []byte(`{"t":"d"`)

// take follows one frame.
func (c *client) take(text []byte, now time.Time) error {
	c.book.keep(text, now)
	if bytes.HasPrefix(text, delta) {
		c.delta(text, now)
		return nil
	}
	var f said
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read %.80q: %w", text, err)
	}
	switch f.T {
	case "live":
		q, err := strconv.ParseInt(string(f.Q), 10, 64)
		if err != nil {
			return fmt.Errorf("read a position: %w", err)
		}
		if f.Resumed && q != c.q.Load() {
			c.load.gaps.Add(1)
		}
		c.epoch, c.shape = f.Epoch, f.Shape
		c.q.Store(q)
		c.live.Store(true)
		c.load.opened(f.Resumed)
	case "reset":
		c.live.Store(false)
		c.load.resets.Add(1)
	case "err":
		return errors.New("the server refused: " + f.Code + ": " + f.Msg)
	}
	return nil
}

// delta checks the tiling and how old the rows are. It reads no more of a frame
// than it must.
func (c *client) delta(text []byte, now time.Time) {
	p, q := number(text, `"p":`), number(text, `"q":`)
	if p != c.q.Load() {
		c.load.gaps.Add(1)
	}
	c.q.Store(q)
	c.load.frames.Add(1)
	c.load.bytes.Add(int64(len(text)))
	if c.book != nil {
		return
	}
	for {
		i := bytes.Index(text, []byte(lastLocation))
		if i < 0 {
			return
		}
		text = text[i:]
		c.load.ages.add(now.Sub(time.Unix(0, number(text, lastLocation))))
		c.load.rows.Add(1)
		text = text[len(lastLocation):]
	}
}

// lastLocation is where a row has its time.
const lastLocation = `"last_location":"`

// number is the one behind the first key in text; -1 when there is none.
func number(text []byte, key string) int64 {
	i := bytes.Index(text, []byte(key))
	if i < 0 {
		return -1
	}
	n := int64(0)
	for _, d := range text[i+len(key):] {
		if d < '0' || d > '9' {
			break
		}
		n = n*10 + int64(d-'0')
	}
	return n
}
