package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/scenario"
)

// config is what the flags and variables say.
type config struct {
	cli.Logging
	Brokers  cli.Brokers    `help:"Kafka's seed brokers, host:port, comma-separated." default:"127.0.0.1:8083"`
	Tenant   tenant         `help:"Whose events they are. A mapping's own tenant comes next, and demo after it; NDJSON names its own."`
	Publish  publishConfig  `cmd:"" help:"Publish files: NDJSON of CloudEvents, CSV through a mapping, or carriers' messages. - is the standard input."`
	Simulate simulateConfig `cmd:"" help:"Publish made-up orders, as if they happened now."`
	Types    struct{}       `cmd:"" help:"List the types of events."`
	Carriers carriersConfig `cmd:"" help:"List the profiles of carriers that are built in, or check and print one."`
}

// tenant is checked where it is read.
type tenant string

// UnmarshalText refuses what is no tenant id.
func (t *tenant) UnmarshalText(text []byte) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"
	if len(text) == 0 || len(text) > 64 || strings.Trim(string(text), allowed) != "" {
		return errors.New("want 1 to 64 characters of A-Z a-z 0-9 . _ : -")
	}
	*t = tenant(text)
	return nil
}

type publishConfig struct {
	Files   []string      `arg:"" name:"file" help:"Files to publish; .gz is uncompressed."`
	Mapping string        `help:"YAML file that says which events the rows of a CSV file are." placeholder:"FILE"`
	Format  string        `help:"What the files are: ndjson, csv, x12-214, easypost or aftership. auto goes by --carrier, else by the name: .ndjson, .jsonl, .csv, .tsv, .edi, .x12, before .gz." enum:"auto,ndjson,csv,x12-214,easypost,aftership" default:"auto"`
	Carrier string        `help:"Profile of the carrier whose messages the files hold: one that is built in (see producer carriers), or a YAML file." placeholder:"NAME"`
	Replace string        `name:"replaces" help:"Profile that the files were published with before: what it said and --carrier no longer says is taken back. Needs --carrier." placeholder:"NAME"`
	SkipBad bool          `help:"Publish the good lines of a file that has bad ones. Needs --rejects."`
	Rejects string        `help:"New file for the bad lines that --skip-bad leaves out. It is not compressed." placeholder:"FILE"`
	Rate    *float64      `help:"Events per second at most. Without it there is no limit."`
	Batch   int           `help:"Events per batch." default:"500"`
	Timeout time.Duration `help:"How long a batch may wait for its acknowledgement, retries included." default:"30s"`
}

// Validate is called by kong.
func (c *publishConfig) Validate() error {
	var rate, rejects error
	if c.Rate != nil && !(*c.Rate > 0 && *c.Rate <= 1e7) {
		rate = fmt.Errorf("--rate: %v is not above 0; leave it out for no limit", *c.Rate)
	}
	switch {
	case c.SkipBad != (c.Rejects != ""):
		rejects = errors.New("--skip-bad and --rejects go together")
	case strings.HasSuffix(c.Rejects, ".gz"):
		rejects = fmt.Errorf("--rejects: %s would not be compressed; leave .gz out of its name", c.Rejects)
	}
	_, format := c.format()
	return cli.Check(
		rate, rejects, format,
		between("--batch", c.Batch, 1, 10_000),
		cli.AtLeast("--timeout", c.Timeout, time.Millisecond),
	)
}

type simulateConfig struct {
	Orders     int           `help:"How many orders; 0 goes on until interrupted." default:"0"`
	Rate       float64       `help:"Events per second, told as if they happened now; 0 is as fast as possible, with the same times whenever it runs." default:"50"`
	Seed       uint64        `help:"What histories to tell. The same seed tells the same." default:"1"`
	Vocabulary string        `help:"full uses every type of event, core the fourteen that matter most." enum:"full,core" default:"full"`
	Life       time.Duration `help:"How long an order lives, about." default:"3m"`
	MaxOpen    int           `help:"Shipments under way at once, at most." default:"2900"`
	Timeout    time.Duration `help:"How long a batch may wait for its acknowledgement, retries included." default:"30s"`
	Shares     sharesConfig  `embed:""`
}

