package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/cmd/internal/cli"
	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/internal/devstack"
)

func TestMain(m *testing.M) { clitest.Main(m, "dev", run) }

// One start after the other on the same data: it keeps them until it is told to
// begin anew, and leaves nothing running however it ends.
func TestDev_keepsItsDataFromStartToStart(t *testing.T) {
	t.Parallel()
	skipWithoutPostgres(t)
	p := newPlace(t)

	stop := p.runs()
	r := p.ready()
	p.checkReady(r)
	published := publish(t, r, "demo", 1, 40) + publish(t, r, "globex", 2, 10)
	clitest.Eventually(t, func() error {
		if n := value[int](t, r, `SELECT coalesce(sum(next_offset), 0) FROM projection_offsets`); n != published {
			return fmt.Errorf("%d of %d events are in the read model", n, published)
		}
		return nil
	})
	order := value[string](t, r, `SELECT order_id FROM orders ORDER BY 1 LIMIT 1`)
	checkPage(t, r, order)
	checkAnalyst(t, r)
	counted := counts(t, r)
	stop()
	p.stopped()

	child := clitest.Start(t, p.args(), nil)
	r = p.ready()
	if diff := cmp.Diff(counted, counts(t, r)); diff != "" {
		t.Errorf("rows after a second start (-first +second):\n%s", diff)
	}
	began := time.Now()
	child.Signal(syscall.SIGINT)
	if code := child.Wait(); code != 0 {
		t.Errorf("after Ctrl-C the exit code is %d, want 0", code)
	}
	took := time.Since(began)
	t.Logf("Ctrl-C took %v", took)
	if took > stopLimit {
		t.Errorf("Ctrl-C took %v, want at most %v", took, stopLimit)
	}
	p.stopped()

	child = clitest.Start(t, p.args("--fresh", "--simulate=200"), nil)
	r = p.ready()
	checkLive(t, r)
	if n := value[int](t, r, `SELECT count(*) FROM orders WHERE order_id = '`+order+`'`); n != 0 {
		t.Errorf("order %s is still there after --fresh", order)
	}
	child.Kill()
	clitest.Eventually(t, p.left)
}

func TestDev_aTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	skipWithoutPostgres(t)
	for i, what := range []string{"page", "ops", "postgres", "kafka"} {
		t.Run(what, func(t *testing.T) {
			p := newPlace(t)
			port := p.base + i
			l, err := net.Listen("tcp", local(port))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // it only had to be there
			o := clitest.Call(t, run, p.args(), nil)
			if o.Err == nil || !strings.Contains(o.Err.Error(), strconv.Itoa(port)) {
				t.Errorf("error = %v, want one that names port %d", o.Err, port)
			}
			if _, usage := errors.AsType[*cli.UsageError](o.Err); usage {
				t.Error("it is said to be wrong usage")
			}
		})
	}
}

// skipWithoutPostgres ends a test that cannot run here.
func skipWithoutPostgres(t *testing.T) {
	t.Helper()
	p, err := devstack.StartPostgres(t.Context(), devstack.PostgresConfig{NoSync: true})
	if errors.Is(err, devstack.ErrNoPostgres) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err == nil {
		err = p.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
