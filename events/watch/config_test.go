package watch_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/events/watch"
)

func TestNewSaysAllThatIsWrong(t *testing.T) {
	good := func() watch.Config {
		return watch.Config{
			URL:           "wss://track.example.com/v1/live?shard=1",
			Token:         func(context.Context) (string, error) { return "", nil },
			Subscriptions: []watch.Subscription{{Topic: watch.Orders, Handle: func(watch.View) {}}},
		}
	}
	if _, err := watch.New(good()); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, spoil := range map[string]func(*watch.Config){
		"URL: want":        func(c *watch.Config) { c.URL = "track.example.com" },
		"ftp":              func(c *watch.Config) { c.URL = "ftp://track.example.com" },
		"holds a token":    func(c *watch.Config) { c.URL += "&token=hunter2" },
		"holds a password": func(c *watch.Config) { c.URL = "wss://ann:hunter2@track.example.com/v1/live" },
		"no Token":         func(c *watch.Config) { c.Token = nil },
		"no Subscriptions": func(c *watch.Config) { c.Subscriptions = nil },
		"no Topic":         func(c *watch.Config) { c.Subscriptions[0].Topic = "" },
		"no Handle":        func(c *watch.Config) { c.Subscriptions[0].Handle = nil },
		"MaxHz":            func(c *watch.Config) { c.Subscriptions[0].MaxHz = math.NaN() },
		"Keep":             func(c *watch.Config) { c.Subscriptions[0].Keep = -1 },
		"Filter":           func(c *watch.Config) { c.Subscriptions[0].Filter = watch.Filter(`[]`) },
		"null":             func(c *watch.Config) { c.Subscriptions[0].Filter = watch.Filter(`null`) },
		"NaN":              func(c *watch.Config) { c.Subscriptions[0].Filter = watch.Not(watch.Eq("parcels", math.NaN())) },
		"subscription 1:":  func(c *watch.Config) { c.Subscriptions[0] = watch.Subscription{} },
	} {
		t.Run(want, func(t *testing.T) {
			cfg := good()
			spoil(&cfg)
			_, err := watch.New(cfg)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("New = %v, want %q in it", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}

func TestFiltersAreThoseOfTheProtocol(t *testing.T) {
	for want, filter := range map[string]watch.Filter{
		`{"f":"carrier","op":"eq","v":"UPS"}`:               watch.Eq("carrier", "UPS"),
		`{"f":"numbers","op":"prefix","v":"1Z"}`:            watch.Prefix("numbers", "1Z"),
		`{"f":"pos","op":"bbox","v":[170,-50,-170,-30.5]}`:  watch.Box("pos", 170, -50, -170, -30.5),
		`{"f":"parcels","op":"range","v":{"gt":1,"lte":5}}`: watch.Range("parcels", watch.Bounds{GT: 1, LTE: 5}),
		`{"or":[{"f":"parcels","op":"in","v":[1,2]},{}]}`:   watch.Or(watch.In("parcels", 1, 2), nil),
		`{"and":[]}`: watch.And(),
		`{"not":{"f":"late","op":"eq","v":true}}`: watch.Not(watch.Eq("late", true)),
	} {
		if got := filter.String(); got != want {
			t.Errorf("filter %s, want %s", got, want)
		}
	}
}
