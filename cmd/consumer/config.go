package main

import (
	"io"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/projector"
)

// config is what the flags and variables say.
type config struct {
	cli.Logging
	Run     runConfig     `cmd:"" help:"Project the topics into the read model until interrupted."`
	Migrate migrateConfig `cmd:"" help:"Bring the database's schema, and the topics, up to this release."`
	Letters lettersConfig `cmd:"" name:"deadletters" help:"Look at records that could not be applied, and settle them."`

	Positions positionsConfig `cmd:"" help:"List where the read model stands in every partition."`
	AcceptGap acceptGapConfig `cmd:"" help:"Move a halted partition on, past records that are lost."`

	Rebuild rebuildConfig `cmd:"" help:"Fill a new version of the read model from the timeline, beside the live one, and swap them."`
	Verify  verifyConfig  `cmd:"" help:"Fold rows from the timeline again and say where the stored ones differ."`

	Health healthConfig `cmd:"" hidden:"" help:"Ask a running consumer whether it is ready."`
}

type runConfig struct {
	Brokers     cli.Brokers     `help:"Kafka's seed brokers, host:port, comma-separated." required:""`
	DatabaseURL cli.DatabaseURL `help:"Postgres, as postgres://user:password@host:port/database." required:""`
	OpsAddr     cli.Address     `help:"Where /healthz, /readyz and /metrics answer." default:"127.0.0.1:9090"`
	Pprof       bool            `help:"Serve profiles at the ops address."`
	Group       string          `help:"Consumer group; members share the partitions." default:"waybill-projector"`
	Workers     int             `help:"Transactions side by side." default:"2"`
	BatchEvents int             `help:"Most events of one transaction." default:"5000"`
	BatchWait   time.Duration   `help:"Longest wait for a fuller batch." default:"25ms"`
	Memory      int             `help:"MiB to stay below, as far as that is possible; 0 is 96 and 64 for each worker. GOMEMLIMIT is stronger." default:"0"`

	HaltOnNewer bool              `help:"Stop a partition at an event of a newer version of a known type, instead of keeping it as a dead letter."`
	Park        projector.Parking `help:"Have the later records of a key wait behind a dead letter of one of these types until it is settled: comma-separated, such as order.placed.v1, order.* or *. Without it, keys go on." placeholder:"TYPES"`

	AnyPartition bool `help:"Take records on partitions that their keys do not belong on, as in a topic that was given more partitions."`
}

// Validate is called by kong.
func (c *runConfig) Validate() error {
	return cli.Check(
		cli.NotEmpty("--group", c.Group),
		cli.AtLeast("--workers", c.Workers, 1),
		cli.AtLeast("--batch-events", c.BatchEvents, 1),
		cli.AtLeast("--batch-wait", c.BatchWait, 0),
		cli.AtLeast("--memory", c.Memory, 0),
	)
}

type migrateConfig struct {
	DatabaseURL cli.DatabaseURL `help:"Postgres, with a login that may create schemas and roles." required:""`
	Brokers     cli.Brokers     `help:"Kafka's seed brokers; without them the topics are left alone."`
	Partitions  int             `help:"Partitions of each topic." default:"12"`
	Replication int             `help:"Brokers that keep each record." default:"1"`
	Timeout     time.Duration   `help:"How long to wait for a database or broker that does not answer yet." default:"60s"`
}

// Validate is called by kong.
func (c *migrateConfig) Validate() error {
	return cli.Check(
		cli.AtLeast("--partitions", c.Partitions, 1),
		cli.AtLeast("--replication", c.Replication, 1),
		cli.AtLeast("--timeout", c.Timeout, time.Millisecond),
	)
}

type healthConfig struct {
	OpsAddr cli.Address `help:"The consumer's ops address." default:"127.0.0.1:9090"`
}

func parse(args []string, getenv func(string) string, stdout io.Writer) (*config, string, error) {
	var cfg config
	ctx, err := cli.Parse("consumer", "Keeps the Postgres read model in step with the topics.", &cfg, args, getenv, stdout)
	if err != nil || ctx == nil {
		return nil, "", err
	}
	return &cfg, ctx.Command(), nil
}