// sharesConfig are the rates that a user may want to set. Defaults are those of
// scenario.DefaultRates.
type sharesConfig struct {
	Late       *float64 `group:"Shares, from 0 to 1" help:"Scans that arrive days late."`
	Reorder    *float64 `group:"Shares, from 0 to 1" help:"Events that others overtake."`
	Resend     *float64 `group:"Shares, from 0 to 1" help:"Events that come again with the same id."`
	Copies     *float64 `group:"Shares, from 0 to 1" help:"Events that come again under another id."`
	ByNumber   *float64 `group:"Shares, from 0 to 1" help:"Parcels that are scanned by a carrier's number."`
	Parcels    *float64 `group:"Shares, from 0 to 1" help:"Shipments of several parcels."`
	Split      *float64 `group:"Shares, from 0 to 1" help:"Orders over several shipments."`
	Attempts   *float64 `group:"Shares, from 0 to 1" help:"Shipments whose first delivery fails."`
	Exceptions *float64 `group:"Shares, from 0 to 1" help:"Shipments with an exception."`
	Returns    *float64 `group:"Shares, from 0 to 1" help:"Orders that are sent back."`
	Cancels    *float64 `group:"Shares, from 0 to 1" help:"Orders that are cancelled."`
	Retract    *float64 `group:"Shares, from 0 to 1" help:"Shipments with a scan that is taken back."`
}

// set is a flag and the rate behind it.
type set struct {
	flag  string
	value *float64
	rate  *float64
}

func (c *sharesConfig) sets(r *scenario.Rates) []set {
	return []set{
		{"--late", c.Late, &r.Late}, {"--reorder", c.Reorder, &r.Reorder}, {"--resend", c.Resend, &r.Resend},
		{"--copies", c.Copies, &r.Copy}, {"--by-number", c.ByNumber, &r.ByNumber}, {"--parcels", c.Parcels, &r.MultiParcel},
		{"--split", c.Split, &r.Split}, {"--attempts", c.Attempts, &r.FailedAttempt}, {"--exceptions", c.Exceptions, &r.Exception},
		{"--returns", c.Returns, &r.Return}, {"--cancels", c.Cancels, &r.CancelBefore}, {"--retract", c.Retract, &r.Retract},
	}
}

// rates are the defaults with what was set.
func (c *sharesConfig) rates() scenario.Rates {
	r := scenario.DefaultRates()
	for _, s := range c.sets(&r) {
		if s.value != nil {
			*s.rate = *s.value
		}
	}
	return r
}

// Validate is called by kong.
func (c *simulateConfig) Validate() error {
	problems := []error{
		cli.AtLeast("--orders", c.Orders, 0),
		cli.AtLeast("--max-open", c.MaxOpen, 20),
		cli.AtLeast("--life", c.Life, time.Second),
		cli.AtLeast("--timeout", c.Timeout, time.Millisecond),
	}
	if !(c.Rate >= 0 && c.Rate <= 1e6) {
		problems = append(problems, fmt.Errorf("--rate: %v is not from 0 to 1,000,000", c.Rate))
	}
	for _, s := range c.Shares.sets(&scenario.Rates{}) {
		if s.value != nil && !(*s.value >= 0 && *s.value <= 1) {
			problems = append(problems, fmt.Errorf("%s: %v is not from 0 to 1", s.flag, *s.value))
		}
	}
	return cli.Check(problems...)
}

// scenario is what to tell.
func (c *simulateConfig) scenario(t events.TenantID) scenario.Config {
	cfg := scenario.Config{Seed: c.Seed, Orders: c.Orders, Tenant: t, Rates: c.Shares.rates()}
	if c.Vocabulary == "core" {
		cfg.Vocabulary = scenario.Core
	}
	return cfg
}

func between(flag string, value, least, most int) error {
	if value < least || value > most {
		return fmt.Errorf("%s: %d is not from %d to %d", flag, value, least, most)
	}
	return nil
}

func parse(args []string, getenv func(string) string, stdout io.Writer) (*config, string, error) {
	var cfg config
	ctx, err := cli.Parse("producer", "Publishes events: those of a file, or simulated ones.", &cfg, args, getenv, stdout)
	if err != nil || ctx == nil {
		return nil, "", err
	}
	command, _, _ := strings.Cut(ctx.Command(), " ")
	return &cfg, command, nil
}
