package main

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/topic"
)

// fouler writes records that are no events, evenly spread over a load.
type fouler struct {
	writer  *kafka.Writer
	topic   string
	every   int // events per record
	most    int
	written int
}

func newFouler(brokers []string, names topic.Names, events, most int) *fouler {
	f := &fouler{topic: shipmentsOf(names), every: max(1, events/max(1, most)), most: most}
	f.writer = &kafka.Writer{
		Transport: &kafka.Transport{}, // the default one remembers for seconds which topics there are
		Addr:      kafka.TCP(brokers...), Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll, BatchSize: 1,
	}
	return f
}

func shipmentsOf(names topic.Names) string {
	if names.Shipments == "" {
		return events.ShipmentsTopic
	}
	return names.Shipments
}

// upTo writes what is due after so many events.
func (f *fouler) upTo(ctx context.Context, events int) error {
	for f.written < f.most && (f.written+1)*f.every <= events {
		m := kafka.Message{Topic: f.topic, Key: fmt.Appendf(nil, "bench|poison-%d", f.written), Value: []byte(`{"half of a`)}
		if err := f.writer.WriteMessages(ctx, m); err != nil {
			return fmt.Errorf("publish poison: %w", err)
		}
		f.written++
	}
	return nil
}

func (f *fouler) close() error {
	err := f.writer.Close()
	f.writer.Transport.(*kafka.Transport).CloseIdleConnections()
	return err
}
