package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/share"
)

// with runs do with what keeps revocations and links.
func (d desk) with(ctx context.Context, do func(*readmodel.Store) error) error {
	store, err := readmodel.OpenStore(ctx, readmodel.Config{URL: string(d.DatabaseURL), Name: "waybill access", MaxConns: 1})
	if err != nil {
		return err
	}
	defer store.Close()
	return do(store)
}

// revoke takes tokens back, or lists what was.
func revoke(ctx context.Context, cfg revokeConfig, stdout io.Writer) error {
	return cfg.with(ctx, func(store *readmodel.Store) error {
		if cfg.List {
			return listRevoked(ctx, store, string(cfg.Tenant), stdout)
		}
		what := auth.Revocation{Tenant: string(cfg.Tenant), Subject: cfg.Subject, ID: cfg.JTI}
		at, err := store.Revoke(ctx, what, cfg.Reason, whoever(cfg.By))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "revoked %s at %s\n", named(what, at), stamp(at))
		return err
	})
}

// named says in words what is revoked.
func named(what auth.Revocation, at time.Time) string {
	switch {
	case what.ID == "":
		return fmt.Sprintf("the tokens of %s of %s issued before %s", plain(what.Subject), what.Tenant, stamp(at))
	case what.Subject == "":
		return fmt.Sprintf("the token %s of %s", plain(what.ID), what.Tenant)
	}
	return fmt.Sprintf("the token %s of %s of %s", plain(what.ID), plain(what.Subject), what.Tenant)
}

func listRevoked(ctx context.Context, store *readmodel.Store, tenant string, stdout io.Writer) error {
	all, err := store.Revocations(ctx, tenant)
	if err != nil {
		return err
	}
	return table(stdout, "REVOKED AT\tTENANT\tSUBJECT\tID\tISSUED BEFORE\tBY\tREASON", all, func(r readmodel.Revoked) []string {
		before := stamp(r.Before)
		if r.ID != "" {
			before = "-"
		}
		return []string{stamp(r.At), r.Tenant, plain(r.Subject), plain(r.ID), before, plain(r.By), plain(r.Reason)}
	})
}

// link runs the commands about links.
func link(ctx context.Context, cfg linkConfig, command string, stdout, stderr io.Writer) error {
	switch command {
	case "link create":
		return cfg.Create.run(ctx, stdout, stderr)
	case "link list":
		return cfg.List.run(ctx, stdout)
	}
	return cfg.Revoke.run(ctx, stdout)
}

// run prints the link and nothing else on stdout, for scripts.
func (c linkCreateConfig) run(ctx context.Context, stdout, stderr io.Writer) error {
	return c.with(ctx, func(store *readmodel.Store) error {
		secret := share.NewSecret()
		l, err := store.CreateLink(ctx, secret, events.TenantID(c.Tenant), events.ShipmentID(c.Shipment), c.Life, whoever(c.By))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(stdout, c.link(secret)); err != nil {
			return err
		}
		_, err = fmt.Fprintf(stderr, "link %s is good until %s; what opens it is kept nowhere\n", l.ID, stamp(l.Expires))
		return err
	})
}

func (c linkListConfig) run(ctx context.Context, stdout io.Writer) error {
	return c.with(ctx, func(store *readmodel.Store) error {
		all, err := store.Links(ctx, events.TenantID(c.Tenant), events.ShipmentID(c.Shipment), c.All)
		if err != nil {
			return err
		}
		return table(stdout, "LINK\tSHIPMENT\tCREATED\tEXPIRES\tREVOKED", all, func(l share.Link) []string {
			return []string{l.ID, plain(string(l.Shipment)), stamp(l.Created), stamp(l.Expires), stamp(l.Revoked)}
		})
	})
}

func (c linkRevokeConfig) run(ctx context.Context, stdout io.Writer) error {
	return c.with(ctx, func(store *readmodel.Store) error {
		var problems []error
		for _, id := range c.Links {
			already, err := store.RevokeLink(ctx, events.TenantID(c.Tenant), string(id), c.Reason, whoever(c.By))
			if err == nil {
				err = sayRevoked(stdout, string(id), already)
			}
			problems = append(problems, err)
		}
		return errors.Join(problems...)
	})
}

// sayRevoked says what became of a link, or of the attempt to revoke it again.
func sayRevoked(stdout io.Writer, id string, already time.Time) error {
	text := "revoked " + id
	if !already.IsZero() {
		text = id + " was revoked already at " + stamp(already)
	}
	_, err := fmt.Fprintln(stdout, text)
	return err
}

// table prints rows in columns.
func table[T any](out io.Writer, head string, rows []T, cells func(T) []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	lines := []string{head}
	for _, row := range rows {
		lines = append(lines, strings.Join(cells(row), "\t"))
	}
	if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
		return err
	}
	return w.Flush()
}

// stamp is a time for people; - for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// plain is text that does nothing to a terminal or a table; - for none.
func plain(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// whoever is by, or who runs this process where.
func whoever(by string) string {
	if by != "" {
		return by
	}
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}
