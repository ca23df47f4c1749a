package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/ops"
	"github.com/waybill-io/waybill/internal/query"
)

// run is the gateway: tests call it in-process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	cfg, command, err := parse(args, getenv, stdout)
	if err != nil || cfg == nil {
		return err
	}
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: cfg.LogFormat, Level: cfg.LogLevel})
	if err != nil {
		return err
	}
	switch command {
	case "health":
		_, err := ops.Get(ctx, string(cfg.Health.OpsAddr), "/readyz")
		return err
	case "watch":
		return follow(ctx, cfg.Watch, getenv, stdout, log)
	case "token":
		return token(cfg.Token, stdout)
	case "revoke":
		return revoke(ctx, cfg.Revoke, stdout)
	case "link create", "link list", "link revoke <link>":
		return link(ctx, cfg.Link, command, stdout, stderr)
	default:
		return serve(ctx, cfg.Serve, log)
	}
}

// serve takes both ports before anything else, then runs the site.
func serve(ctx context.Context, cfg serveConfig, log *slog.Logger) error {
	server, err := ops.Listen(ctx, ops.Config{Addr: string(cfg.OpsAddr), Pprof: cfg.Pprof}, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(cfg.Listen))
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), server.Close())
	}
	site := wire.Site{
		Listener: listener, DatabaseURL: string(cfg.DatabaseURL), Origins: cfg.Origins,
		Auth: cfg.auth(), MaxHz: cfg.MaxHz, DrainWindow: cfg.DrainWindow,
		Handshakes: cfg.Handshakes, AddressHandshakes: cfg.PerAddress, Proxies: cfg.Proxies,
	}
	ops.SpareMemory()
	log.Info("gateway running", "listen", listener.Addr().String(), "ops", server.Addr())
	return wire.Beside(ctx, server, site.Checks(), func(ctx context.Context) error { return site.Run(ctx, server, log) })
}

func (s *signing) auth() auth.Config {
	return auth.Config{Keys: []auth.Key{{Secret: s.JWTSecretFile}}, Issuer: s.JWTIssuer, Audience: s.JWTAudience}
}

// token prints a token that shows a tenant.
func token(cfg tokenConfig, stdout io.Writer) error {
	signer, err := auth.NewSigner(cfg.auth())
	if err != nil {
		return err
	}
	signed, _, err := signer.Mint(auth.Principal{Subject: cfg.Subject, Tenant: string(cfg.Tenant), Scope: []string{query.ScopeRead}}, cfg.Life)
	if err != nil {
		return fmt.Errorf("sign a token: %w", err)
	}
	_, err = fmt.Fprintln(stdout, signed)
	return err
}
