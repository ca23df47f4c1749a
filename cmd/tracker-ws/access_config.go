package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/internal/share"
)

// desk is where revocations and links are kept.
type desk struct {
	DatabaseURL cli.DatabaseURL `help:"Postgres, as postgres://user:password@host:port/database; a login that may act as waybill_projector." required:""`
}

// record is what is noted of who does something, and why.
type record struct {
	Reason string `help:"Why, for the record."`
	By     string `help:"Who does it, for the record. Defaults to the user and host."`
}

type revokeConfig struct {
	desk
	record
	Tenant  cli.Tenant `help:"Tenant of the tokens."`
	Subject string     `help:"Whose tokens: all that were issued until now."`
	JTI     string     `name:"jti" help:"Only the token with this id (jti)."`
	List    bool       `help:"Only list what is revoked."`
}

// Validate is called by kong.
func (c *revokeConfig) Validate() error {
	var missing error
	switch {
	case c.List && (c.Subject != "" || c.JTI != ""):
		missing = errors.New("--list: does not go with --subject or --jti")
	case c.List:
	case c.Tenant == "":
		missing = errors.New("--tenant: whose tokens are revoked is missing; or say --list")
	case c.Subject == "" && c.JTI == "":
		missing = errors.New("--subject: say whose tokens are revoked, or which one with --jti")
	}
	return cli.Check(missing, short("--subject", c.Subject), short("--jti", c.JTI))
}

// short refuses what no token can have.
func short(flag, value string) error {
	const most = 128
	if len(value) > most {
		return fmt.Errorf("%s: is longer than %d bytes", flag, most)
	}
	return nil
}

// linkConfig is the commands about links.
type linkConfig struct {
	Create linkCreateConfig `cmd:"" help:"Print a new link that shows a shipment to whoever has it."`
	List   linkListConfig   `cmd:"" help:"List a tenant's links; what opens them is kept nowhere."`
	Revoke linkRevokeConfig `cmd:"" help:"Take links back, also for those who have them open."`
}

type linkCreateConfig struct {
	desk
	Tenant   cli.Tenant    `help:"Tenant of the shipment." required:""`
	Shipment string        `help:"The shipment that the link shows." required:""`
	Life     time.Duration `help:"How long it is good." default:"720h"`
	BaseURL  string        `help:"Where people reach the gateway." default:"http://127.0.0.1:8080"`
	By       string        `help:"Who does it, for the record. Defaults to the user and host."`
}

// longestLink is how long a link may be good.
const longestLink = 2 * 365 * 24 * time.Hour

// Validate is called by kong.
func (c *linkCreateConfig) Validate() error {
	var life, base error
	if c.Life < time.Minute || c.Life > longestLink {
		life = fmt.Errorf("--life: %v is not from 1m to %v", c.Life, longestLink)
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		base = errors.New("--base-url: want something like https://track.example.com")
	}
	return cli.Check(cli.NotEmpty("--shipment", c.Shipment), life, base)
}

// link is the URL of a secret.
func (c *linkCreateConfig) link(secret share.Secret) string {
	return strings.TrimRight(c.BaseURL, "/") + share.Path + string(secret)
}

type linkListConfig struct {
	desk
	Tenant   cli.Tenant `help:"Tenant of the links." required:""`
	Shipment string     `help:"Only those to this shipment."`
	All      bool       `help:"Also those that have expired or were revoked, for a month."`
}

type linkRevokeConfig struct {
	desk
	record
	Tenant cli.Tenant `help:"Tenant of the links." required:""`
	Links  []linkName `arg:"" name:"link" help:"The link's id as list prints it, or the link itself."`
}

// linkName names a link by its id.
type linkName string

// UnmarshalText reads an id, a secret, or the URL with a secret. The error never
// repeats it: it may be a secret.
func (n *linkName) UnmarshalText(text []byte) error {
	s := string(text)
	s = s[strings.LastIndex(s, "/")+1:]
	switch {
	case share.IsSecret(s):
		*n = linkName(share.Secret(s).Digest().ID())
	case strings.HasPrefix(s, "lnk_"):
		*n = linkName(s)
	default:
		return errors.New("want a link's id such as lnk_0123456789abcdef, or the link")
	}
	return nil
}
