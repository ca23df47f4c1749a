package main

import (
	"fmt"
	"io"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/origin"
	"github.com/waybill-io/waybill/internal/projector"
)

// config is what the flags and variables say.
type config struct {
	cli.Logging
	Data      string            `help:"Directory of the broker's and the database's data." default:".waybill"`
	Fresh     bool              `help:"Begin with no data."`
	Simulate  float64           `help:"Simulated events per second; 0 for none." default:"0"`
	PortBase  int               `help:"Port of page and API; ops answers at the next one, then Postgres, then Kafka." default:"8080"`
	ReadyFile string            `help:"File to write addresses and a token to, as JSON, when everything answers." placeholder:"FILE"`
	Origins   origin.List       `help:"Pages of other hosts that may connect and read, such as http://localhost:3000."`
	Park      projector.Parking `help:"Types of events behind whose dead letters the later records of a key wait, as of bin/consumer." placeholder:"TYPES"`
	Tenant    cli.Tenant        `help:"Tenant of the simulated events and of the page." default:"demo"`
}

// Validate is called by kong.
func (c *config) Validate() error {
	var ports, rate, origins error
	if c.PortBase < 1024 || c.PortBase > 65535-3 {
		ports = fmt.Errorf("--port-base: %d is not from 1024 to %d", c.PortBase, 65535-3)
	}
	if !(c.Simulate >= 0 && c.Simulate <= 100_000) { // NaN is not either
		rate = fmt.Errorf("--simulate: %v is not from 0 to 100,000 events per second", c.Simulate)
	}
	if err := c.Origins.Validate(); err != nil {
		origins = fmt.Errorf("--origins: %w", err)
	}
	return cli.Check(ports, rate, origins, cli.NotEmpty("--data", c.Data))
}

func (c *config) page() int     { return c.PortBase }
func (c *config) ops() int      { return c.PortBase + 1 }
func (c *config) postgres() int { return c.PortBase + 2 }
func (c *config) kafka() int    { return c.PortBase + 3 }

func parse(args []string, getenv func(string) string, stdout io.Writer) (*config, error) {
	var cfg config
	ctx, err := cli.Parse("dev", "Runs the whole platform in one process, on a broker and a Postgres of its own.", &cfg, args, getenv, stdout)
	if err != nil || ctx == nil {
		return nil, err
	}
	return &cfg, nil
}
