package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// socket is a client that subscribes to all orders and shipments and notes when
// each event has arrived.
type socket struct {
	conn   *websocket.Conn
	ledger *ledger

	mu     sync.Mutex
	topics map[int]string
	live   map[int]bool
	seen   map[key]int // newest revision
	frames int
	waits  []float64 // milliseconds from the call to the frame, measured events
	ages   []float64 // milliseconds from the newest change behind a frame to the frame
	got    int       // events that have arrived
}

// frame is what is read of a frame.
type frame struct {
	T   string `json:"t"`
	SID int    `json:"sid"`
	Msg string `json:"msg"`
	TS  int64  `json:"ts"`
	U   []row  `json:"u"`
}

type row struct {
	ID string `json:"id"`
	V  int    `json:"v"`
}

func dial(ctx context.Context, p *platform, l *ledger) (*socket, error) {
	conn, _, err := websocket.Dial(ctx, p.WS, &websocket.DialOptions{Subprotocols: []string{"track.v1.json"}})
	if err != nil {
		return nil, fmt.Errorf("connect to the socket: %w", err)
	}
	conn.SetReadLimit(64 << 20)
	s := &socket{conn: conn, ledger: l, topics: map[int]string{1: "orders", 2: "shipments"}, live: map[int]bool{}, seen: map[key]int{}}
	hello := map[string]any{
		"t": "hello", "v": 1, "token": p.Token, "client": "bench/1",
		"subs": []any{map[string]any{"t": "sub", "sid": 1, "topic": "orders"}, map[string]any{"t": "sub", "sid": 2, "topic": "shipments"}},
	}
	doc, err := json.Marshal(hello)
	if err != nil {
		return nil, err
	}
	return s, conn.Write(ctx, websocket.MessageText, doc)
}

// run reads until ctx ends. It subscribed before anything was published, so that
// snapshots are empty and every event comes in a delta.
func (s *socket) run(ctx context.Context) error {
	for {
		_, msg, err := s.conn.Read(ctx)
		now := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the socket: %w", err)
		}
		for dec := json.NewDecoder(bytes.NewReader(msg)); dec.More(); {
			var f frame
			if err := dec.Decode(&f); err != nil {
				return fmt.Errorf("read a frame: %w", err)
			}
			if err := s.take(f, now); err != nil {
				return err
			}
		}
	}
}

func (s *socket) take(f frame, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := s.topics[f.SID]
	switch f.T {
	case "err", "reset", "goaway":
		return fmt.Errorf("the server sent %s: %s", f.T, f.Msg)
	case "live":
		s.live[f.SID] = true
	case "d":
		s.frames++
		if f.TS > 0 {
			s.ages = append(s.ages, millis(now.Sub(time.UnixMilli(f.TS))))
		}
		for _, r := range f.U {
			s.reach(key{topic, r.ID}, r.V, now)
		}
	}
	return nil
}

func (s *socket) reach(k key, v int, now time.Time) {
	for _, t := range s.ledger.between(k, s.seen[k], v) {
		s.got++
		if t.measured {
			s.waits = append(s.waits, millis(now.Sub(t.at)))
		}
	}
	s.seen[k] = max(s.seen[k], v)
}

// ready reports whether both subscriptions are live.
func (s *socket) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live) == len(s.topics)
}

// arrived reports how many events have come.
func (s *socket) arrived() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// until polls a condition.
func until(ctx context.Context, what string, most time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, errors.New("it took more than "+most.String()))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}
