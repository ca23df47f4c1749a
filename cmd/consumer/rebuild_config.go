package main

import (
	"errors"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

type rebuildConfig struct {
	DatabaseURL cli.DatabaseURL `help:"Postgres, with a login that owns the schema and may act as the projector." required:""`
	Workers     int             `help:"Transactions side by side." default:"2"`
	ChunkEvents int             `help:"About how many events one transaction folds." default:"10000"`
	Restart     bool            `help:"Begin anew instead of going on with an interrupted rebuild."`
	Force       bool            `help:"Swap although the versions differ: the new one is what the timeline folds to."`
	Abandon     bool            `help:"Only take away what an interrupted rebuild has filled."`
	DropOld     bool            `help:"Only take away the versions before the live one."`
	JSON        bool            `name:"json" help:"Write the summary as JSON."`
}

// Validate is called by kong.
func (c *rebuildConfig) Validate() error {
	modes := 0
	for _, set := range []bool{c.Abandon, c.DropOld, c.Restart || c.Force} {
		if set {
			modes++
		}
	}
	var together error
	if modes > 1 {
		together = errors.New("--abandon and --drop-old stand alone, without each other, --restart or --force")
	}
	return cli.Check(cli.AtLeast("--workers", c.Workers, 1), cli.AtLeast("--chunk-events", c.ChunkEvents, 1), together)
}

type verifyConfig struct {
	DatabaseURL cli.DatabaseURL `help:"Postgres, with a login that may act as the projector." required:""`
	Tenant      string          `help:"Only this tenant's rows."`
	Order       string          `help:"Only this order of the tenant, with its shipments."`
	Shipment    string          `help:"Only this shipment of the tenant."`
	Sample      int             `help:"So many orders, shipments and numbers, drawn at random."`
	All         bool            `help:"Everything; so it is without --order, --shipment and --sample."`
	JSON        bool            `name:"json" help:"Write what was found as JSON."`
}

// Validate is called by kong.
func (c *verifyConfig) Validate() error {
	var needs, together error
	one := c.Order != "" || c.Shipment != ""
	if one && c.Tenant == "" {
		needs = errors.New("--order and --shipment need --tenant")
	}
	if one && (c.Sample > 0 || c.All) || c.All && c.Sample > 0 {
		together = errors.New("--sample, --all, and --order or --shipment stand alone")
	}
	return cli.Check(cli.AtLeast("--sample", c.Sample, 0), needs, together)
}
