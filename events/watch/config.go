package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Topic is what a subscription is about.
type Topic string

// The topics. Orders, Shipments and KPIs are states: what was missed in between
// does not matter. Timeline and Alerts are logs: every entry comes, once.
const (
	Orders    Topic = "orders"
	Shipments Topic = "shipments"
	KPIs      Topic = "kpis"
	Timeline  Topic = "timeline"
	Alerts    Topic = "alerts"
)

// log reports whether rows of the topic are entries.
func (t Topic) log() bool { return t == Timeline || t == Alerts }

// Config says what a [Client] follows, and where.
type Config struct {
	// URL is the live socket, such as wss://track.example.com/v1/live, which is also
	// what a URL without a path means. A token is never part of it.
	URL string
	// Token returns the token to show. It is asked at every connection, and again
	// when the server says that the last one has expired; a token that is kept
	// should be a fresh one then. An error is tried again, like a server that is
	// away. It must return when ctx ends.
	Token func(ctx context.Context) (string, error)
	// Client names this program in the server's log, such as "erp-bridge/2.1".
	// Defaults to "go".
	Client string
	// Subscriptions are what is followed, at least one.
	Subscriptions []Subscription
	// HTTPClient opens the connection. Its timeout and its redirects are not
	// used: the token goes to URL and to nobody else. Defaults to
	// [http.DefaultClient].
	HTTPClient *http.Client
	// Log takes what happens to the connection. Defaults to nothing.
	Log *slog.Logger
}

// Subscription is one thing to follow.
type Subscription struct {
	// Topic says which rows.
	Topic Topic
	// Filter narrows them. Defaults to every row; Timeline needs one, which names
	// the order or the shipment.
	Filter Filter
	// MaxHz is how many changes a second are wanted at most, down to 0.1; the
	// server sends the newest of each row then. Defaults to what the server allows.
	MaxHz float64
	// Keep is how many entries of Alerts a view keeps: the newest. Defaults to 1,000.
	Keep int
	// Handle is called after every frame that concerns the subscription, and when
	// what is known of its rows has changed otherwise. It is called by
	// [Client.Run], never twice at a time. While it runs nothing is read, which is
	// well for some seconds: the server holds back the newest of each row.
	Handle func(View)
}

const (
	livePath     = "/v1/live"
	defaultKeep  = 1000
	tokenTimeout = 30 * time.Second
)

func (c Config) withDefaults() Config {
	c.URL = withPath(c.URL)
	if c.Client == "" {
		c.Client = "go"
	}
	if c.HTTPClient == nil {
		c.HTTPClient = http.DefaultClient
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Subscriptions = append([]Subscription(nil), c.Subscriptions...)
	for i := range c.Subscriptions {
		if c.Subscriptions[i].Keep == 0 {
			c.Subscriptions[i].Keep = defaultKeep
		}
	}
	return c
}

// withPath gives a URL that names only a host the path of the live socket.
func withPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Path != "" && u.Path != "/" {
		return text
	}
	u.Path = livePath
	return u.String()
}

// check finds all that is wrong.
func (c Config) check() error {
	problems := []error{checkURL(c.URL)}
	if c.Token == nil {
		problems = append(problems, errors.New("no Token"))
	}
	if len(c.Subscriptions) == 0 {
		problems = append(problems, errors.New("no Subscriptions"))
	}
	for i, s := range c.Subscriptions {
		if err := s.check(); err != nil {
			problems = append(problems, fmt.Errorf("subscription %d: %w", i+1, err))
		}
	}
	return errors.Join(problems...)
}

func (s Subscription) check() error {
	var problems []error
	if s.Topic == "" {
		problems = append(problems, errors.New("no Topic"))
	}
	if s.Handle == nil {
		problems = append(problems, errors.New("no Handle"))
	}
	if !(s.MaxHz >= 0) { // NaN is not either
		problems = append(problems, fmt.Errorf("negative MaxHz %v", s.MaxHz))
	}
	if s.Keep < 0 {
		problems = append(problems, fmt.Errorf("negative Keep %d", s.Keep))
	}
	if err := s.Filter.check(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// checkURL never repeats the URL: it may hold what it should not.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return errors.New("URL: want ws://host/v1/live or wss://host/v1/live")
	case u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("URL: scheme %q is none of ws, wss, http, https", u.Scheme)
	case u.User != nil:
		return errors.New("URL: holds a password: give a token with Token")
	case u.Query().Has("token") || u.Query().Has("access_token"):
		return errors.New("URL: holds a token: give it with Token")
	}
	return nil
}
