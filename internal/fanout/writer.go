package fanout

import (
	"context"
	"sync"
	"time"
)

// writers are the goroutines that write to all connections: a few, and only while
// there is something to write. None of them waits for a client.
type writers struct {
	messages sync.Pool // of *message
	most     int       // goroutines

	mu    sync.Mutex
	queue []*Conn // that have something to write, in turn
	next  int     // in queue; those before it were taken off
	busy  int     // goroutines
}

func newWriters(most int) *writers {
	return &writers{most: most, messages: sync.Pool{New: newMessage}}
}

// add has what waits for a connection written.
func (w *writers) add(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, c)
	if w.busy < w.most {
		w.busy++
		go w.run()
	}
}

// turn is how many connections a writer takes on at once.
const turn = 16

// run writes until nobody has anything to be written.
func (w *writers) run() {
	m := w.message()
	var conns [turn]*Conn
	for n := w.take(conns[:]); n > 0; n = w.take(conns[:]) {
		for i, c := range conns[:n] {
			if conns[i] = nil; !c.hurry(m) {
				m = w.message()
			}
		}
	}
	w.messages.Put(m)
}

// take takes connections off the queue. It reports 0 when there are none, and
// then the caller must stop.
func (w *writers) take(conns []*Conn) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := copy(conns, w.queue[w.next:])
	clear(w.queue[w.next : w.next+n])
	if w.next += n; 2*w.next >= len(w.queue) {
		w.close()
	}
	if n == 0 {
		w.busy--
	}
	return n
}

// close closes the gap that those taken off have left. The lock is held.
func (w *writers) close() {
	rest := copy(w.queue, w.queue[w.next:])
	clear(w.queue[rest:])
	w.queue, w.next = w.queue[:rest], 0
}

func (w *writers) message() *message { return w.messages.Get().(*message) }

// hurry writes until nothing waits for c, or the socket takes no more at the
// moment: then the rest is for a goroutine of its own, which has m from there on,
// and hurry reports false.
func (c *Conn) hurry(m *message) bool {
	for more := c.take(m, time.Now()); more; {
		c.track(m)
		done, err := c.prompt.Try(m.parts)
		if !done && err == nil {
			go c.catchUp(m)
			return false
		}
		more = c.after(m, err)
	}
	c.work.Done()
	return true
}

// catchUp waits until the socket has taken m, and then writes until nothing waits.
func (c *Conn) catchUp(m *message) {
	defer c.work.Done()
	for more := c.after(m, c.prompt.Finish()); more; {
		more = c.after(m, c.write(m))
	}
	c.hub.writers.messages.Put(m)
}

// drain writes until nothing waits, to a socket that may have to be waited for.
func (c *Conn) drain() {
	defer c.work.Done()
	m := c.hub.writers.message()
	for more := c.take(m, time.Now()); more; {
		more = c.after(m, c.write(m))
	}
	c.hub.writers.messages.Put(m)
}

// write waits until the socket has taken m.
func (c *Conn) write(m *message) error {
	c.track(m)
	return c.socket.Write(context.Background(), m.parts)
}

// after notes how the write of m ended, and takes the next message.
func (c *Conn) after(m *message, err error) bool {
	if err != nil {
		c.Close(CloseLost)
	} else {
		m.count(c.hub.cfg.Meter)
	}
	return c.take(m, time.Now())
}
