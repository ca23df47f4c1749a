package devstack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// supervisor is the script that runs the server and outlives us for as long as
// that takes. Its arguments are the directory to remove at the end, or nothing,
// and the command. Three descriptors come from us: 3 is the leash, a pipe that
// ends when we let go of it or die; 4 is the lock on the data directory, which
// the server and its children keep while any of them lives; 5 is the pulse, a
// pipe that ends when the supervisor does.
const supervisor = `
scrap=$1
shift
"$@" 3<&- 5>&- &
server=$!
(
	read -r word <&3
	nap=
	trap 'kill $nap; wait $nap; exit' TERM
	for step in 'INT 4' 'QUIT 2' 'KILL 0'; do
		kill -${step% *} $server
		sleep ${step#* } &
		nap=$!
		wait $nap
	done
) 4>&- 5>&- 2>/dev/null &
guard=$!
wait $server
status=$?
kill $guard 2>/dev/null
wait $guard 2>/dev/null
[ -z "$scrap" ] || rm -rf "$scrap"
exit $status
`

// A supervised server runs until release, or until this process ends.
type supervised struct {
	cmd   *exec.Cmd
	leash *os.File // the write end; nobody else has it
	pulse *os.File // the read end
}

// supervise starts a command of the owner's in the home directory. Its output
// goes to log.
func supervise(o owner, h *home, log *os.File, command ...string) (*supervised, error) {
	hold, leash, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make leash: %w", err)
	}
	defer hold.Close()
	pulse, beat, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make pulse: %w", err), leash.Close())
	}
	defer beat.Close()

	scrap := ""
	if h.temp {
		scrap = h.path
	}
	cmd := o.command("sh", append([]string{"-c", supervisor, "supervisor", scrap}, command...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{hold, h.mark, beat}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start supervisor: %w", err), leash.Close(), pulse.Close())
	}
	return &supervised{cmd: cmd, leash: leash, pulse: pulse}, nil
}

// ended waits up to d for the server to end, and reports whether it has. The
// pulse carries no data, so a read either times out or finds the end. Callers
// may overlap: each looks at its own limit whoever's deadline woke it.
func (s *supervised) ended(d time.Duration) bool {
	limit := time.Now().Add(d)
	for {
		if err := s.pulse.SetReadDeadline(limit); err != nil {
			return true // closed by release
		}
		if _, err := s.pulse.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return true
		}
		if !time.Now().Before(limit) {
			return false
		}
	}
}

// release lets go of the leash and waits until the server has stopped.
func (s *supervised) release() error {
	if err := s.leash.Close(); err != nil {
		return fmt.Errorf("let go of the leash: %w", err)
	}
	if !s.ended(stopLimit) {
		return fmt.Errorf("server of supervisor %d has not stopped in %v", s.cmd.Process.Pid, stopLimit)
	}
	defer s.pulse.Close()
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("wait for supervisor: %w", err)
	}
	return nil // an unclean exit costs nothing: the next start replays the WAL
}
