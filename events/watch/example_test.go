package watch_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/waybill-io/waybill/events/watch"
)

// Follow the shipments that are under way until interrupted.
func Example() {
	client, err := watch.New(watch.Config{
		URL:    "wss://track.example.com/v1/live",
		Client: "late-watch/1.0",
		Token:  func(context.Context) (string, error) { return os.Getenv("WAYBILL_TOKEN"), nil },
		Subscriptions: []watch.Subscription{{
			Topic:  watch.Shipments,
			Filter: watch.In("status", "in_transit", "out_for_delivery"),
			Handle: func(v watch.View) {
				switch v.Event {
				case watch.Loaded:
					fmt.Println(v.Len(), "shipments are under way")
				case watch.Changed:
					for _, id := range v.Put {
						row, _ := v.Row(id)
						shipment, err := watch.Decode[watch.Shipment](row)
						if err != nil {
							fmt.Println(err)
							continue
						}
						fmt.Println(shipment.ID, "is", shipment.Status, "now")
					}
				default:
					fmt.Println("rows are", v.Freshness, v.Err)
				}
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := client.Run(ctx); err != nil { // nil after the interrupt
		fmt.Println(err)
	}
}

// Filters are expressions; their JSON is that of the protocol.
func ExampleAnd() {
	late := watch.And(
		watch.Eq("late", true),
		watch.Not(watch.In("status", "delivered", "returned")),
		watch.Range("eta", watch.Bounds{GTE: "2026-03-01T00:00:00Z"}),
	)
	fmt.Println(late)
	// Output:
	// {"and":[{"f":"late","op":"eq","v":true},{"not":{"f":"status","op":"in","v":["delivered","returned"]}},{"f":"eta","op":"range","v":{"gte":"2026-03-01T00:00:00Z"}}]}
}
