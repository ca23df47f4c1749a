package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"text/tabwriter"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
	"github.com/waybill-io/waybill/internal/ingest"
)

// carriersConfig is what the command carriers takes.
type carriersConfig struct {
	Profile string `arg:"" optional:"" help:"Profile to check and print: one that is built in, or a YAML file."`
}

// foreign reads the messages of a carrier.
type foreign struct {
	profile *carriers.Profile
	before  *carriers.Profile // whose events are to be corrected, or nil
	tenant  events.TenantID
}

// openForeign finds the carrier's profile; the formats have one of their own
// name, for carriers that follow the standard.
func (c *publishConfig) openForeign(format string, tenant events.TenantID) (ingest.Format, error) {
	name := c.Carrier
	if name == "" {
		name = format
	}
	p, err := openProfile(name)
	if err != nil {
		return nil, err
	}
	if format != auto && p.Format() != format {
		return nil, usage(fmt.Errorf("--carrier: the messages of %s are %s, not %s", name, p.Format(), format))
	}
	f := foreign{profile: p, tenant: tenant}
	if tenant == "" {
		f.tenant = defaultTenant
	}
	if c.Replace == "" {
		return f, nil
	}
	if f.before, err = openProfile(c.Replace); err != nil {
		return nil, err
	}
	if f.before.Format() != p.Format() {
		return nil, usage(fmt.Errorf("--replaces: the messages of %s are %s, not %s", c.Replace, f.before.Format(), p.Format()))
	}
	if bytes.Equal(f.before.Text(), p.Text()) {
		return nil, usage(fmt.Errorf("--replaces: %s says what %s says: want the profile as it was", c.Replace, c.Carrier))
	}
	return f, nil
}

func openProfile(name string) (*carriers.Profile, error) {
	p, err := carriers.Open(name)
	if errors.Is(err, carriers.ErrNoProfile) {
		err = usage(err)
	}
	return p, err
}

// Records yields one record a message.
func (f foreign) Records(r io.Reader) iter.Seq2[ingest.Record, error] {
	return func(yield func(ingest.Record, error) bool) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		for m, err := range f.profile.Messages(r, f.tenant, now) {
			if err == nil && f.before != nil {
				m, err = f.profile.Correct(m, f.before, f.tenant, now)
			}
			if !yield(recordOf(m), dataError(err)) {
				return
			}
		}
	}
}

func recordOf(m carriers.Message) ingest.Record {
	rec := ingest.Record{Line: m.Line, Raw: m.Raw, Events: m.Events}
	for _, p := range m.Problems {
		rec.Problems = append(rec.Problems, problemOf(p))
	}
	return rec
}

func problemOf(p carriers.Problem) ingest.Problem {
	return ingest.Problem{Line: p.Line, Name: p.Place, Reason: p.Reason}
}

func dataError(err error) error {
	if broken, ok := errors.AsType[*carriers.FormatError](err); ok {
		return &ingest.DataError{Problem: problemOf(broken.Problem)}
	}
	return err
}

// listCarriers prints the profiles, or one of them as it is written.
func listCarriers(ctx context.Context, c *carriersConfig, stdout, stderr io.Writer) error {
	if c.Profile != "" {
		p, err := openProfile(c.Profile)
		if err != nil {
			return exit(ctx, err)
		}
		own, inherited := p.Rules()
		fmt.Fprintf(stderr, "%s is sound. Rules: %d of its own, %d inherited\n", c.Profile, own, inherited) //nolint:errcheck // for people
		return wrote(ctx, func() error { _, err := stdout.Write(p.Text()); return err })
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 3, ' ', 0)
	for _, name := range carriers.Builtin() {
		p, err := carriers.Open(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", name, p.Format(), p.About) //nolint:errcheck // Flush tells
	}
	return wrote(ctx, t.Flush)
}

// wrote turns an error of the output into an exit.
func wrote(ctx context.Context, write func() error) error {
	if err := write(); err != nil {
		return exit(ctx, fmt.Errorf("%w: %w", errOutput, err))
	}
	return nil
}
