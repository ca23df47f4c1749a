package e2e_test

import (
	"context"
	"encoding/json"
	"io"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/cmd/internal/wire"
	"github.com/waybill-io/waybill/internal/ops"
)

// projectionVar says what a consumer in a process of its own runs.
const projectionVar = "WAYBILL_E2E_PROJECTION"

// runChild is the consumer, or a broker, in a process that a test may kill. It is
// not cmd/consumer, which cannot be told other topics.
func runChild(ctx context.Context, _ []string, getenv func(string) string, _, stderr io.Writer) error {
	log, err := ops.NewLogger(stderr, ops.LogConfig{Format: "text"})
	if err != nil {
		return err
	}
	if port := getenv(brokerVar); port != "" {
		return runBroker(ctx, port, getenv(brokerDirVar), log)
	}
	var p wire.Projection
	if err := json.Unmarshal([]byte(getenv(projectionVar)), &p); err != nil {
		return err
	}
	server, err := ops.Listen(ctx, ops.Config{Addr: "127.0.0.1:0"}, log)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { log.Info("asked to stop") })
	return wire.Beside(ctx, server, p.Checks(), func(ctx context.Context) error { return p.Run(ctx, server, log) })
}

// spawn starts a consumer in a process of its own.
func (p *platform) spawn(cfg wire.Projection) *clitest.Process {
	p.t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return clitest.Start(p.t, nil, map[string]string{projectionVar: string(text)})
}
