package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

// terminal is a pseudo terminal of some size; it returns the end for a program
// and what was written to it.
func terminal(t *testing.T, wide, high uint16) (*os.File, func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: wide, Row: high})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		piece := make([]byte, 4096)
		for {
			k, err := master.Read(piece)
			if err != nil {
				return
			}
			mu.Lock()
			said.Write(piece[:k])
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = slave.Close() // reading ends with it
		reading.Wait()
		_ = master.Close()
	})
	return slave, func() string {
		mu.Lock()
		defer mu.Unlock()
		return said.String()
	}
}

func TestWatch_aTerminalGetsATable(t *testing.T) {
	place := startLive(t, nil)
	place.put("S-1", 1, "in_transit")
	tty, said := terminal(t, 70, 5)
	ctx, cancel := context.WithCancel(t.Context())
	env := map[string]string{"WAYBILL_TOKEN": place.token(t, "read"), "TERM": "xterm"}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"watch", "--url=" + place.url}, func(name string) string { return env[name] }, tty, tty)
	}()
	shows := func(what string) {
		t.Helper()
		clitest.Eventually(t, func() error {
			if !strings.Contains(said(), what) {
				return fmt.Errorf("the terminal does not show %q:\n%q", what, said())
			}
			return nil
		})
	}
	shows("shipments: live, 1 row, checked ")
	shows("S-1  in_transit")
	place.put("S-2", 1, "created")
	shows("* S-2  created")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run = %v, want nil after the interrupt", err)
	}
	shows(leave + "shipments: live, 2 rows")
	if !strings.HasPrefix(said(), enter) {
		t.Errorf("it begins with %.20q, want another screen", said())
	}
}

// What is left on the terminal says how it ended, and of no next try.
func TestWatch_theLastLineSaysHowItEnded(t *testing.T) {
	for name, c := range map[string]struct{ url, want string }{
		"closed for good": {startLive(t, nil).url, "shipments: ended, closed with 4501: token not accepted"},
		"interrupted":     {"ws://" + clitest.Nowhere, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			tty, said := terminal(t, 200, 5)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			env := map[string]string{"WAYBILL_TOKEN": "hunter2", "TERM": "xterm"}
			done := make(chan error, 1)
			go func() {
				done <- run(ctx, []string{"watch", "--url=" + c.url}, func(name string) string { return env[name] }, tty, tty)
			}()
			if name == "interrupted" {
				clitest.Eventually(t, func() error {
					if !strings.Contains(said(), "next try in ") {
						return fmt.Errorf("the terminal does not say when the next try is:\n%q", said())
					}
					return nil
				})
				cancel()
			}
			if err := <-done; (err == nil) != (name == "interrupted") {
				t.Errorf("run = %v", err)
			}
			clitest.Eventually(t, func() error {
				_, last, _ := strings.Cut(said(), leave)
				last = strings.TrimRight(last, "\r\n")
				if !strings.HasSuffix(last, c.want) || strings.Contains(last, "try") {
					return fmt.Errorf("the last line is %q, want %q at its end and nothing of a try", last, c.want)
				}
				return nil
			})
		})
	}
}
