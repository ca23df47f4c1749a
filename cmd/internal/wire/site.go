package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/gateway"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/origin"
	"github.com/waybill-io/waybill/internal/query"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/share"
	"github.com/waybill-io/waybill/web"
)

// Site is what people and their programs see: the page, the read API and the
// live socket.
type Site struct {
	// Listener is where it answers. Run closes it.
	Listener    net.Listener
	DatabaseURL string
	// Origins are pages of other hosts that may connect.
	Origins origin.List
	Auth    auth.Config
	// DevTenant is the tenant that the page of a developer's machine gets tokens
	// for. Defaults to none: nobody is handed tokens.
	DevTenant string
	// Handshakes and AddressHandshakes are how many clients are let in per second,
	// of all addresses and of one; five times as many at once. Default to 500 and
	// 50.
	Handshakes        int
	AddressHandshakes int
	// Proxies is how many proxies stand before it, each of which appends to
	// X-Forwarded-For. Defaults to none.
	Proxies int
	// MaxHz is how often a subscription gets a delta per second at most. Defaults
	// to 10.
	MaxHz float64
	// DrainWindow is how long closing all sockets is spread over. Defaults to
	// 10 s.
	DrainWindow time.Duration
	// CloseWait is how long a client may take to answer a goodbye. Defaults to
	// 2 s.
	CloseWait time.Duration
}

// Checks names what must be right for it to answer.
func (Site) Checks() []string { return []string{"reader", "feed"} }

// Run answers until ctx ends, then says goodbye to every socket. Until the
// database is there, everything is answered with 503.
func (s Site) Run(ctx context.Context, server *ops.Server, log *slog.Logger) error {
	door := &door{}
	srv := &http.Server{
		Handler: door, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ConnContext: gateway.ConnContext,
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(s.Listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		err := s.open(gctx, ctx, door, server, log)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		return errors.Join(err, srv.Shutdown(grace))
	})
	return g.Wait()
}

// open opens the door once the database is there, and returns when ctx has ended
// and every socket is closed.
func (s Site) open(ctx, asked context.Context, door *door, server *ops.Server, log *slog.Logger) error {
	verifier, err := auth.NewVerifier(s.Auth)
	if err != nil {
		return fmt.Errorf("read tokens: %w", err)
	}
	store, err := await(ctx, server.Ready.Check("reader"), log, func(ctx context.Context) (*guarded, error) {
		return s.guard(ctx, verifier, log)
	})
	if err != nil {
		return endOf(asked, err)
	}
	defer store.Close()
	meter := gateway.NewMeter(server.Metrics)
	meter.WatchRevocations(store.guard.Age)
	feed := server.Ready.Check("feed")
	hub := fanout.New(store, store, fanout.Config{
		Meter: meter, Log: log, MaxHz: s.MaxHz, Ready: readiness(feed), Alerts: store, Revoked: gateway.Revoked(store.guard.Revoked),
	})
	sockets, handler, err := s.handler(store, hub, meter, server, log)
	if err != nil {
		return err
	}
	door.lead(handler)
	feed.Set(true, "nobody is subscribed yet")
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return hub.Run(after) })
	g.Go(func() error { return store.guard.Run(after, hub.Expel) })
	g.Go(func() error {
		defer end()
		return sockets.Run(gctx)
	})
	return g.Wait()
}

func readiness(feed *ops.Check) func(error) {
	return func(err error) {
		if err != nil {
			feed.Set(false, err.Error())
			return
		}
		feed.Set(true, "read")
	}
}

// guarded is the read model, and who may read it.
type guarded struct {
	*readmodel.Reader
	list  *readmodel.Reader // of what is revoked: it waits for nobody's query
	guard *auth.Guard
}

// Close ends all connections.
func (g *guarded) Close() {
	g.list.Close()
	g.Reader.Close()
}

// guard connects, and reads what is revoked: nobody is let in before.
func (s Site) guard(ctx context.Context, verifier *auth.Verifier, log *slog.Logger) (*guarded, error) {
	reader, err := readmodel.OpenReader(ctx, readmodel.Config{URL: s.DatabaseURL, Name: "waybill gateway", MaxConns: 12})
	if err != nil {
		return nil, err
	}
	list, err := readmodel.OpenReader(ctx, readmodel.Config{URL: s.DatabaseURL, Name: "waybill revocations", MaxConns: 1})
	if err != nil {
		reader.Close()
		return nil, err
	}
	g := &guarded{Reader: reader, list: list, guard: auth.NewGuard(verifier, list, log)}
	if err := g.guard.Load(ctx); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// handler routes: the socket and its stream, the read API, the page and, for developers,
// tokens.
func (s Site) handler(store *guarded, hub *fanout.Hub, meter *gateway.Meter, server *ops.Server, log *slog.Logger) (*gateway.Gateway, http.Handler, error) {
	sockets := gateway.New(hub, store.guard, meter, gateway.Config{
		Origins: s.Origins, DrainWindow: s.DrainWindow, CloseWait: s.CloseWait, Links: store, Log: log,
		Handshakes: s.Handshakes, AddressHandshakes: s.AddressHandshakes, Proxies: s.Proxies,
	})
	api, err := query.New(query.Config{Origins: s.Origins, Metrics: server.Metrics}, store, store.guard, log)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the read API: %w", err)
	}
	page, err := gateway.Page(web.Dist())
	if err != nil {
		return nil, nil, fmt.Errorf("read the page: %w", err)
	}
	links, err := share.NewPage(store, share.Config{Proxies: s.Proxies, Metrics: server.Metrics, Log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the page of links: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/live", sockets)
	mux.Handle("/v1/stream/sse", sockets.Stream())
	mux.Handle("/v1/", api)
	mux.Handle(share.Path, links)
	mux.Handle("/", page)
	if s.DevTenant != "" {
		signer, err := auth.NewSigner(s.Auth)
		if err != nil {
			return nil, nil, fmt.Errorf("sign tokens: %w", err)
		}
		mux.Handle("/dev/token", gateway.DevToken(signer, DevPrincipal(s.DevTenant), s.Origins))
	}
	return sockets, mux, nil
}

// DevPrincipal is who a developer's page speaks for.
func DevPrincipal(tenant string) auth.Principal {
	return auth.Principal{Subject: "dev", Tenant: tenant, Scope: []string{query.ScopeRead}}
}
