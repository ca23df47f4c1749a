package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/waybill-io/waybill/internal/devstack"
	"github.com/waybill-io/waybill/internal/topic"
)

// broker is the Kafka of a run.
type broker struct {
	kind    string
	brokers []string
	names   topic.Names
	prefix  string // of topics that are made beside these
	close   func() error
}

func startBroker(ctx context.Context, cfg *config, dir string) (*broker, error) {
	switch {
	case cfg.brokers != "":
		own := "waybill.bench." + strings.ToLower(rand.Text()[:8])
		b := &broker{kind: "given by -brokers", brokers: cfg.brokerList(), prefix: own + ".", close: func() error { return nil }}
		b.names = b.topics("all")
		return b, nil
	case cfg.kafka:
		return startKafka(ctx, dir)
	}
	b, err := devstack.StartBroker(ctx, devstack.BrokerConfig{Dir: filepath.Join(dir, "kafka")})
	if err != nil {
		return nil, err
	}
	return &broker{kind: "embedded (kfake)", brokers: b.Brokers(), prefix: "bench.", close: b.Close}, nil
}

// startKafka runs one node, which ends when its input closes.
func startKafka(ctx context.Context, dir string) (*broker, error) {
	cmd := exec.Command("../scripts/kafka/kafka.sh", "run", "--nodes", "1", "--dir", filepath.Join(dir, "kafka"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	b := &broker{kind: "Apache Kafka, one node", prefix: "bench.", close: func() error { return errors.Join(in.Close(), cmd.Wait()) }}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if list, ok := strings.CutPrefix(lines.Text(), "brokers="); ok {
			b.brokers = strings.Split(list, ",")
			return b, nil
		}
	}
	return nil, errors.Join(errors.New("start Kafka: it ended before it was ready"), b.close())
}

// topics names the topics of a stage.
func (b *broker) topics(stage string) topic.Names {
	return topic.Names{Orders: b.prefix + stage + ".orders", Shipments: b.prefix + stage + ".shipments"}
}

func (b *broker) makeTopics(ctx context.Context, names topic.Names) error {
	return topic.EnsureTopics(ctx, topic.TopicsConfig{Brokers: b.brokers, Topics: names})
}
