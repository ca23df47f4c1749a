package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/events/watch"
)

type watchConfig struct {
	URL       string      `help:"The live socket; a host without a path means its /v1/live." default:"ws://127.0.0.1:8080/v1/live"`
	TokenFile string      `help:"File with the token, read again at every connection. Without it the variable WAYBILL_TOKEN is the token. The secret of a link will do." placeholder:"FILE"`
	DevToken  bool        `help:"Ask the host of --url for a development token, which make demo gives."`
	Topic     watch.Topic `help:"What to follow: orders, shipments, kpis, timeline, alerts." enum:"orders,shipments,kpis,timeline,alerts" default:"shipments"`
	Filter    string      `help:"Which rows, as in docs/protocol.md." placeholder:"JSON"`
	Columns   []string    `help:"Fields to show; each topic has its own default."`
	MaxHz     float64     `help:"Changes a second at most; 0 for as many as the server gives." default:"0"`
	JSON      bool        `help:"Print a JSON object for every change."`
}

// columnsOf are the fields that a topic shows unless others are asked for.
func columnsOf(topic watch.Topic) []string {
	switch topic {
	case watch.Orders:
		return []string{"id", "status", "number", "placed_at", "promise_end", "ordered", "delivered", "flags"}
	case watch.KPIs:
		return []string{"id", "n"}
	case watch.Timeline:
		return []string{"occurred_at", "type", "class", "source", "arrived_late"}
	case watch.Alerts:
		return []string{"occurred_at", "type", "shipment", "order", "source"}
	default:
		return []string{"id", "status", "carrier", "eta", "last_scan_at", "last_scan_type", "last_location"}
	}
}

// fieldsOf are all fields of a topic's rows.
func fieldsOf(topic watch.Topic) []string {
	var row any
	switch topic {
	case watch.Orders:
		row = watch.Order{}
	case watch.KPIs:
		row = watch.KPI{}
	case watch.Timeline, watch.Alerts:
		row = watch.Entry{}
	default:
		row = watch.Shipment{}
	}
	var names []string
	for field := range reflect.TypeOf(row).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Validate is called by kong.
func (c *watchConfig) Validate() error {
	var hz error
	if !(c.MaxHz >= 0) { // NaN is not either
		hz = fmt.Errorf("--max-hz: %v is less than 0", c.MaxHz)
	}
	return cli.Check(c.checkURL(), c.checkToken(), c.checkFilter(), c.checkColumns(), hz)
}

// good is a configuration that a client accepts, to try a part of ours on.
func good() watch.Config {
	return watch.Config{
		URL: "ws://localhost", Token: fileToken(""),
		Subscriptions: []watch.Subscription{{Topic: watch.Shipments, Handle: func(watch.View) {}}},
	}
}

// refusalOf is what a client says to a configuration; prefix is what it calls the
// part that we know as flag.
func refusalOf(cfg watch.Config, flag, prefix string) error {
	_, err := watch.New(cfg)
	if err == nil {
		return nil
	}
	_, why, _ := strings.Cut(err.Error(), prefix+": ")
	return fmt.Errorf("%s: %s", flag, why)
}

func (c *watchConfig) checkURL() error {
	cfg := good()
	cfg.URL = c.URL
	return refusalOf(cfg, "--url", "URL")
}

func (c *watchConfig) checkFilter() error {
	if c.Topic == watch.Timeline && c.Filter == "" {
		return errors.New(`--filter: a timeline is of one order or shipment: want {"f":"shipment","op":"eq","v":"ID"}`)
	}
	cfg := good()
	cfg.Subscriptions[0].Filter = watch.Filter(c.Filter)
	return refusalOf(cfg, "--filter", "Filter")
}

// checkToken reads the file once, so that a wrong name is known at once.
func (c *watchConfig) checkToken() error {
	if c.TokenFile == "" {
		return nil
	}
	if c.DevToken {
		return errors.New("--token-file and --dev-token: give one of them")
	}
	if _, err := readToken(c.TokenFile); err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	return nil
}

func readToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("the token's file is empty")
	}
	return token, nil
}

func (c *watchConfig) checkColumns() error {
	var problems []error
	known := fieldsOf(c.Topic)
	for _, name := range c.Columns {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("--columns: %s have no field %q; there are %s", c.Topic, name, strings.Join(known, ", ")))
		}
	}
	return errors.Join(problems...)
}

// columns are those that were asked for, or the topic's own.
func (c *watchConfig) columns() []string {
	if len(c.Columns) > 0 {
		return c.Columns
	}
	return columnsOf(c.Topic)
}
