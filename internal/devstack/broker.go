package devstack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BrokerConfig says where a broker runs and what it keeps.
type BrokerConfig struct {
	// Dir is the directory of the records; it is made if need be. Defaults to
	// none: the records are kept in memory and go with the broker.
	Dir string
	// Port is the port on 127.0.0.1. Defaults to a free one.
	Port int
	// Fresh wipes Dir before the start. Defaults to false.
	Fresh bool
	// Sync makes the broker sync every batch to the disk before it answers, so
	// that a power cut loses nothing acknowledged. Without it, as with Kafka
	// itself, only the death of the process loses nothing. Defaults to false.
	Sync bool
	// Topics are made when they do not exist. Defaults to DefaultTopics.
	Topics []Topic
	// Options are applied last. Defaults to none.
	Options []kfake.Opt
	// Log receives what is worth telling. Defaults to nowhere.
	Log *slog.Logger
}

// validate checks the configuration and fills in the defaults.
func (c *BrokerConfig) validate() error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Topics == nil {
		c.Topics = DefaultTopics()
	}
	return checkPortRange(c.Port)
}

// A Broker is a running one-node Kafka-protocol broker. Close stops it.
type Broker struct {
	cluster *kfake.Cluster
	home    *home // nil in memory
	addr    string
	close   func() error
}

// StartBroker starts a broker in this process and returns when its topics
// exist. The context bounds the start alone.
func StartBroker(ctx context.Context, cfg BrokerConfig) (*Broker, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b := &Broker{}
	b.close = sync.OnceValue(b.stop)
	if err := b.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start broker: %w", err), b.Close())
	}
	cfg.Log.Info("broker is up", "addr", b.addr, "dir", cfg.Dir)
	return b, nil
}

func (b *Broker) start(ctx context.Context, cfg BrokerConfig) (err error) {
	if err := checkPort(ctx, cfg.Port); err != nil {
		return err
	}
	// A wiped broker is another cluster: whoever remembers offsets can tell.
	opts := []kfake.Opt{
		kfake.Ports(cfg.Port), kfake.ClusterID(rand.Text()), kfake.WithLogger(kfakeLog{cfg.Log}),
	}
	if cfg.Dir != "" {
		if b.home, err = openHome(ctx, cfg.Dir, "kafka", cfg.Fresh); err != nil {
			return err
		}
		opts = append(opts, kfake.DataDir(b.home.file("data")))
	}
	if cfg.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	if b.cluster, err = kfake.NewCluster(append(opts, cfg.Options...)...); err != nil {
		return fmt.Errorf("run kfake on port %d: %w", cfg.Port, err)
	}
	b.addr = b.cluster.ListenAddrs()[0]
	return ensureTopics(ctx, b.addr, cfg.Topics)
}

// Addr returns host:port.
func (b *Broker) Addr() string { return b.addr }

// Brokers returns the list that clients take as seed brokers.
func (b *Broker) Brokers() []string { return []string{b.addr} }

// Cluster returns the broker itself, for tests that bend its answers with
// ControlKey.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close stops the broker and returns when all it has is on disk. Further calls
// return what the first one did.
func (b *Broker) Close() error { return b.close() }

// stop is what Close does the first time.
func (b *Broker) stop() error {
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.home == nil {
		return nil
	}
	if err := b.home.leave(); err != nil {
		return fmt.Errorf("stop broker: %w", err)
	}
	return nil
}

// kfakeLog passes kfake's warnings on. The rest tells of single requests.
type kfakeLog struct{ log *slog.Logger }

// Logf implements [kfake.Logger].
func (l kfakeLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError, kfake.LogLevelWarn:
		l.log.Warn("broker", "message", fmt.Sprintf(format, args...))
	}
}
