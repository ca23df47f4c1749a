package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// stopLimit is how long Ctrl-C may take.
const stopLimit = 5 * time.Second

// place is a data directory and four ports that nobody uses.
type place struct {
	t    *testing.T
	dir  string
	base int
}

func newPlace(t *testing.T) *place {
	t.Helper()
	return &place{t: t, dir: filepath.Join(t.TempDir(), "data"), base: freeBase(t)}
}

// freeBase is the first of four ports in a row that nobody listens on.
func freeBase(t *testing.T) int {
	t.Helper()
	for range 100 {
		_, text, err := net.SplitHostPort(clitest.Free(t))
		if err != nil {
			t.Fatal(err)
		}
		base, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if base <= 65535-3 && !slices.ContainsFunc([]int{base, base + 1, base + 2, base + 3}, inUse) {
			return base
		}
	}
	t.Fatal("no four free ports in a row were found")
	return 0
}

func inUse(port int) bool {
	l, err := net.Listen("tcp", local(port))
	if err != nil {
		return true
	}
	return l.Close() != nil
}

func (p *place) readyFile() string { return p.dir + ".ready" }

func (p *place) args(more ...string) []string {
	return append([]string{"--data=" + p.dir, "--port-base=" + strconv.Itoa(p.base), "--ready-file=" + p.readyFile()}, more...)
}

// ready waits for the ready file and reads it.
func (p *place) ready() ready {
	p.t.Helper()
	var r ready
	clitest.Eventually(p.t, func() error {
		text, err := os.ReadFile(p.readyFile())
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &r)
	})
	return r
}

// runs runs the platform in this process; stop ends it as Ctrl-C does, and
// waits for it.
func (p *place) runs(more ...string) (stop func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var stderr bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, p.args(more...), func(string) string { return "" }, io.Discard, &stderr)
	}()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		began := time.Now()
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("run: %v; it said:\n%s", err, stderr.String())
		}
		took := time.Since(began)
		p.t.Logf("it took %v to stop", took)
		if took > stopLimit {
			p.t.Errorf("it took %v to stop, want at most %v", took, stopLimit)
		}
	}
	p.t.Cleanup(stop)
	return stop
}

// left says what still runs in the directory or listens on one of the ports.
func (p *place) left() error {
	out, err := exec.Command("ps", "-A", "-o", "pid=,args=").Output()
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, p.dir) {
			return fmt.Errorf("there still runs %s", line)
		}
	}
	for port := p.base; port < p.base+4; port++ {
		if inUse(port) {
			return fmt.Errorf("port %d is still taken", port)
		}
	}
	return nil
}

// stopped checks that nothing is left by a platform that has ended by itself.
func (p *place) stopped() {
	p.t.Helper()
	if err := errors.Join(p.left(), os.Remove(p.readyFile())); err != nil {
		p.t.Errorf("after the end: %v", err)
	}
}
