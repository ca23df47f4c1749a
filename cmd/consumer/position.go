package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// reach is what the commands about positions need.
type reach struct {
	Brokers     cli.Brokers     `help:"Kafka's seed brokers, host:port, comma-separated." required:""`
	DatabaseURL cli.DatabaseURL `help:"Postgres, as postgres://user:password@host:port/database." required:""`
	JSON        bool            `help:"Print JSON, one object a line."`
	Timeout     time.Duration   `help:"How long to wait for brokers and the database." default:"30s"`
}

type positionsConfig struct {
	reach
}

// Validate is called by kong.
func (c *positionsConfig) Validate() error {
	return cli.Check(cli.AtLeast("--timeout", c.Timeout, time.Millisecond))
}

type acceptGapConfig struct {
	reach
	Topic     string `help:"Topic of the partition." required:""`
	Partition int    `help:"Partition whose position is to be moved." required:""`
	To        string `help:"Where to go on: earliest (where the log begins), latest (where it ends), or an offset." required:""`
	Reason    string `help:"Why, for those who look later." required:""`
	By        string `help:"Who says so. Defaults to the login's name and host."`
	DryRun    bool   `help:"Only say what would be done."`
}

// Validate is called by kong.
func (c *acceptGapConfig) Validate() error {
	_, err := c.target(projector.Bounds{})
	return cli.Check(
		err,
		cli.NotEmpty("--topic", c.Topic),
		cli.NotEmpty("--reason", c.Reason),
		cli.AtLeast("--partition", c.Partition, 0),
		cli.AtLeast("--timeout", c.Timeout, time.Millisecond),
	)
}

// target is the offset that --to means.
func (c *acceptGapConfig) target(b projector.Bounds) (int64, error) {
	switch c.To {
	case "earliest":
		return b.Start, nil
	case "latest":
		return b.End, nil
	}
	to, err := strconv.ParseInt(c.To, 10, 64)
	if err != nil || to < 0 {
		return 0, fmt.Errorf("--to: %q is neither earliest, latest nor an offset", c.To)
	}
	return to, nil
}

// survey compares positions with the log.
type survey struct {
	log   *topic.Log
	store *readmodel.Store
}

// look opens a survey for as long as do takes.
func (c *reach) look(ctx context.Context, do func(context.Context, *survey) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: string(c.DatabaseURL), Name: "waybill operator"})
	if err != nil {
		return err
	}
	defer store.Close()
	log, err := topic.OpenLog(ctx, topic.SourceConfig{Brokers: c.Brokers})
	if err != nil {
		return err
	}
	defer log.Close()
	return do(ctx, &survey{log, store})
}

