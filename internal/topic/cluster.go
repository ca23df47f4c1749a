package topic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/waybill-io/waybill/internal/projector"
)

const (
	metadataTTL    = 10 * time.Second
	requestTimeout = 10 * time.Second       // of a request, beyond what the broker is asked to wait
	renewEvery     = 100 * time.Millisecond // at most
	noLeader       = int32(-1)
)

// cluster talks to the brokers. It is a [kafka.RoundTripper] that forgets what
// it knows about the cluster, and its idle connections, after every answer which
// says that this is out of date, so that whoever tries again meets the new
// leader.
type cluster struct {
	addr      net.Addr
	dialer    *dialer
	transport *kafka.Transport

	mu      sync.Mutex
	renewed time.Time
}

func newCluster(brokers []string, sec Security, topics []string) *cluster {
	d := newDialer()
	return &cluster{
		addr:   kafka.TCP(brokers...),
		dialer: d,
		transport: &kafka.Transport{
			Dial:           d.dial,
			ClientID:       clientID,
			MetadataTTL:    metadataTTL,
			MetadataTopics: topics,
			TLS:            sec.TLS,
			SASL:           sec.mechanism(),
		},
	}
}

const clientID = "waybill"

// RoundTrip sends a request to the broker that it is for.
func (c *cluster) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	res, err := c.transport.RoundTrip(ctx, addr, req)
	if outdated(res) || err != nil && !errors.Is(err, context.Canceled) {
		c.renew()
	}
	return res, err
}

// renew drops the connection pool, and with it the cached metadata. Requests in
// progress keep the pool that they began with.
func (c *cluster) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.renewed) < renewEvery {
		return
	}
	c.renewed = time.Now()
	c.transport.CloseIdleConnections()
}

func (c *cluster) close() { c.transport.CloseIdleConnections() }

// outdated reports that the answer names an error which newer metadata may
// avoid.
func outdated(res kafka.Response) bool {
	switch r := res.(type) {
	case *produce.Response:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if passes(p.ErrorCode) {
					return true
				}
			}
		}
	case *fetch.Response:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if passes(p.ErrorCode) {
					return true
				}
			}
		}
	case *listoffsets.Response:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if passes(p.ErrorCode) {
					return true
				}
			}
		}
	case *metadata.Response:
		for _, t := range r.Topics {
			if passes(t.ErrorCode) || leaderless(t) {
				return true
			}
		}
	}
	return false
}

func passes(code int16) bool { return kafka.Error(code).Temporary() }

func leaderless(t metadata.ResponseTopic) bool {
	for _, p := range t.Partitions {
		if p.LeaderID < 0 {
			return true
		}
	}
	return false
}

// layout is what metadata says: the cluster's id and who leads each partition.
type layout struct {
	cluster string
	leaders map[projector.Partition]int32 // noLeader while there is none
	counts  map[string]int                // partitions by topic
}

// layout asks for the layout of the topics. Answers come from a cache that is a
// few seconds old, or new after an error.
func (c *cluster) layout(ctx context.Context, topics []string) (layout, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.RoundTrip(ctx, c.addr, &metadata.Request{TopicNames: topics})
	if err != nil {
		return layout{}, fmt.Errorf("ask for metadata: %w", err)
	}
	m, ok := res.(*metadata.Response)
	if !ok {
		return layout{}, fmt.Errorf("ask for metadata: unexpected answer %T", res)
	}
	l := layout{cluster: m.ClusterID, leaders: map[projector.Partition]int32{}, counts: map[string]int{}}
	for _, t := range m.Topics {
		if t.ErrorCode != 0 {
			return layout{}, fmt.Errorf("ask for metadata of %s: %w", t.Name, kafka.Error(t.ErrorCode))
		}
		l.counts[t.Name] = len(t.Partitions)
		for _, p := range t.Partitions {
			l.leaders[projector.Partition{Topic: t.Name, ID: p.PartitionIndex}] = p.LeaderID
		}
	}
	return l, nil
}

// leader returns who leads p, or noLeader.
func (l layout) leader(p projector.Partition) int32 {
	if id, ok := l.leaders[p]; ok && id >= 0 {
		return id
	}
	return noLeader
}
