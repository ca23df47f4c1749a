package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/topic"
)

// buildConsumer builds the consumer as a release does, but for its tags.
func buildConsumer(t testing.TB, tags string) string {
	t.Helper()
	return buildCommand(t, "consumer", tags)
}

func buildCommand(t testing.TB, name, tags string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-trimpath", "-tags", tags, "-o", program, "./cmd/"+name)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", name, err, out)
	}
	return program
}

// newOwnPlatform returns a platform whose topics have the names that commands
// know, on a broker that nobody shares.
func newOwnPlatform(t testing.TB) *platform {
	t.Helper()
	db := stacktest.Postgres(t) // skips, where it has to, before anything else is started
	b := newOwnBroker(t, 1)
	b.start()
	p := newPlatformOn(t, b.addrs, defaultTopics(), db)
	p.partitions = 12
	p.refuses(refused)
	return p
}

func defaultTopics() topic.Names {
	return topic.Names{Orders: events.OrdersTopic, Shipments: events.ShipmentsTopic}
}

// consume starts the command on the platform's broker and database, in small
// batches: a kill is to find some of everything.
func (p *platform) consume(program, group, faults string) *clitest.Process {
	p.t.Helper()
	args := []string{"run", "--brokers", strings.Join(p.brokers, ","), "--database-url", p.db, "--ops-addr", "127.0.0.1:0",
		"--group", group, "--batch-events", strconv.Itoa(50)}
	return clitest.StartProgram(p.t, program, args, map[string]string{"WAYBILL_FAULT": faults, "WAYBILL_PARK": p.park})
}
