package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/bench/internal/proc"
	"github.com/waybill-io/waybill/bench/internal/report"
	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// platformPart is our gateway on the read model in Postgres.
type platformPart struct {
	*site
	reader *readmodel.Reader
}

// newPlatformPart takes the database as URL and the most deltas of a subscription
// per second as Rate.
func newPlatformPart(ctx context.Context, o order) (part, any, error) {
	reader, err := readmodel.OpenReader(ctx, readmodel.Config{URL: o.URL, Name: "bench gateway", MaxConns: 12})
	if err != nil {
		return nil, nil, err
	}
	s, err := openSite(ctx, reader, reader, fanout.Config{MaxHz: o.Rate}, 0)
	if err != nil {
		reader.Close()
		return nil, nil, err
	}
	return &platformPart{s, reader}, s.served, nil
}

func (p *platformPart) do(_ context.Context, o order) (any, error) {
	if o.Do == "profile" {
		return struct{}{}, profile(o.Named)
	}
	return nil, fmt.Errorf("the platform cannot %s", o.Do)
}

func (p *platformPart) close() error {
	err := p.site.close()
	p.reader.Close()
	return err
}

// commit measures from the commit in Postgres to the clients.
func (b *bench) commit(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "waybill-gateway-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	pg, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	if _, _, err := readmodel.Migrate(ctx, pg.URL()); err != nil {
		return err
	}
	w, err := newWriter(ctx, pg.URL())
	if err != nil {
		return err
	}
	defer w.store.Close()
	p := &pair{name: "platform", clients: b.cfg.watchers}
	if p.server, err = spawn(ctx, "platform", order{URL: pg.URL(), Rate: b.cfg.hz}, &p.served); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.server.stop()) }()
	p.load, err = spawn(ctx, "load", order{URL: p.URL, Token: p.Token, N: b.cfg.watchers, Named: "watch"}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.load.stop()) }()
	pid, err := postmaster(filepath.Join(dir, "postgres"))
	if err != nil {
		return err
	}
	if err := b.write(ctx, w, p, pid); err != nil {
		return err
	}
	return b.compare(p, pg.URL(), w.marks)
}

func postmaster(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("find the database's process: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// write runs the load and says what the servers used.
func (b *bench) write(ctx context.Context, w *writer, p *pair, postgres int) error {
	before := cores{proc.CPU, p.server.pid(), 0}
	pg := cores{proc.ServerCPU, postgres, 0}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		telling, stop := context.WithTimeout(gctx, commitWarmup+b.cfg.commitFor)
		defer stop()
		return w.tell(telling, b.cfg.changes/changesPerEvent)
	})
	g.Go(func() error { return w.run(ctx) })
	if err := errors.Join(sleep(gctx, commitWarmup), before.begin(), pg.begin(), p.load.call(order{Do: "begin"}, nil)); err != nil {
		return errors.Join(err, g.Wait())
	}
	began := time.Now()
	if err := g.Wait(); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	b.r.GatewayCPU, b.r.PostgresCPU = to(2, before.end()/took), to(2, pg.end()/took)
	return nil
}

// changesPerEvent is how many entities clients see change for one simulated
// event, about.
const changesPerEvent = 0.87

// cores is the processor's time of a process, from begin to end.
type cores struct {
	read func(pid int) (float64, error)
	pid  int
	was  float64
}

func (c *cores) begin() (err error) {
	c.was, err = c.read(c.pid)
	return err
}

func (c *cores) end() float64 {
	now, err := c.read(c.pid)
	if err != nil {
		return 0
	}
	return now - c.was
}

// compare has the clients hold what they have against the database.
func (b *bench) compare(p *pair, url string, marks []mark) error {
	var v verdict
	if err := p.load.call(order{Do: "judge", URL: url, Marks: marks}, &v); err != nil {
		return err
	}
	b.r.Commit, b.r.CommitP50, b.r.CommitP99 = v.Ages, v.Ages.P50, v.Ages.P99
	b.r.CommitRate, b.r.Compared, b.r.WrongRows = to(0, v.PerSecond), v.Compared, v.Wrong
	b.say("%.0f changes/s in %d commits, %d clients heard of %d: %s", v.PerSecond, len(marks), b.cfg.watchers, v.Ages.N, described(v.Ages))
	return b.audit(p)
}

func described(s report.Spread) string {
	return fmt.Sprintf("p50 %.1f p90 %.1f p99 %.1f max %.1f ms", s.P50, s.P90, s.P99, s.Max)
}
