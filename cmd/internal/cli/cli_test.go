package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

// roleVar makes this test binary a command that does what the role says.
const roleVar = "WAYBILL_CLI_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(cli.Main("command", play(role)))
	}
	goleak.VerifyTestMain(m)
}

type codeError int

func (codeError) Error() string   { return "it went wrong in a way of its own" }
func (e codeError) ExitCode() int { return int(e) }

func play(role string) cli.Run {
	return func(ctx context.Context, _ []string, _ func(string) string, stdout, _ io.Writer) error {
		switch role {
		case "well":
			return nil
		case "usage":
			return fmt.Errorf("wrapped: %w", &cli.UsageError{Err: errors.New("--flag is wrong")})
		case "own code":
			return fmt.Errorf("wrapped: %w", codeError(75))
		case "waits":
			fmt.Fprintln(stdout, "waiting")
			<-ctx.Done()
			return nil
		case "hangs":
			fmt.Fprintln(stdout, "waiting")
			<-ctx.Done()
			fmt.Fprintln(stdout, "winding up")
			select {}
		}
		return errors.New("it went wrong")
	}
}

// child runs this test binary in a role.
func child(t *testing.T, role string) (cmd *exec.Cmd, lines func() string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	read := bufio.NewReader(out)
	return cmd, func() string {
		line, err := read.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
}

func TestMain_exitCodesSayHowItEnded(t *testing.T) {
	for role, want := range map[string]struct {
		code int
		said string
	}{
		"well":     {0, ""},
		"usage":    {2, "command: wrapped: --flag is wrong\n"},
		"own code": {75, "command: wrapped: it went wrong in a way of its own\n"},
		"badly":    {1, "command: it went wrong\n"},
	} {
		t.Run(role, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVar+"="+role)
			var said bytes.Buffer
			cmd.Stderr = &said
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != want.code {
				t.Errorf("exit code = %d, want %d", got, want.code)
			}
			if said.String() != want.said {
				t.Errorf("stderr = %q, want %q", said.String(), want.said)
			}
		})
	}
}

func TestMain_aSignalEndsTheContext(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			cmd, line := child(t, "waits")
			line()
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the command ended with %v, want exit code 0", err)
			}
		})
	}
}

func TestMain_theSecondSignalKills(t *testing.T) {
	cmd, line := child(t, "hangs")
	line()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got, want := line(), "winding up"; got != want {
		t.Fatalf("after the first signal it says %q, want %q", got, want)
	}
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		_ = cmd.Wait()
	}()
	// The first signal's handler is gone some moments after the context's end.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(10 * time.Second); ; {
		select {
		case <-killed:
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				t.Errorf("it ended with %v, want to be killed by the signal", cmd.ProcessState)
			}
			return
		case <-tick.C:
			_ = cmd.Process.Signal(syscall.SIGINT)
		case <-limit:
			t.Fatal("it is still there after many signals")
		}
	}
}

// settings is a command with a flag of each kind.
type settings struct {
	Count   int           `help:"How many." default:"1"`
	Kind    string        `enum:"a,b" default:"a" help:"Which."`
	Where   cli.Address   `default:"localhost:1" help:"Where."`
	Wait    time.Duration `default:"1s" help:"How long."`
	Many    []string      `help:"Several."`
	On      bool          `help:"Whether."`
	Brokers cli.Brokers   `help:"Brokers."`
}

// Validate is called by kong.
func (s *settings) Validate() error {
	return cli.Check(cli.AtLeast("--count", s.Count, 1), cli.AtLeast("--wait", s.Wait, 0))
}

func parse(args []string, env map[string]string) (*settings, error) {
	var s settings
	_, err := cli.Parse("command", "Is for tests.", &s, args, func(name string) string { return env[name] }, io.Discard)
	return &s, err
}

func TestParse_takesFlagsThenVariablesThenDefaults(t *testing.T) {
	got, err := parse([]string{"--count=3"}, map[string]string{
		"WAYBILL_COUNT": "4", "WAYBILL_WHERE": "db:5432", "WAYBILL_MANY": "x,y", "WAYBILL_ON": "true", "WAYBILL_BROKERS": "h:1, [::1]:2", "COUNT": "9",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &settings{
		Count: 3, Kind: "a", Where: "db:5432", Wait: time.Second, Many: []string{"x", "y"}, On: true, Brokers: cli.Brokers{"h:1", "[::1]:2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestParse_errorsNameTheVariableThatGaveTheValue(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"no number", nil, map[string]string{"WAYBILL_COUNT": "many"}, "WAYBILL_COUNT: "},
		{"no address", nil, map[string]string{"WAYBILL_WHERE": "here"}, "WAYBILL_WHERE: "},
		{"none of the list", nil, map[string]string{"WAYBILL_KIND": "c"}, "(from WAYBILL_KIND)"},
		{"out of range", nil, map[string]string{"WAYBILL_COUNT": "0"}, "--count: 0 is less than 1 (from WAYBILL_COUNT)"},
		{"two out of range", nil, map[string]string{"WAYBILL_COUNT": "0", "WAYBILL_WAIT": "-1s"}, "(from WAYBILL_COUNT, WAYBILL_WAIT)"},
		{"out of range by a flag", []string{"--count=0"}, map[string]string{"WAYBILL_COUNT": "7"}, "--count: 0 is less than 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.args, tt.env)
			if _, ok := errors.AsType[*cli.UsageError](err); !ok {
				t.Fatalf("error = %v, want one of usage", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %q, want %q in it", err, tt.want)
			}
			if tt.args != nil && strings.Contains(err.Error(), "WAYBILL") {
				t.Errorf("error = %q blames a variable for what a flag said", err)
			}
		})
	}
}

func TestParse_errorsOfADatabaseURLNeverRepeatIt(t *testing.T) {
	for _, text := range []string{"mysql://u:hunter2@h/d", "postgres://u:hunter2@h:x/d", "postgres://u:hunter2%@h/d", "hunter2"} {
		var u cli.DatabaseURL
		err := u.UnmarshalText([]byte(text))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("UnmarshalText(%q) = %v, want an error without the password", text, err)
		}
	}
	for _, text := range []string{"postgres://u:p@h:1/d", "postgresql://h/d?sslmode=disable", "postgres:///d?host=/run/postgresql"} {
		var u cli.DatabaseURL
		if err := u.UnmarshalText([]byte(text)); err != nil || string(u) != text {
			t.Errorf("UnmarshalText(%q) = %q, %v", text, u, err)
		}
	}
}
