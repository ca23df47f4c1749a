package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// lettersConfig is the commands about dead letters.
type lettersConfig struct {
	List    listConfig    `cmd:"" help:"List records that could not be applied."`
	Show    showConfig    `cmd:"" help:"Show such records whole, with the reason."`
	Replay  replayConfig  `cmd:"" help:"Apply them once more, as this release reads them."`
	Discard discardConfig `cmd:"" help:"Settle them without applying them."`
}

// letterSource is where dead letters are, and how they are printed.
type letterSource struct {
	DatabaseURL cli.DatabaseURL `help:"Postgres, as postgres://user:password@host:port/database." required:""`
	JSON        bool            `name:"json" help:"One JSON object per line."`
}

// letterChoice chooses dead letters.
type letterChoice struct {
	IDs       []place     `arg:"" optional:"" name:"id" help:"Only these: topic/partition/offset."`
	Topic     string      `help:"Only of this topic."`
	Partition *int32      `help:"Only of this partition."`
	Offset    offsetRange `help:"Only this offset, or a range: 10-20, 10- or -20." placeholder:"FROM-TO"`
	Class     []string    `help:"Only of these classes, comma-separated."`
	Since     moment      `help:"Only those kept since then: a time as 2026-03-01T09:00:00Z, or 24h for a day ago."`
	Tenant    cli.Tenant  `help:"Only records whose key begins with this tenant."`
	Key       string      `help:"Only records with this key, tenant|subject."`
	Limit     int         `help:"At most so many, by topic, partition and offset." default:"100"`
}

func (c *letterChoice) check() error {
	problems := []error{cli.AtLeast("--limit", c.Limit, 1)}
	if c.Partition != nil && *c.Partition < 0 {
		problems = append(problems, fmt.Errorf("--partition: %d is less than 0", *c.Partition))
	}
	return cli.Check(problems...)
}

// narrow reports that something is chosen at all.
func (c *letterChoice) narrow() bool {
	return len(c.IDs) > 0 || c.Topic != "" || c.Partition != nil || c.Offset != offsetRange{} || len(c.Class) > 0 ||
		!c.Since.IsZero() || c.Tenant != "" || c.Key != ""
}

// filter is what the read model understands.
func (c *letterChoice) filter(status string) readmodel.LetterFilter {
	f := readmodel.LetterFilter{
		Topic: c.Topic, Partition: c.Partition, From: c.Offset.from, To: c.Offset.to, Class: c.Class,
		Status: status, Since: c.Since.Time, Limit: c.Limit, Places: places(c.IDs),
	}
	if c.Key != "" {
		f.Key = []byte(c.Key)
	}
	if c.Tenant != "" {
		f.KeyPrefix = []byte(c.Tenant + "|")
	}
	return f
}

type listConfig struct {
	letterSource
	letterChoice
	Status string `help:"Only of this status." enum:"new,replayed,discarded,any" default:"new"`
}

// Validate is called by kong.
func (c *listConfig) Validate() error { return c.check() }

type showConfig struct {
	letterSource
	IDs []place `arg:"" name:"id" help:"topic/partition/offset, as list prints it."`
}

type replayConfig struct {
	letterSource
	letterChoice
	DryRun bool   `help:"Only say what would come of it."`
	By     string `help:"Who does it, for the record. Defaults to the user and host."`
}

// Validate is called by kong.
func (c *replayConfig) Validate() error { return c.check() }

type discardConfig struct {
	letterSource
	letterChoice
	Reason string `help:"Why, for the record." required:""`
	All    bool   `help:"Really all, when nothing else chooses."`
	DryRun bool   `help:"Only say which."`
	By     string `help:"Who does it, for the record. Defaults to the user and host."`
}

// Validate is called by kong.
func (c *discardConfig) Validate() error {
	var all error
	if !c.narrow() && !c.All {
		all = errors.New("--all: nothing says which dead letters to discard; say --all if you mean every one")
	}
	return cli.Check(cli.NotEmpty("--reason", strings.TrimSpace(c.Reason)), c.check(), all)
}

// place is a record's place in the log.
type place struct{ readmodel.Place }

// UnmarshalText reads topic/partition/offset.
func (p *place) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "/")
	if len(parts) == 3 && parts[0] != "" {
		partition, errP := strconv.ParseInt(parts[1], 10, 32)
		offset, errO := strconv.ParseInt(parts[2], 10, 64)
		if errP == nil && errO == nil && partition >= 0 && offset >= 0 {
			p.Topic, p.ID, p.Offset = parts[0], int32(partition), offset
			return nil
		}
	}
	return fmt.Errorf("%q: want topic/partition/offset, such as waybill.orders.v1/3/1042", text)
}

func places(ids []place) []readmodel.Place {
	list := make([]readmodel.Place, len(ids))
	for i, id := range ids {
		list[i] = id.Place
	}
	return list
}

// offsetRange is a range of offsets, both ends included.
type offsetRange struct{ from, to *int64 }

// UnmarshalText reads 5, 5-9, 5- or -9.
func (r *offsetRange) UnmarshalText(text []byte) error {
	end := func(s string) (*int64, error) {
		if s == "" {
			return nil, nil
		}
		n, err := strconv.ParseUint(s, 10, 63)
		offset := int64(n)
		return &offset, err
	}
	first, last, ranged := strings.Cut(string(text), "-")
	from, errFrom := end(first)
	to, errTo := end(last)
	if !ranged {
		to = from
	}
	if errFrom != nil || errTo != nil || from == nil && to == nil || from != nil && to != nil && *from > *to {
		return fmt.Errorf("%q: want an offset, or a range such as 10-20, 10- or -20", text)
	}
	*r = offsetRange{from, to}
	return nil
}

// moment is a point in time, or how long ago it was.
type moment struct{ time.Time }

// UnmarshalText reads RFC 3339 or a duration.
func (m *moment) UnmarshalText(text []byte) error {
	if t, err := time.Parse(time.RFC3339, string(text)); err == nil {
		m.Time = t
		return nil
	}
	ago, err := time.ParseDuration(string(text))
	if err != nil || ago < 0 {
		return fmt.Errorf("%q: want a time such as 2026-03-01T09:00:00Z, or how long ago, such as 24h", text)
	}
	m.Time = time.Now().Add(-ago)
	return nil
}
