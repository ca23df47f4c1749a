package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// bareHub is what people build first: the hub of gorilla's chat example. Every
// client has a channel and a goroutine that writes what comes through it. Two
// things differ, so that each message is one frame and none is lost: a full
// channel is waited for instead of losing its client, and what queues in it is
// not joined.
type bareHub struct {
	server   *http.Server
	upgrader websocket.Upgrader
	pacer    *pacer
	written  written
	cancel   context.CancelFunc
	work     sync.WaitGroup

	mu      sync.Mutex
	clients map[*hubClient]struct{}
}

type hubClient struct {
	conn *websocket.Conn
	send chan []byte
	gone chan struct{} // closed when nobody reads send any more
}

const (
	hubQueue     = 256
	hubWriteWait = 10 * time.Second
	hubPing      = 54 * time.Second
)

// served is where a server answers.
type served struct {
	URL   string
	Token string
}

func newHubPart(ctx context.Context, _ order) (part, any, error) {
	h := &bareHub{
		upgrader: websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, Subprotocols: []string{subprotocol}},
		clients:  make(map[*hubClient]struct{}),
		written:  newWritten(),
	}
	h.pacer = newPacer(h.broadcast)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	h.server = &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: 10 * time.Second}
	ctx, h.cancel = context.WithCancel(ctx)
	h.work.Go(func() { _ = h.server.Serve(l) })
	h.work.Go(func() { h.pacer.run(ctx) })
	return h, served{URL: "http://" + l.Addr().String()}, nil
}

func (h *bareHub) do(_ context.Context, o order) (any, error) {
	switch o.Do {
	case "pace":
		h.pacer.set(o.Rate)
		return struct{}{}, nil
	case "profile":
		return struct{}{}, profile(o.Named)
	}
	return nil, fmt.Errorf("the hub cannot %s", o.Do)
}

func (h *bareHub) close() error {
	h.cancel()
	err := h.server.Close()
	h.mu.Lock()
	for c := range h.clients {
		_ = c.conn.Close()
	}
	h.mu.Unlock()
	h.work.Wait()
	return err
}

func (h *bareHub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &hubClient{conn: conn, send: make(chan []byte, hubQueue), gone: make(chan struct{})}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"t":"live","sid":1,"epoch":"hub","shape":"hub","q":0,"resumed":false}`)); err != nil {
		return
	}
	h.mu.Lock()
	h.clients[c] = struct{}{}
	h.mu.Unlock()
	h.work.Go(func() { h.write(c) })
	h.work.Go(func() { h.read(c) })
}

// read takes in what the client sends, as the library wants it for its pings.
func (h *bareHub) read(c *hubClient) {
	defer c.conn.Close()
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (h *bareHub) write(c *hubClient) {
	ping := time.NewTicker(hubPing)
	defer ping.Stop()
	defer h.forget(c)
	for {
		var err error
		select {
		case text := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(hubWriteWait))
			err = c.conn.WriteMessage(websocket.TextMessage, text)
			h.written.add(1)
		case <-ping.C:
			_ = c.conn.SetWriteDeadline(time.Now().Add(hubWriteWait))
			err = c.conn.WriteMessage(websocket.PingMessage, nil)
		}
		if err != nil {
			return
		}
	}
}

func (h *bareHub) forget(c *hubClient) {
	close(c.gone)
	_ = c.conn.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

// broadcast sends one frame, like those of the gateway, to all clients.
func (h *bareHub) broadcast(ctx context.Context, n int64) error {
	text := hubFrame(n)
	h.mu.Lock()
	clients := make([]*hubClient, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()
	if len(clients) == 0 {
		return errNobody
	}
	want := h.written.n.Load() + int64(len(clients))
	for _, c := range clients {
		select {
		case c.send <- text:
		case <-c.gone:
		case <-ctx.Done():
			return nil
		}
	}
	if rate, _ := h.pacer.now(); rate == flatOut {
		h.written.await(ctx, want)
	}
	return nil
}

// errNobody says that there is nobody to send to.
var errNobody = errors.New("there are no clients")