// row is one partition as `positions` shows it.
type row struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Position  int64  `json:"position"`
	LogStart  int64  `json:"log_start"`
	LogEnd    int64  `json:"log_end"`
	Lag       int64  `json:"lag"`
	Owner     string `json:"owner,omitempty"`
	Epoch     int64  `json:"epoch"`
	Halted    string `json:"halted,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

// showPositions lists where the read model stands in every partition.
func showPositions(ctx context.Context, cfg positionsConfig, stdout io.Writer) error {
	return cfg.look(ctx, func(ctx context.Context, s *survey) error {
		rows, err := s.rows(ctx)
		if err != nil {
			return err
		}
		if cfg.JSON {
			return printLines(stdout, rows)
		}
		t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "TOPIC\tPARTITION\tPOSITION\tLOG START\tLOG END\tLAG\tEPOCH\tOWNER\tHALTED")
		for _, r := range rows {
			halted := "-"
			if r.Halted != "" {
				halted = r.Halted + ": " + r.Detail
			}
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n",
				r.Topic, r.Partition, r.Position, r.LogStart, r.LogEnd, r.Lag, r.Epoch, cmp.Or(r.Owner, "-"), halted)
		}
		return t.Flush()
	})
}

func printLines[T any](w io.Writer, rows []T) error {
	enc := json.NewEncoder(w)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// rows holds every partition of the log against its position.
func (s *survey) rows(ctx context.Context) ([]row, error) {
	positions, err := s.store.AllPositions(ctx)
	if err != nil {
		return nil, err
	}
	at := make(map[projector.Partition]readmodel.Position, len(positions))
	for _, p := range positions {
		at[p.Partition] = p
	}
	_, parts := s.log.Assignment()
	bounds, err := s.log.Bounds(ctx, parts)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(parts))
	for _, part := range parts {
		p, b := at[part], bounds[part]
		r := row{Topic: part.Topic, Partition: part.ID, Position: p.Next, LogStart: b.Start, LogEnd: b.End,
			Lag: max(0, b.End-max(p.Next, b.Start)), Owner: p.Owner, Epoch: p.Epoch}
		if p.Epoch > 0 {
			halt, err := s.check(ctx, part, p.Claim, b)
			if err != nil {
				return nil, err
			}
			if halt != nil {
				r.Halted, r.Detail = halt.Reason, halt.Err.Error()
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// check finds out why a consumer would halt the partition, if it would: what
// comes of the records themselves only shows when they are read.
func (s *survey) check(ctx context.Context, part projector.Partition, c projector.Claim, b projector.Bounds) (*projector.HaltError, error) {
	cluster, _ := s.log.Assignment()
	if halt := projector.Check(part, c, b, cluster); halt != nil {
		return halt, nil
	}
	if c.LastHash == nil || c.LastSeen < b.Start || c.LastSeen >= b.End {
		return nil, nil
	}
	r, err := s.log.First(ctx, part, c.LastSeen)
	if err != nil {
		return nil, err
	}
	return projector.CheckLast(part, c, r), nil
}

// acceptGap moves a position on, or says how it would.
func acceptGap(ctx context.Context, cfg acceptGapConfig, stdout io.Writer) error {
	return cfg.look(ctx, func(ctx context.Context, s *survey) error {
		gap, err := s.gap(ctx, cfg)
		if err != nil {
			return err
		}
		var epoch int64
		if !cfg.DryRun {
			if epoch, err = s.store.AcceptGap(ctx, *gap); err != nil {
				return err
			}
		}
		return cfg.print(stdout, gap, epoch)
	})
}

// gap is what accepting would do.
func (s *survey) gap(ctx context.Context, cfg acceptGapConfig) (*readmodel.Gap, error) {
	part := projector.Partition{Topic: cfg.Topic, ID: int32(cfg.Partition)}
	at, err := s.position(ctx, part)
	if err != nil {
		return nil, err
	}
	bounds, err := s.log.Bounds(ctx, []projector.Partition{part})
	if err != nil {
		return nil, err
	}
	b := bounds[part]
	to, err := cfg.target(b)
	if err != nil {
		return nil, err
	}
	if to < b.Start || to > b.End {
		return nil, fmt.Errorf("%s: %d lies outside of the log, which holds %d..%d", part, to, b.Start, b.End)
	}
	cluster, _ := s.log.Assignment()
	gap := &readmodel.Gap{Partition: part, Cause: "by_choice", From: at.Next, To: to, Bounds: b,
		Cluster: at.Cluster, ToCluster: cluster, Reason: cfg.Reason, Who: cmp.Or(cfg.By, login())}
	halt, err := s.check(ctx, part, at.Claim, b)
	switch {
	case err != nil:
		return nil, err
	case halt != nil:
		gap.Cause = halt.Reason
	case cfg.To == "earliest" || cfg.To == "latest":
		return nil, fmt.Errorf("%s: nothing is lost: the position is %d, the log holds %d..%d; name an offset to move past records that are there", part, at.Next, b.Start, b.End)
	}
	return gap, nil
}

// position is where the read model stands in a partition that is there.
func (s *survey) position(ctx context.Context, part projector.Partition) (*readmodel.Position, error) {
	_, parts := s.log.Assignment()
	there := false
	for _, p := range parts {
		there = there || p == part
	}
	if !there {
		return nil, fmt.Errorf("there is no partition %s; the log has %d, of %s to %s", part, len(parts), parts[0], parts[len(parts)-1])
	}
	positions, err := s.store.AllPositions(ctx)
	if err != nil {
		return nil, err
	}
	for i := range positions {
		if positions[i].Partition == part {
			return &positions[i], nil
		}
	}
	return nil, fmt.Errorf("%s was never read: there is no position to move", part)
}

// moved is what accept-gap prints.
type moved struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Cause     string `json:"cause"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	LogStart  int64  `json:"log_start"`
	LogEnd    int64  `json:"log_end"`
	Cluster   string `json:"cluster"`
	ToCluster string `json:"to_cluster"`
	Reason    string `json:"reason"`
	By        string `json:"by"`
	DryRun    bool   `json:"dry_run"`
	Epoch     int64  `json:"epoch,omitempty"`
}

func (c *acceptGapConfig) print(w io.Writer, g *readmodel.Gap, epoch int64) error {
	if c.JSON {
		return printLines(w, []moved{{
			Topic: g.Topic, Partition: g.ID, Cause: g.Cause, From: g.From, To: g.To, LogStart: g.Bounds.Start, LogEnd: g.Bounds.End,
			Cluster: g.Cluster, ToCluster: g.ToCluster, Reason: g.Reason, By: g.Who, DryRun: c.DryRun, Epoch: epoch,
		}})
	}
	verb := "moved"
	if c.DryRun {
		verb = "would be moved"
	}
	_, err := fmt.Fprintf(w, "%s: the position %s from %d to %d (%s; the log holds %d..%d)\n",
		g.Partition, verb, g.From, g.To, g.Cause, g.Bounds.Start, g.Bounds.End)
	return err
}

// login names whoever runs the command.
func login() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
