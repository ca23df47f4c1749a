package ingest

import (
	"context"

	"github.com/waybill-io/waybill/events"
)

// Publisher writes events to the log.
type Publisher interface {
	// Publish returns nil once every event is in the log on enough brokers. It
	// tries again, with the same ids, until ctx ends; then its error says how
	// many events are known to be written. The others may be written or not:
	// publishing them again has no further effect.
	Publish(ctx context.Context, batch []events.Event) error
}
