package gateway

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/internal/fanout"
)

// Gateway is the handler of the live socket; Stream is that of the event stream.
type Gateway struct {
	hub      *fanout.Hub
	verifier Verifier
	cfg      Config
	meter    *Meter
	pace     pace
	streams  atomic.Int64 // guests that are listeners
	room     *room
	work     sync.WaitGroup // one per guest; grows under mu and only while not draining

	mu       sync.Mutex
	guests   map[*guest]struct{}
	draining bool
}

// New returns a gateway to hub. The meter is the one that the hub was made with;
// nil for none.
func New(hub *fanout.Hub, verifier Verifier, meter *Meter, cfg Config) *Gateway {
	g := &Gateway{
		hub: hub, verifier: verifier, cfg: cfg.withDefaults(), meter: meter,
		guests: make(map[*guest]struct{}), room: newRoom(),
	}
	g.pace = newPace(g.cfg)
	if g.meter == nil {
		g.meter = NewMeter(nil)
	}
	g.meter.watch(hub)
	g.meter.watchStreams(&g.streams)
	return g
}

// ServeHTTP upgrades a request and hears who is there. It returns when that is
// known: from then on a connection has neither the request nor its goroutine,
// whose stack has grown meanwhile.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := g.hurried(r); p != nil {
		p.write(w)
		return
	}
	s := newSession(g, r)
	if !g.enter(&s.guest) {
		overloaded("no more connections at the moment").write(w)
		return
	}
	stays := false
	defer func() {
		if !stays {
			g.exit(&s.guest)
		}
	}()
	if stays = g.upgrade(w, r, s) && s.greeted(); stays {
		go s.serve()
	}
}

// upgrade makes a socket of a request, or answers why there is none.
func (g *Gateway) upgrade(w http.ResponseWriter, r *http.Request, s *session) bool {
	if p := g.inspect(r); p != nil {
		p.write(w)
		return false
	}
	r.Header.Set("Sec-WebSocket-Protocol", Subprotocol) // inspect has seen it among them; the library keeps what it is given
	up := &upgrade{ResponseWriter: w, room: g.room}
	ws, err := websocket.Accept(up, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // inspect has looked at the Origin, more strictly
		OnPingReceived:     s.pinged,
		OnPongReceived:     s.ponged,
	})
	if err != nil {
		return false // Accept has answered
	}
	ws.SetReadLimit(g.cfg.MessageBytes)
	s.ws = newSocket(ws, up.lane, g.cfg.CloseWait, g.meter)
	return true
}

// enter counts a client in, unless there are too many or we are leaving.
func (g *Gateway) enter(u *guest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining || len(g.guests) >= g.cfg.Connections {
		return false
	}
	g.guests[u] = struct{}{}
	g.work.Add(1)
	return true
}

func (g *Gateway) exit(u *guest) {
	g.mu.Lock()
	delete(g.guests, u)
	g.mu.Unlock()
	g.work.Done()
}

// Run waits until ctx ends and then says goodbye to all clients: it returns nil
// when the last one is gone, after the drain window and a little at most.
func (g *Gateway) Run(ctx context.Context) error {
	<-ctx.Done()
	guests := g.close()
	g.cfg.Log.Info("gateway drains", "connections", len(guests))
	g.farewell(guests)
	gone := make(chan struct{})
	go func() {
		g.work.Wait()
		close(gone)
	}()
	timer := time.NewTimer(g.cfg.CloseWait + time.Second)
	defer timer.Stop()
	select {
	case <-gone:
		return nil
	case <-timer.C:
	}
	for _, u := range guests {
		u.abort()
	}
	<-gone
	return nil
}

// close lets no new client in and returns those that there are, in any order.
func (g *Gateway) close() []*guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	guests := make([]*guest, 0, len(g.guests))
	for u := range g.guests {
		guests = append(guests, u)
	}
	return guests
}

// leaving reports whether clients are being closed. A guest that asks after it
// has arrived is closed by the farewell, or learns here that it was too late for
// that.
func (g *Gateway) leaving() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// mostApart is how far apart two closes are at most, so that few connections do
// not take the whole window.
const mostApart = 20 * time.Millisecond

// farewell tells every client when to come back, each at another time, and
// closes one after the other.
func (g *Gateway) farewell(guests []*guest) {
	if len(guests) == 0 {
		return
	}
	apart := min(g.cfg.DrainWindow/time.Duration(len(guests)), mostApart)
	for i, u := range guests {
		slot := apart * time.Duration(i)
		u.goaway(slot + rand.N(g.cfg.DrainWindow))
	}
	for _, u := range guests {
		u.close(fanout.CloseDrain)
		time.Sleep(apart)
	}
}
