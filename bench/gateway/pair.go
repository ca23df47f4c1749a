package main

import (
	"context"
	"errors"
	"time"

	"github.com/waybill-io/waybill/bench/internal/proc"
)

// pair is a server and its clients.
type pair struct {
	served
	name         string
	server, load *child
	clients      int
}

// couple starts a server and clients of it, of which some never read. rate is
// the most deltas of a subscription per second; 0 is one for every change.
func couple(ctx context.Context, name string, clients, mute int, rate float64) (*pair, error) {
	p := &pair{name: name, clients: clients}
	var err error
	if p.server, err = spawn(ctx, name, order{Rate: rate}, &p.served); err != nil {
		return nil, err
	}
	if err := p.populate(ctx, clients, mute); err != nil {
		return nil, errors.Join(err, p.server.stop())
	}
	return p, nil
}

// populate starts the clients.
func (p *pair) populate(ctx context.Context, clients, mute int) (err error) {
	p.clients = clients
	p.load, err = spawn(ctx, "load", order{URL: p.URL, Token: p.Token, N: clients, Mute: mute}, nil)
	return err
}

func (p *pair) stop() error { return errors.Join(p.load.stop(), p.server.stop()) }

// took is what a measurement comes to.
type took struct {
	seen
	cpu float64 // seconds of the server
}

// perSecond is frames; what was merged into one is one.
func (t took) perSecond() float64 { return float64(t.Frames) / t.Seconds }

// perMillion is of deliveries: of rows that reached a client.
func (t took) perMillion() float64 { return t.cpu / float64(t.Rows) * 1e6 }

// settling is how long a pace is held before it is measured.
const settling = time.Second

// run paces the server, broadcasts a second or flatOut, and measures.
func (p *pair) run(ctx context.Context, rate float64, warm, d time.Duration, profile string) (t took, err error) {
	if err := p.server.call(order{Do: "pace", Rate: rate, N: p.clients}, nil); err != nil {
		return t, err
	}
	if err := sleep(ctx, warm); err != nil {
		return t, err
	}
	if profile != "" {
		if err := p.server.call(order{Do: "profile", Named: profile + p.name}, nil); err != nil {
			return t, err
		}
	}
	before, err := proc.CPU(p.server.pid())
	if err != nil {
		return t, err
	}
	if err := p.load.call(order{Do: "begin"}, nil); err != nil {
		return t, err
	}
	if err := sleep(ctx, d); err != nil {
		return t, err
	}
	if err := p.load.call(order{Do: "end"}, &t.seen); err != nil {
		return t, err
	}
	after, err := proc.CPU(p.server.pid())
	t.cpu = after - before
	err = errors.Join(err, p.server.call(order{Do: "pace"}, nil))
	if profile != "" {
		err = errors.Join(err, p.server.call(order{Do: "profile"}, nil))
	}
	return t, errors.Join(err, sleep(ctx, settling/2))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
