package topic_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/topic"
)

// Who points at a web server by mistake is told so, instead of waiting for an
// answer as long as the letters HTTP are as a number.
func TestAPeerThatIsNoBrokerIsNamed(t *testing.T) {
	p, err := topic.NewPublisher(topic.PublisherConfig{Brokers: []string{webServer(t)}})
	if err != nil {
		t.Fatalf("NewPublisher: %v", err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	e := events.New("t", "urn:test", "e1", "o-1", &events.OrderConfirmed{
		OrderFact: events.OrderFact{OrderID: "o-1", Fact: events.Fact{OccurredAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
	})
	err = p.Publish(ctx, []events.Event{e})
	if err == nil || !strings.Contains(err.Error(), "no Kafka broker") {
		t.Errorf("Publish to a web server = %v, want an error that says it is no Kafka broker", err)
	}
}

// webServer answers whatever it is asked as web servers do, and returns where.
func webServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			c.Close()
		}
	}()
	return l.Addr().String()
}
