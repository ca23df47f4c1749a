package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/topic"
)

// suspect is the partition with records that kill.
const suspect = int32(5)

// placedOn makes orders that belong on a partition.
func placedOn(part int32, n int) []events.Event {
	var list []events.Event
	for i := 0; len(list) < n; i++ {
		s := &story{tenant: tenant, name: strconv.Itoa(i)}
		if topic.PartitionFor([]byte(tenant+"|"+string(s.order())), 12) == part {
			list = append(list, s.placed())
		}
	}
	return list
}

// guarded starts the command as a group of its own, with that many MiB of memory
// and not one more, in batches of the usual size.
func (p *platform) guarded(program, faults string, mib int) *clitest.Process {
	p.t.Helper()
	args := []string{program, "run", "--brokers", strings.Join(p.brokers, ","), "--database-url", p.db, "--ops-addr", "127.0.0.1:0", "--group", freshName()}
	if mib == 0 {
		return clitest.StartProgram(p.t, program, args[1:], map[string]string{"WAYBILL_FAULT": faults})
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		p.t.Fatal(err)
	}
	limit := fmt.Sprintf(`ulimit -d %d; exec "$0" "$@"`, mib<<10)
	return clitest.StartProgram(p.t, shell, append([]string{"-c", limit}, args...), map[string]string{"WAYBILL_FAULT": faults})
}

// letters lists dead letters by class and place.
func (p *platform) letters() []string {
	p.t.Helper()
	return p.lines(`SELECT format('%s %s/%s', class, partition, "offset") FROM waybill.dead_letters ORDER BY partition, "offset"`)
}

// A record kills every process that decodes it, or applies it. The first owner dies
// of it; the second lets it kill a few processes that have nothing else to do, and
// lives.
func TestARecordKillsOneOwnerAndBecomesADeadLetter(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the consumer and starts a broker for each case")
	}
	t.Parallel()
	program := buildConsumer(t, "fault")
	const records, killer = 3000, 2345
	for _, stage := range []string{"decoding", "applying"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			p := newOwnPlatform(t)
			p.publish(placedOn(suspect, records)...)
			faults := fmt.Sprintf("%s:%d:kill", stage, killer)
			first := p.guarded(program, faults, 0)
			if <-first.Ended(); !first.Killed() {
				t.Fatal("the first owner did not die of it")
			}
			began := time.Now()
			second := p.guarded(program, faults, 0)
			p.reaches(records)
			t.Logf("everything else was applied %v after the second owner was started", time.Since(began).Round(10*time.Millisecond))
			if diff := cmp.Diff([]string{fmt.Sprintf("kills_process %d/%d", suspect, killer)}, p.letters()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			if n := value[int](p, `SELECT count(*) FROM waybill.events`); n != records-1 {
				t.Errorf("%d events, want %d", n, records-1)
			}
			second.Signal(syscall.SIGTERM)
			if code := second.Wait(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}

// bomb publishes a batch of records, the first of which has so many MiB of
// nothing, packed.
func (p *platform) bomb(part int32, mib, records int) {
	p.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerLinger(time.Second),
		kgo.ProducerBatchMaxBytes(1<<29), kgo.BrokerMaxWriteBytes(1<<30), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	batch := []*kgo.Record{{Topic: p.topics.Orders, Partition: part, Key: []byte(tenant + "|bomb"), Value: make([]byte, mib<<20)}}
	for range records - 1 {
		batch = append(batch, &kgo.Record{Topic: p.topics.Orders, Partition: part, Value: []byte(garbage)})
	}
	if err := client.ProduceSync(p.t.Context(), batch...).FirstErr(); err != nil {
		p.t.Fatal(err)
	}
}

// What does not fit into the memory that there is kills whoever unpacks it. A
// record by itself becomes a dead letter; with others in its batch it halts its
// partition, and an operator moves past it. Other partitions go on.
func TestABatchThatNoProcessCanUnpackStopsNobodyElse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux bounds what a process may map")
	}
	t.Parallel()
	const mib = 200
	program := buildConsumer(t, "")
	for _, tt := range []struct {
		name    string
		records int
		letters []string
	}{
		{"a record by itself", 1, []string{fmt.Sprintf("kills_process %d/10", suspect)}},
		{"one of two", 2, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newOwnPlatform(t)
			p.publish(placedOn(suspect, 10)...)
			first := p.guarded(program, "", mib)
			p.reaches(10)
			p.bomb(suspect, 128, tt.records)
			if <-first.Ended(); !strings.Contains(first.Said(), "out of memory") {
				t.Fatalf("the first owner did not die of it")
			}
			p.publish(placedOn(suspect, 15)[10:]...)
			p.publish(placedOn(suspect+1, 20)...)

			second := p.guarded(program, "", mib)
			if tt.letters == nil {
				p.reaches(10 + 20)
				second.Says("partition halted")
				p.acceptGap(program, 10+tt.records)
			}
			p.reaches(int64(10 + tt.records + 5 + 20))
			if diff := cmp.Diff(tt.letters, p.letters(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			second.Signal(syscall.SIGTERM)
			if code := second.Wait(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			p.guarded(program, "", mib) // has to read none of it again
			p.publish(placedOn(suspect, 16)[15:]...)
			p.reaches(int64(10 + tt.records + 5 + 20 + 1))
		})
	}
}

// acceptGap moves the suspect partition on, as an operator does.
func (p *platform) acceptGap(program string, to int) {
	p.t.Helper()
	accept := exec.Command(program, "accept-gap", "--brokers", strings.Join(p.brokers, ","), "--database-url", p.db,
		"--topic", p.topics.Orders, "--partition", strconv.Itoa(int(suspect)), "--to", strconv.Itoa(to), "--reason", "it does not fit into memory")
	if out, err := accept.CombinedOutput(); err != nil {
		p.t.Fatalf("accept-gap: %v: %s", err, out)
	}
}

// peak is the most memory that a process has had, in MiB.
func peak(t testing.TB, c *clitest.Process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID()))
	if err != nil {
		t.Skipf("this machine does not tell what memory a process has had: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

// A record of 64 MiB that is a few KiB on the wire costs memory for a moment, and
// is a dead letter.
func TestARecordThatUnpacksTo64MiBIsADeadLetter(t *testing.T) {
	t.Parallel()
	program := buildConsumer(t, "")
	p := newOwnPlatform(t)
	p.publish(placedOn(suspect, 10)...)
	p.bomb(suspect, 64, 1)
	p.publish(placedOn(suspect+1, 20)...)
	c := p.guarded(program, "", 0)
	p.reaches(31)
	if diff := cmp.Diff([]string{fmt.Sprintf("too_large %d/10", suspect)}, p.letters()); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	t.Logf("the consumer had %d MiB at most", peak(t, c))
}
