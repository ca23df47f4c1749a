package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/gateway"
)

// config is what the flags and variables say.
type config struct {
	cli.Logging
	Serve  serveConfig  `cmd:"" help:"Serve the page, the read API and the live socket until interrupted."`
	Watch  watchConfig  `cmd:"" help:"Show orders, shipments, counts, a timeline or alerts live, until interrupted."`
	Token  tokenConfig  `cmd:"" help:"Print a token for a tenant, signed with the secret."`
	Revoke revokeConfig `cmd:"" help:"Take tokens back before they expire; live connections are closed within a second."`
	Link   linkConfig   `cmd:"" help:"Create, list and revoke links that show one shipment to whoever has them."`
	Health healthConfig `cmd:"" hidden:"" help:"Ask a running gateway whether it is ready."`
}

// signing is how tokens are signed.
type signing struct {
	JWTSecretFile cli.Secret `help:"File with the secret of tokens (HS256, at least 32 bytes)." required:"" placeholder:"FILE"`
	JWTIssuer     string     `help:"Issuer (iss) of good tokens." default:"waybill"`
	JWTAudience   string     `help:"Audience (aud) of good tokens." default:"waybill"`
}

// check is for those that embed it: their own Validate hides one of its.
func (s *signing) check() error {
	var short error
	if n := len(s.JWTSecretFile); n > 0 && n < 32 { // kong says so itself where there is none
		short = errors.New("--jwt-secret-file: the secret has fewer than 32 bytes")
	}
	return cli.Check(short, cli.NotEmpty("--jwt-issuer", s.JWTIssuer), cli.NotEmpty("--jwt-audience", s.JWTAudience))
}

type serveConfig struct {
	signing
	Listen      cli.Address     `help:"Where the page, the API, /v1/live and /v1/stream/sse answer." default:"127.0.0.1:8080"`
	DatabaseURL cli.DatabaseURL `help:"Postgres, as postgres://user:password@host:port/database." required:""`
	OpsAddr     cli.Address     `help:"Where /healthz, /readyz and /metrics answer." default:"127.0.0.1:9091"`
	Pprof       bool            `help:"Serve profiles at the ops address."`
	Origins     []string        `help:"Pages of other hosts that may connect, such as https://app.example.com."`
	Handshakes  int             `help:"How many clients are let in per second; five times as many at once." default:"500"`
	PerAddress  int             `name:"handshakes-per-address" help:"The same of one client address; clients on this machine are not counted." default:"50"`
	Proxies     int             `help:"How many proxies stand before it: X-Forwarded-For is read as the outermost of them wrote it. 0: not read." default:"0"`
	MaxHz       float64         `help:"How many deltas a second a subscription gets at most; what changes in between is merged." default:"10"`
	DrainWindow time.Duration   `help:"How long closing all sockets is spread over at the end." default:"10s"`
}

// Validate is called by kong.
func (c *serveConfig) Validate() error {
	var origins error
	if err := (gateway.Config{Origins: c.Origins}).Validate(); err != nil {
		origins = fmt.Errorf("--origins: %w", err)
	}
	var pace error
	if !(c.MaxHz >= 0.1 && c.MaxHz <= 100) { // NaN is not either
		pace = fmt.Errorf("--max-hz: %v is not from 0.1 to 100", c.MaxHz)
	}
	return cli.Check(c.check(), origins, pace, cli.AtLeast("--drain-window", c.DrainWindow, 0),
		cli.AtLeast("--handshakes", c.Handshakes, 1), cli.AtLeast("--handshakes-per-address", c.PerAddress, 1), cli.AtLeast("--proxies", c.Proxies, 0))
}

type tokenConfig struct {
	signing
	Tenant  cli.Tenant    `help:"Tenant that the token shows." required:""`
	Subject string        `help:"Whom it is for." default:"cli"`
	Life    time.Duration `help:"How long it is good, at most 1h." default:"1h"`
}

// Validate is called by kong.
func (c *tokenConfig) Validate() error {
	var life error
	if c.Life <= 0 || c.Life > time.Hour {
		life = fmt.Errorf("--life: %v is not above 0 and at most 1h", c.Life)
	}
	return cli.Check(c.check(), cli.NotEmpty("--subject", c.Subject), life)
}

type healthConfig struct {
	OpsAddr cli.Address `help:"The gateway's ops address." default:"127.0.0.1:9091"`
}

func parse(args []string, getenv func(string) string, stdout io.Writer) (*config, string, error) {
	var cfg config
	ctx, err := cli.Parse("tracker-ws", "Serves the dashboard, the read API and live updates.", &cfg, args, getenv, stdout)
	if err != nil || ctx == nil {
		return nil, "", err
	}
	return &cfg, ctx.Command(), nil
}
