package gateway

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/origin"
)

// Subprotocol is the one that a client must offer.
const Subprotocol = "track.v1.json"

// Verifier reads tokens. Its error is one that auth.Reason explains.
type Verifier interface {
	Verify(token string) (auth.Principal, error)
}

// Config sets up a Gateway. Every zero field has a default.
type Config struct {
	// Origins are those that may connect besides the gateway's own, such as
	// "https://app.example.com". Defaults to none.
	Origins origin.List
	// Connections is how many there may be at a time. Defaults to 10,000.
	Connections int
	// HelloTimeout is how long a client may take to say hello. Defaults to 5 s.
	HelloTimeout time.Duration
	// MessageTimeout is how long a message may take once it has begun. Defaults
	// to 10 s.
	MessageTimeout time.Duration
	// MessageBytes is how large a message of a client may be. Defaults to 16 KiB.
	MessageBytes int64
	// Handshakes is how many clients are let in per second, of all addresses and
	// of one; five times as many may come at once. Clients on this machine are not
	// counted as of one address. Default to 500 and 50.
	Handshakes        int
	AddressHandshakes int
	// Proxies is how many proxies stand before the gateway, of which each appends
	// to X-Forwarded-For. Defaults to none: the header is not looked at.
	Proxies int
	// Links opens links. Defaults to none: no secret opens anything.
	Links Links
	// Commands is how many a client may send per second. Defaults to 20.
	Commands int
	// Errors is how many a client may make. Defaults to 10.
	Errors int
	// DrainWindow is how long closing all connections may be spread at most when
	// Run ends. Defaults to 10 s.
	DrainWindow time.Duration
	// CloseWait is how long a client may take to answer a close frame. Defaults
	// to 2 s.
	CloseWait time.Duration
	// KeepAlive is the time between two comments in an event stream. Defaults to
	// 15 s.
	KeepAlive time.Duration
	// Log defaults to nothing.
	Log *slog.Logger
}

// Validate reports every origin that could never be one.
func (c Config) Validate() error { return c.Origins.Validate() }

func (c Config) withDefaults() Config {
	c.Connections = cmp.Or(c.Connections, 10_000)
	c.HelloTimeout = cmp.Or(c.HelloTimeout, 5*time.Second)
	c.MessageTimeout = cmp.Or(c.MessageTimeout, 10*time.Second)
	c.MessageBytes = cmp.Or(c.MessageBytes, 16<<10)
	c.Handshakes = cmp.Or(c.Handshakes, 500)
	c.AddressHandshakes = cmp.Or(c.AddressHandshakes, 50)
	c.Commands = cmp.Or(c.Commands, 20)
	c.Errors = cmp.Or(c.Errors, 10)
	c.DrainWindow = cmp.Or(c.DrainWindow, 10*time.Second)
	c.CloseWait = cmp.Or(c.CloseWait, 2*time.Second)
	c.KeepAlive = cmp.Or(c.KeepAlive, 15*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
